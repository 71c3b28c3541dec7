// The threads behind parallel_for: at most 255 workers and whoever calls, one set for the whole process.
//
// With the memory pool this is the library's only global state: a second set of threads would fight with the first for
// the same cores. It holds nothing that a result can depend on. The header opens no ISA namespace, so translation units
// with other flags share it.
//
// A caller lists its job (it lies on the caller's stack: no allocation), works on it like everyone else, and waits
// for the helpers that still hold a block. Threads only decide who runs a block, never where it begins. Several callers
// have their jobs listed side by side. Idle workers look for a new job for 50 us, then sleep.
//
// A job is cut into as many shares as there are threads. A thread begins with the share of its own number, the same in
// every job: loops over one batch then find what the loop before has made in their own core's cache. When its share is
// done it takes blocks of the others'.
//
// Plain pthreads that a guard joins rather than std::jthread: beyond what every translation unit includes, <thread>,
// <mutex> and <condition_variable> cost 0.3 s (g++ 12) to 0.4 s (clang 14), this file 0.03 s, <atomic> 0.1 s.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>
#include <tessera/kernel/cpus.hpp>

namespace tessera::workers {

/// How long to look for work, or for the end of it, before sleeping: about what sleeping and waking cost (measured in a
/// virtual machine: 15 us in the caller, and the worker comes 30 us later). With 5 us, kernels of 20 us with gaps of 20
/// us never met an awake worker and ran no faster than alone.
inline constexpr long spin_ns = 50000;

using Body = void (*)(const void* self, Index begin, Index end);

inline constexpr int most_shares = 16;  // of more threads, several begin with the same share

struct alignas(64) Share {  // a cache line of its own
  Index next, end;          // first block nobody has claimed: atomic; first of the next share
};

struct Job {
  Body body;
  const void* self;
  Index count, grain, blocks;
  Index stop;  // blocks from here on need not begin: one before them failed; atomic
  std::exception_ptr
      failure{};    // of block `stop`, as a serial loop would have thrown; under the mutex, as what follows
  int helpers = 0;  // atomic for reading
  bool caller_sleeps = false;
  Job* link = nullptr;
  int shares;
  Share share[most_shares];

