#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/kernel/parallel.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

/// Leaves the number of threads as it was.
struct Threads {
  int before = threads();
  explicit Threads(int n) { set_threads(n); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { set_threads(before); }
};

void count(int& n) { __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED); }

using Blocks = std::vector<std::pair<Index, Index>>;

Blocks blocks_of(Index total, Index grain) {
  Blocks seen(total <= 0 ? 0 : static_cast<std::size_t>((total - 1) / grain + 1), {-1, -1});
  kernel::parallel_for(total, grain, [&](Index begin, Index end) {
    seen.at(static_cast<std::size_t>(begin / grain)) = {begin, end};
  });
  return seen;
}

void write(const std::string& path, const char* text) {
  std::FILE* f = std::fopen(path.c_str(), "w");
  REQUIRE(f);
  std::fputs(text, f);
  std::fclose(f);
}

}  // namespace

TEST_CASE("parallel_for covers the range once, in the same blocks at any number of threads", "[kernel]") {
  for (Index total : {Index{0}, Index{1}, Index{7}, Index{64}, Index{65}, Index{1000}}) {
    for (Index grain : {Index{1}, Index{7}, Index{64}, Index{5000}}) {
      Blocks serial;
      for (int n : {1, 2, 3, 8, 40}) {  // the last: more than there are shares
        const Threads use(n);
        const Blocks seen = blocks_of(total, grain);
        Index at = 0;
        for (const auto& [begin, end] : seen) {
          CHECK(begin == at);
          CHECK((end - begin == grain || end == total));
          at = end;
        }
        CHECK(at == total);
        if (n == 1)
          serial = seen;
        else
          CHECK(seen == serial);
      }
    }
  }
  int calls = 0;
  kernel::parallel_for(-5, 3, [&](Index, Index) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("parallel_for runs on several threads", "[kernel]") {
  const Threads use(3);
  int arrived = 0;
  kernel::parallel_for(3, 1, [&](Index, Index) {  // ends only if all three blocks run at once
    count(arrived);
    while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < 3) sched_yield();
  });
  CHECK(arrived == 3);
}

TEST_CASE("a thread begins with its own share, the same in every job", "[kernel]") {
  const Threads use(3);
  pthread_t before[3] = {};
  for (int job = 0; job < 20; ++job) {
    int arrived = 0;
    pthread_t ran[3] = {};
    kernel::parallel_for(3, 1, [&](Index begin, Index) {
      ran[begin] = pthread_self();
      count(arrived);
      while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < 3) sched_yield();  // so that none takes another's
    });
    CHECK(pthread_equal(ran[0], pthread_self()));
    for (int i = 0; i < 3 && job > 0; ++i) CHECK(pthread_equal(ran[i], before[i]));
    for (int i = 0; i < 3; ++i) before[i] = ran[i];
  }
}

TEST_CASE("even_grain cuts into blocks of nearly one size", "[kernel]") {
  CHECK(kernel::even_grain(10, 1, 100) == 10);    // too little to share
  CHECK(kernel::even_grain(36, 100, 1000) == 9);  // four blocks
  CHECK(kernel::even_grain(5, 1000, 1) == 1);
  CHECK(kernel::even_grain(7, 10, 30) == 3);  // 3 + 3 + 1
}

TEST_CASE("nested parallel_for runs serially on its thread", "[kernel]") {
  const Threads use(4);
  int inner = 0, elsewhere = 0;
  kernel::parallel_for(16, 1, [&](Index, Index) {
    const pthread_t here = pthread_self();
    kernel::parallel_for(10, 1, [&](Index, Index) {
      count(inner);
      if (!pthread_equal(here, pthread_self())) count(elsewhere);
    });
  });
  CHECK(inner == 160);
  CHECK(elsewhere == 0);
}

TEST_CASE("parallel_for called from several threads at once", "[kernel]") {
  const Threads use(3);
  int wrong = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&wrong, c] {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<Index> out(97);
        kernel::parallel_for(97, 5, [&](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) out[static_cast<std::size_t>(i)] = i * c;
        });
        for (Index i = 0; i < 97; ++i) {
          if (out[static_cast<std::size_t>(i)] != i * c) count(wrong);
        }
      }
    });
  }
  for (auto& t : callers) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("the first failing block's exception reaches the caller", "[kernel]") {
  for (int n : {1, 2, 8}) {
    const Threads use(n);
    for (int repeat = 0; repeat < 50; ++repeat) {
      try {
        kernel::parallel_for(100, 1, [](Index begin, Index) {
          if (begin % 10 == 3) throw std::runtime_error("block " + std::to_string(begin));
        });
        FAIL("no exception");
      } catch (const std::runtime_error& e) { CHECK(std::string(e.what()) == "block 3"); }
    }
    int ran = 0;
    kernel::parallel_for(100, 1, [&](Index, Index) { count(ran); });  // the workers are well
    CHECK(ran == 100);
    CHECK_THROWS_AS(kernel::parallel_for(5, 10, [](Index, Index) { throw 1; }), int);
  }
}

