#include <tessera/autoregressive/cached_attention.hpp>
#include <tessera/kernel/attention.hpp>
#include <tessera/nn/init.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr Index length = 150, heads = 2, width = 5;  // three pages, the last one cut; no multiple of any register

struct Written {
  Tensor<float> keys, values;  // [length, heads * width]
  KvCache cache;

  explicit Written(CacheFormat format) : cache({.layers = 2, .heads = heads, .width = width, .format = format}) {
    Rng rng(7);
    keys = init::normal<float>({length, heads * width}, 1, rng);
    values = init::normal<float>({length, heads * width}, 1, rng);
    cache.reserve(length);
    put_rows(cache, 1, 0, keys, values);
    cache.advance(length);
  }
};

double furthest(const Tensor<float>& a, const Tensor<float>& b) {
  double most = 0;
  for (Index i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i] - b[i])));
  return most;
}

}  // namespace

TEST_CASE("a cache gives back what was put into it, rounded to its format", "[autoregressive]") {
  const auto [format, bound] =
      GENERATE(std::pair{CacheFormat::f32, 0.0}, std::pair{CacheFormat::f16, 2e-3}, std::pair{CacheFormat::i8, 2e-2});
  const Written w(format);
  Tensor<float> keys(w.keys.shape()), values(w.values.shape());
  w.cache.gather(1, length, keys.data(), values.data());
  CHECK(furthest(keys, w.keys) <= bound);
  CHECK(furthest(values, w.values) <= bound);
  std::vector<float> room(2 * KvCache::page_size * width);
  for (const Index i : {0, 1, 2}) {
    const Index first = i * KvCache::page_size, n = std::min(KvCache::page_size, length - first);
    const KvCache::Page page = w.cache.page(1, 1, i, n, room.data());
    for (Index j = 0; j < n; ++j) {
      for (Index d = 0; d < width; ++d) {
        const Index at = (first + j) * heads * width + width + d;
        CHECK(page.keys[d * KvCache::page_size + j] == keys[at]);
        CHECK(page.values[j * width + d] == values[at]);
      }
    }
  }
}

TEST_CASE("a copy of a cache stays what it was when the other goes on", "[autoregressive]") {
  Written w(CacheFormat::f32);
  const KvCache copy = w.cache;
  w.cache.truncate(100);
  w.cache.reserve(1);
  w.cache.put(1, 100, w.keys.data(), w.values.data());
  w.cache.advance(1);
  Tensor<float> keys(w.keys.shape()), values(w.values.shape());
  copy.gather(1, length, keys.data(), values.data());
  CHECK(furthest(keys, w.keys) == 0);
  CHECK(furthest(values, w.values) == 0);
}

TEST_CASE("a few rows over a cache have the bits of attention over the same keys", "[autoregressive]") {
  const Written w(CacheFormat::f32);
  constexpr Index group = 2, row = group * heads * width;
  const Index rows = GENERATE(1, 3, 15), sees = GENERATE(1, 64, 130);
  Rng rng(8);
  const Tensor<float> q = init::normal<float>({rows, row}, 1, rng);
  Tensor<float> few(q.shape());
  const CachedRows<float> sequence{&w.cache, rows, sees, q.data(), few.data()};
  attend_cached<float>(1, group * heads, row, row, {&sequence, 1});

  kernel::AttentionShape s = kernel::AttentionShape::dense(1, rows, sees + rows - 1, group * heads, heads, width);
  s.causal = true;
  Tensor<float> all(q.shape());
  kernel::attention<float>(s, q.data(), w.keys.data(), w.values.data(), nullptr, nullptr, all.data(), nullptr);
  CHECK(furthest(few, all) == 0);
}
