// The pool behind Tensor: size classes and free lists, nothing returned to the system within a step.
//
// A fresh 64 MB output costs 57 ms from malloc (page faults) and 5 ms from the pool. Classes are quarter powers of
// two (at most 25 % unused); blocks of 2 MB and more lie on 2 MB boundaries and ask for huge pages.
//
// Blocks of up to 64 KB go to the freeing thread's own lists, without a lock. When a thread has freed 16 MB more of
// them than it took, and when it ends, they go to lists that all threads share; larger blocks go there at once. So a
// loader that fills batches and a trainer that frees them do not pile up memory.
//
// Under the address sanitizer the pool steps aside, so that its checks stay sharp.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace tessera::pool {

/// Header in front of every buffer; the buffer starts 64 bytes in, so it is 64-byte aligned.
struct alignas(64) Block {
  Block* next = nullptr;    // in a free list
  Block* chain = nullptr;   // first of a shared free list: the next such list of its class
  std::uint32_t count = 0;  // owners; changed with __atomic builtins (cheaper to include than <atomic>)
  std::uint32_t list = 0;
};

inline constexpr std::uint32_t list_count = 256;
inline constexpr std::uint32_t small_lists = 41;                    // classes of up to 64 KB
inline constexpr std::int64_t kept_bytes = std::int64_t{16} << 20;  // in a thread's own lists, beyond what it took

struct Own {
  Block* lists[small_lists] = {};
  std::int64_t room = 0;  // bytes that may still be kept; 0 before the first
  bool ended = false;     // this thread is being torn down
};
inline constinit thread_local Own own;  // no destructor: no guard on access

struct Shared {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  Block* lists[list_count] = {};
};
inline constinit Shared shared;

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool enabled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool enabled = false;
#else
inline constexpr bool enabled = true;
#endif
#else
inline constexpr bool enabled = true;
#endif

/// Class of a size: four per power of two, from 64 bytes up.
inline std::uint32_t list_of(std::size_t bytes) {
  if (bytes <= 64) return 0;
  const std::size_t b = bytes - 1;
  const auto log = static_cast<std::uint32_t>(63 - __builtin_clzll(b));
  return (log - 6) * 4 + static_cast<std::uint32_t>((b >> (log - 2)) & 3) + 1;
}
/// Bytes in a block of a class.
inline std::size_t bytes_of(std::uint32_t list) {
  if (list == 0) return 64;
  const std::uint32_t log = (list - 1) / 4 + 6, quarter = (list - 1) % 4 + 1;
  return (std::size_t{1} << log) + quarter * (std::size_t{1} << (log - 2));
}

inline void* fresh(std::size_t bytes) {
  if (bytes >> 47) throw std::bad_alloc();  // no address space is so large; sanitizers would abort
  constexpr std::size_t huge = std::size_t{2} << 20;
  const std::size_t alignment = bytes >= huge ? huge : 64;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* p = std::aligned_alloc(alignment, rounded);
  if (!p) throw std::bad_alloc();
  if (alignment == huge) ::madvise(p, bytes / huge * huge, MADV_HUGEPAGE);  // not the last part: it may be a few bytes
  return p;
}

/// Hands a list of free blocks of one class to all threads.
inline void publish(Block* first) {
  ::pthread_mutex_lock(&shared.mutex);
  first->chain = shared.lists[first->list];
  shared.lists[first->list] = first;
  ::pthread_mutex_unlock(&shared.mutex);
}

inline void publish_own() {
  for (Block*& first : own.lists) {
    if (first) publish(first);
    first = nullptr;
  }
  own.room = kept_bytes;
}

/// Publishes a thread's free blocks when it ends. Called off the fast path by every thread that will have some.
inline void watch_end() {
  struct End {
    ~End() {
      publish_own();
      own.ended = true;
      own.room = 0;
    }
  };
  thread_local const End end;
}

inline Block* take_slowly(std::uint32_t list, std::size_t bytes) {
  ::pthread_mutex_lock(&shared.mutex);
  Block* b = shared.lists[list];
  if (b) shared.lists[list] = b->chain;
  ::pthread_mutex_unlock(&shared.mutex);
  if (!b) {
    b = new (fresh(sizeof(Block) + (enabled ? bytes_of(list) : bytes))) Block;
    b->list = list;
  } else if (b->next) {
    watch_end();
    own.lists[list] = b->next;
  }
  return b;
}

/// A block of at least `bytes` with one owner. Throws std::bad_alloc.
inline Block* take(std::size_t bytes) {
  const std::uint32_t list = list_of(bytes);
  Block* b = nullptr;
  if (list < small_lists && own.lists[list]) {
    b = own.lists[list];
    own.lists[list] = b->next;
    own.room += static_cast<std::int64_t>(bytes_of(list));
  } else {
    b = take_slowly(list, bytes);
  }
  b->count = 1;
  return b;
}

/// Takes back a block without owners.
inline void give(Block* b) {
  const auto bytes = static_cast<std::int64_t>(bytes_of(b->list));
  b->next = nullptr;
  if (b->list >= small_lists || own.ended) return publish(b);
  if (own.room < bytes) {
    watch_end();
    publish_own();
  }
  own.room -= bytes;
  b->next = own.lists[b->list];
  own.lists[b->list] = b;
}

inline void share(Block* b) { __atomic_fetch_add(&b->count, 1u, __ATOMIC_RELAXED); }

inline bool unique(const Block* b) { return __atomic_load_n(&b->count, __ATOMIC_ACQUIRE) == 1; }

inline void drop(Block* b) {
  if (!unique(b) && __atomic_fetch_sub(&b->count, 1u, __ATOMIC_ACQ_REL) != 1) return;  // a sole owner: no locked write
  if constexpr (enabled)
    give(b);
  else
    std::free(b);
}

/// Gives free blocks back to the system: this thread's and the shared ones. Other threads keep their own (at most 16 MB
/// each).
inline void trim() {
  publish_own();
  for (Block*& head : shared.lists) {
    ::pthread_mutex_lock(&shared.mutex);
    Block* chain = head;
    head = nullptr;
    ::pthread_mutex_unlock(&shared.mutex);
    while (chain) {
      Block* b = chain;
      chain = chain->chain;
      while (b) {
        Block* next = b->next;
        std::free(b);
        b = next;
      }
    }
  }
}

}  // namespace tessera::pool
