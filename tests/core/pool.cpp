#include <cstdint>
#include <tessera/core/pool.hpp>
#include <tessera/core/tensor.hpp>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("size classes hold what they promise and waste at most a quarter", "[core][pool]") {
  std::uint32_t last = 0;
  for (std::size_t bytes = 1; bytes < (std::size_t{1} << 58); bytes += bytes / 13 + 1) {
    const std::uint32_t list = pool::list_of(bytes);
    REQUIRE(list >= last);
    REQUIRE(list < pool::list_count);
    REQUIRE(pool::bytes_of(list) >= bytes);
    if (bytes > 64) REQUIRE(pool::bytes_of(list) <= bytes + bytes / 4 + 1);
    if (list > 0) REQUIRE(pool::bytes_of(list - 1) < bytes);
    last = list;
  }
  CHECK(pool::list_of(pool::bytes_of(pool::small_lists - 1)) == pool::small_lists - 1);
  CHECK(pool::bytes_of(pool::small_lists - 1) == 65536);
}

TEST_CASE("buffers are 64-byte aligned at every size", "[core][pool]") {
  for (Index n : {0, 1, 15, 16, 17, 100, 1000, 20000, 600000, 1100000}) {
    const Tensor<float> t(Shape{n});
    CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
  }
}

TEST_CASE("a freed block is used again", "[core][pool]") {
  if (!pool::enabled) return;
  for (Index n : {10, 1000, 100000, 1000000}) {
    const float* first = nullptr;
    {
      const Tensor<float> t(Shape{n});
      first = t.data();
    }
    const Tensor<float> again(Shape{n});
    CHECK(again.data() == first);
  }
}

TEST_CASE("threads free each other's blocks", "[core][pool]") {
  for (Index n : {10, 30000}) {  // a thread's own lists, and the shared ones
    std::vector<Tensor<float>> batch;
    for (int round = 0; round < 20; ++round) {
      std::thread maker([&batch, n] {
        for (int i = 0; i < 50; ++i) batch.emplace_back(Shape{n}, static_cast<float>(i));
      });
      maker.join();
      int wrong = 0;
      std::thread user([&batch, &wrong, n] {
        for (int i = 0; i < 50; ++i)
          wrong += batch[static_cast<std::size_t>(i)][n - 1] == static_cast<float>(i) ? 0 : 1;
        batch.clear();
      });
      user.join();
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("one thread that makes and another that frees do not pile up memory", "[core][pool]") {
  if (!pool::enabled) return;
  pool::trim();
  std::vector<const float*> seen;  // distinct addresses: fresh blocks
  for (int round = 0; round < 40; ++round) {
    std::vector<Tensor<float>> batch;
    for (int i = 0; i < 200; ++i) {
      batch.emplace_back(Shape{10000});  // 40 KB, 8 MB a round
      const float* at = std::as_const(batch.back()).data();
      bool known = false;
      for (const float* p : seen) known = known || p == at;
      if (!known) seen.push_back(at);
    }
    std::thread([&batch] { batch.clear(); }).join();
  }
  CHECK(seen.size() <= 3 * 200);
}

TEST_CASE("what a thread has freed outlives it", "[core][pool]") {
  if (!pool::enabled) return;
  pool::trim();
  const float* there = nullptr;
  std::thread([&there] { there = Tensor<float>(Shape{100}).data(); }).join();
  const Tensor<float> here(Shape{100});
  CHECK(here.data() == there);
}

TEST_CASE("handles are copied and dropped by several threads at once", "[core][pool]") {
  const Tensor<float> t({100}, 1.0f);
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&t] {
      for (int i = 0; i < 2000; ++i) {
        Tensor<float> copy = t;
        copy.data()[0] = 2.0f;  // its own memory by now
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(t.unique());
  CHECK(t[0] == 1.0f);
}

TEST_CASE("trim gives free blocks back and harms no live one", "[core][pool]") {
  const Tensor<float> alive({1000}, 3.0f);
  { const Tensor<float> small(Shape{100}), large(Shape{1000000}); }
  pool::trim();
  pool::trim();
  CHECK(alive[999] == 3.0f);
  const Tensor<float> next({1000}, 4.0f);
  CHECK(next[0] == 4.0f);
  CHECK(alive[0] == 3.0f);
}
