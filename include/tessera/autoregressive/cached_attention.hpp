// One query of each of several sequences over the keys and values its cache holds: a step of generation, in nn's terms.
// The result has the bits of the query's row in attention() over the same keys (kernel/attention_cached.hpp).
#pragma once

#include <tessera/autoregressive/kv_cache.hpp>
#include <tessera/core/tensor.hpp>
#include <utility>

namespace tessera::inline TESSERA_ISA {

/// Where a sequence looks: the first `sees` positions of a cache.
struct CachedKeys {
  const KvCache* cache;
  Index sees;
};

/// q [n, heads * width] -> the same: row i attends to keys[i], in every head of layer `layer`.
inline Tensor<float> attention_cached(const Tensor<float>& q, Index layer, std::span<const CachedKeys> keys) {
  const KvCache::Config& c = keys[0].cache->config();
  const Index heads = c.heads, width = c.width, row = heads * width, tasks = static_cast<Index>(keys.size()) * heads;
  if (q.shape() != Shape{static_cast<Index>(keys.size()), row})
    throw shape_error("attention_cached: queries [" + std::to_string(keys.size()) + ", " + std::to_string(row) +
                      "] wanted, shape is " + q.shape().to_string());
  Tensor<float> y(q.shape());
  float* to = y.data();
  Index work = 1;
  for (const CachedKeys& k : keys) work += k.sees * width / static_cast<Index>(keys.size());
  kernel::parallel_for(tasks, 100'000 / work + 1, [&](Index begin, Index end) {
    for (Index task = begin; task < end; ++task) {
      const Index i = task / heads, head = task % heads;
      const auto& [cache, sees] = keys[static_cast<std::size_t>(i)];
      const kernel::CachedQuery<float> query{q.data() + i * row + head * width, to + i * row + head * width, sees};
      const auto page = [from = cache, layer, head](Index p, Index count, float* room) {
        const KvCache::Rows r = from->rows(layer, head, p, count, room);
        return std::pair<const float*, const float*>(r.keys, r.values);
      };
      kernel::attention_cached<float>(width, 0, {&query, 1}, page);
    }
  });
  return y;
}

/// Writes keys and values [n, heads * width] to positions `first` ... of a layer; the room must be reserved.
inline void put_rows(KvCache& cache, Index layer, Index first, const Tensor<float>& keys, const Tensor<float>& values) {
  const Index row = cache.config().heads * cache.config().width;
  for (Index i = 0; i < keys.size() / row; ++i)
    cache.put(layer, first + i, keys.data() + i * row, values.data() + i * row);
}

}  // namespace tessera::inline TESSERA_ISA