TEST_CASE("a later block that fails afterwards does not hide the first", "[kernel]") {
  const Threads use(2);
  int arrived = 0;
  const auto both = [&](Index begin, Index) {
    count(arrived);
    while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < 2) sched_yield();
    if (begin == 1) ::usleep(5000);
    throw std::runtime_error("block " + std::to_string(begin));
  };
  CHECK_THROWS_WITH(kernel::parallel_for(2, 1, both), "block 0");
}

TEST_CASE("the number of threads can be set, not from inside", "[kernel]") {
  const Threads use(2);
  for (int n : {1, 5, 2, 9, 3}) {
    set_threads(n);
    CHECK(threads() == n);
    CHECK(blocks_of(1000, 3).size() == 334);
  }
  CHECK_THROWS_AS(set_threads(0), argument_error);
  CHECK_THROWS_AS(set_threads(257), argument_error);
  int refused = 0;
  kernel::parallel_for(8, 1, [&](Index, Index) {
    try {
      set_threads(1);
    } catch (const argument_error&) { count(refused); }
  });
  CHECK(refused == 8);
}

TEST_CASE("workers wake from sleep, and from a spin", "[kernel]") {
  const Threads use(2);
  for (int pause : {0, 10, 45, 50, 55, 200, 1000}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      int sum = 0;
      kernel::parallel_for(4, 1, [&](Index, Index) { count(sum); });
      CHECK(sum == 4);
      if (pause) usleep(static_cast<useconds_t>(pause));
    }
  }
}

TEST_CASE("TESSERA_THREADS: a number from 1 to 256, nonsense ignored", "[kernel]") {
  CHECK(workers::requested("1") == 1);
  CHECK(workers::requested("256") == 256);
  for (const char* bad : {"", "0", "257", "-1", "+2", " 2", "2 ", "two", "1e2", "0x4", "99999999999999999999"})
    CHECK(workers::requested(bad) == 0);
  CHECK(workers::requested(nullptr) == 0);
}

TEST_CASE("the container's CPU quota, control groups 1 and 2", "[kernel]") {
  char pattern[] = "/tmp/tessera-quota-XXXXXX";
  REQUIRE(mkdtemp(pattern));
  const std::string root = pattern, groups = root + "/groups";
  for (const char* folder : {"/a", "/a/b", "/cpu", "/cpu/job"}) REQUIRE(mkdir((root + folder).c_str(), 0700) == 0);
  const auto quota = [&] { return workers::quota(groups.c_str(), root.c_str()); };

  CHECK(quota() == 0);  // no such file
  write(groups, "0::/a/b\n");
  CHECK(quota() == 0);
  write(root + "/a/b/cpu.max", "max 100000\n");
  CHECK(quota() == 0);
  write(root + "/a/b/cpu.max", "150000 100000\n");
  CHECK(quota() == 2);
  write(root + "/a/cpu.max", "50000 100000\n");  // the parent's limit is narrower
  CHECK(quota() == 1);
  write(groups, "0::/elsewhere/on/the/host\n");  // inside a container the name need not exist; its root does
  CHECK(quota() == 0);
  write(root + "/cpu.max", "300000 100000\n");
  CHECK(quota() == 3);
  write(root + "/cpu.max", "garbage");
  CHECK(quota() == 0);

  write(groups, "5:memory:/job\n4:cpuacct,cpu:/job\nnonsense\n0::/\n");
  write(root + "/cpu/job/cpu.cfs_quota_us", "-1\n");
  write(root + "/cpu/job/cpu.cfs_period_us", "100000\n");
  CHECK(quota() == 0);
  write(root + "/cpu/job/cpu.cfs_quota_us", "400000\n");
  CHECK(quota() == 4);
  write(root + "/cpu/job/cpu.cfs_period_us", "0\n");
  CHECK(quota() == 0);

  for (const char* file :
       {"/cpu/job/cpu.cfs_quota_us", "/cpu/job/cpu.cfs_period_us", "/cpu.max", "/a/cpu.max", "/a/b/cpu.max", "/groups"})
    CHECK(unlink((root + file).c_str()) == 0);
  for (const char* folder : {"/cpu/job", "/cpu", "/a/b", "/a", ""}) CHECK(rmdir((root + folder).c_str()) == 0);
}