  Job(Body b, const void* of, Index n, Index size, int threads)
      : body(b), self(of), count(n), grain(size), blocks((n - 1) / size + 1), stop(blocks) {
    const int most = threads < most_shares ? threads : most_shares;
    shares = blocks < most ? static_cast<int>(blocks) : most;
    for (int i = 0; i < shares; ++i) share[i] = {i * blocks / shares, (i + 1) * blocks / shares};
  }
  bool unclaimed() const {
    for (int i = 0; i < shares; ++i) {
      if (__atomic_load_n(&share[i].next, __ATOMIC_RELAXED) < share[i].end) return true;
    }
    return false;
  }
};

struct Pool {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;     // everything below
  pthread_cond_t work = PTHREAD_COND_INITIALIZER;        // a job was listed, or workers are to end
  pthread_cond_t done = PTHREAD_COND_INITIALIZER;        // the last helper of a sleeping caller has left
  pthread_mutex_t resizing = PTHREAD_MUTEX_INITIALIZER;  // starting and joining threads; taken before `mutex`
  Job* jobs = nullptr;
  int limit = 0;  // threads in all, the caller's included; 0: nobody has asked yet; atomic for reading
  int started = 0;
  int searching = 0;  // idle workers that still spin
  int sleeping = 0;
  unsigned calls = 0;    // changes with every job listed; what spinning workers watch; atomic
  bool crowded = false;  // more threads than CPUs: spinning would keep others from working; atomic
  bool closed = false;
  pthread_t worker[max_threads] = {};
};

inline constinit Pool shared;                       // trivially destructible: usable until the very end of the process
inline constinit thread_local bool inside = false;  // this thread runs a block: nested calls run serially

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Takes the pool's mutex. Whoever holds it does so for a few instructions: trying again for a moment is cheaper than
/// the kernel's queue, in which a worker that saw a new job would often wait for the caller that still listed it.
inline void lock(pthread_mutex_t& m) {
  for (int tries = __atomic_load_n(&shared.crowded, __ATOMIC_RELAXED) ? 0 : 100; tries > 0; --tries) {
    if (::pthread_mutex_trylock(&m) == 0) return;
    relax();
  }
  ::pthread_mutex_lock(&m);
}

class Lock {
 public:
  explicit Lock(pthread_mutex_t& m) : mutex_(&m) { lock(m); }
  ~Lock() { ::pthread_mutex_unlock(mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t* mutex_;
};

/// Waits at most spin_ns for ready(), not at all when crowded; says whether it was.
template <class Ready>
bool spin(const Ready& ready) {
  if (__atomic_load_n(&shared.crowded, __ATOMIC_RELAXED)) return ready();
  const auto now = [] {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
  };
  const long end = now() + spin_ns;
  do {
    for (int i = 0; i < 8; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (now() < end);
  return ready();
}

/// Claims and runs blocks until none is left, as thread number `self`.
inline void help(Job& job, int self) {
  for (int i = 0; i < job.shares; ++i) {
    Share& share = job.share[(self + i) % job.shares];
    for (;;) {
      const Index k = __atomic_fetch_add(&share.next, 1, __ATOMIC_RELAXED);
      if (k >= share.end) break;
      if (k >= __atomic_load_n(&job.stop, __ATOMIC_RELAXED)) continue;
      const Index begin = k * job.grain;
      try {
        job.body(job.self, begin, job.count - begin < job.grain ? job.count : begin + job.grain);
      } catch (...) {
        const Lock lock(shared.mutex);
        if (k < job.stop) {
          job.failure = std::current_exception();
          __atomic_store_n(&job.stop, k, __ATOMIC_RELAXED);
        }
      }
    }
  }
}

inline void* work(void* number) {
  const auto self = static_cast<int>(reinterpret_cast<std::intptr_t>(number));
  Pool& p = shared;
  inside = true;
  lock(p.mutex);
  while (self + 1 < p.limit) {
    Job* job = p.jobs;
    while (job && !job->unclaimed()) job = job->link;
    if (job) {
      __atomic_store_n(&job->helpers, job->helpers + 1, __ATOMIC_RELAXED);
      ::pthread_mutex_unlock(&p.mutex);
      help(*job, self + 1);
      lock(p.mutex);
      const bool wake = job->caller_sleeps && job->helpers == 1;
      __atomic_store_n(&job->helpers, job->helpers - 1, __ATOMIC_RELEASE);  // the caller may be gone from here on
      if (wake) ::pthread_cond_broadcast(&p.done);
      continue;
    }
    const unsigned seen = p.calls;
    ++p.searching;
    ::pthread_mutex_unlock(&p.mutex);
    spin([&] { return __atomic_load_n(&p.calls, __ATOMIC_RELAXED) != seen; });
    lock(p.mutex);
    --p.searching;
    if (p.calls == seen) {
      ++p.sleeping;
      ::pthread_cond_wait(&p.work, &p.mutex);
      --p.sleeping;
    }
  }
  ::pthread_mutex_unlock(&p.mutex);
  return nullptr;
}

/// Sets the number of threads and joins the workers that are too many. `resizing` is held.
inline void limit_to(int threads) {
  Pool& p = shared;
  {
    const Lock lock(p.mutex);
    __atomic_store_n(&p.limit, threads, __ATOMIC_RELAXED);
    __atomic_store_n(&p.crowded, threads > available_cpus(), __ATOMIC_RELAXED);
    __atomic_store_n(&p.calls, p.calls + 1, __ATOMIC_RELAXED);
    ::pthread_cond_broadcast(&p.work);
  }
  while (p.started > threads - 1) {
    const pthread_t last = p.worker[p.started - 1];
    if (::pthread_equal(last, ::pthread_self()))
      ::pthread_detach(last);  // a block called exit()
    else
      ::pthread_join(last, nullptr);
    __atomic_store_n(&p.started, p.started - 1, __ATOMIC_RELAXED);
  }
}

/// Joins every worker when the program ends; calls after that run serially.
struct Closer {
  ~Closer() {
    const Lock resizing(shared.resizing);
    shared.closed = true;
    limit_to(1);
  }
};

/// The number of threads, decided at the first question.
inline int threads() {
  int n = __atomic_load_n(&shared.limit, __ATOMIC_RELAXED);
  if (n == 0) {
    const Lock resizing(shared.resizing);
    if (shared.limit == 0) {
      const int wanted = requested(std::getenv("TESSERA_THREADS"));
      limit_to(wanted > 0 ? wanted : available_cpus());
    }
    n = shared.limit;
  }
  return n;
}

/// Starts the workers that are missing. They take no signals: Ctrl-C belongs to the program's own threads.
inline void start() {
  static const Closer closer;
  Pool& p = shared;
  const Lock resizing(p.resizing);
  if (p.closed) return;
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  while (p.started < p.limit - 1) {
    if (::pthread_create(&p.worker[p.started], nullptr, work, reinterpret_cast<void*>(std::intptr_t{p.started})) != 0) {
      const Lock lock(p.mutex);  // the system has no more threads: go on with those there are
      __atomic_store_n(&p.limit, p.started + 1, __ATOMIC_RELAXED);
      break;
    }
    __atomic_store_n(&p.started, p.started + 1, __ATOMIC_RELAXED);
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

/// body(self, begin, end) for every block; see parallel_for.
inline void run(Index count, Index grain, Body body, const void* self) {
  const Index blocks = (count - 1) / grain + 1;
  const int limit = inside ? 1 : threads();
  if (limit == 1) {
    for (Index begin = 0; begin < count; begin += grain)
      body(self, begin, count - begin < grain ? count : begin + grain);
    return;
  }
  Pool& p = shared;
  if (__atomic_load_n(&p.started, __ATOMIC_RELAXED) < limit - 1) start();

  Job job(body, self, count, grain, limit);
  int wake = 0;
  {
    const Lock lock(p.mutex);
    job.link = p.jobs;
    p.jobs = &job;
    __atomic_store_n(&p.calls, p.calls + 1, __ATOMIC_RELAXED);
    const Index useful = blocks - 1 - p.searching;  // those that search come by themselves
    wake = static_cast<int>(useful < p.sleeping ? useful : p.sleeping);
  }
  for (; wake > 0; --wake) ::pthread_cond_signal(&p.work);

  inside = true;
  help(job, 0);
  inside = false;

  {
    const Lock lock(p.mutex);  // from here on nobody finds the job
    Job** at = &p.jobs;
    while (*at != &job) at = &(*at)->link;
    *at = job.link;
  }
  if (!spin([&] { return __atomic_load_n(&job.helpers, __ATOMIC_ACQUIRE) == 0; })) {
    const Lock lock(p.mutex);
    job.caller_sleeps = true;
    while (job.helpers > 0) ::pthread_cond_wait(&p.done, &p.mutex);
  }
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace tessera::workers

namespace tessera {

/// Threads a parallel_for uses, the caller's included. At first TESSERA_THREADS (1 to 256), else the CPUs this process
/// may use: its affinity, cut by the container's quota.
inline int threads() { return workers::threads(); }

/// Sets that number, for a program's --threads. Waits for workers that are no longer wanted. Throws argument_error when
/// n is not from 1 to 256, or inside a parallel_for.
inline void set_threads(int n) {
  if (n < 1 || n > workers::max_threads)
    throw argument_error("set_threads: " + std::to_string(n) + " threads asked for, 1 to 256 possible");
  if (workers::inside) throw argument_error("set_threads: called inside a parallel_for; call it before");
  const workers::Lock resizing(workers::shared.resizing);
  if (!workers::shared.closed) workers::limit_to(n);
}

}  // namespace tessera
