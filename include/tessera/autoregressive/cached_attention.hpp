// A few new queries of each of several sequences over the keys and values its cache holds: a step of generation. A
// query's result has the bits of its row in attention() over the same keys (kernel/attention_cached.hpp).
#pragma once

#include <tessera/autoregressive/kv_cache.hpp>
#include <tessera/core/tensor.hpp>
#include <utility>

namespace tessera::inline TESSERA_ISA {

/// The newest rows of one sequence. Row i sees the first `sees` + i positions of the cache.
template <class T>
struct CachedRows {
  static constexpr Index most = 16;  // rows; for more, kernel::attention is the faster one

  const KvCache* cache;
  Index rows, sees;
  const T* q;  // [rows, heads * width]
  T* out;      // the same
};

/// Every head of every row in layer `layer`. There are `heads` of queries, a multiple of the caches' own; rows begin
/// q_row and out_row numbers apart.
template <class T>
void attend_cached(Index layer, Index heads, Index q_row, Index out_row, std::span<const CachedRows<T>> sequences) {
  if (sequences.empty()) return;
  const KvCache::Config& c = sequences[0].cache->config();
  const Index width = c.width, group = heads / c.heads, tasks = static_cast<Index>(sequences.size()) * c.heads;
  Index work = 0;
  for (const CachedRows<T>& s : sequences) {
    const Index own = s.rows * (s.sees + s.rows) * group * width;
    work = own > work ? own : work;
  }
  kernel::parallel_for(tasks, kernel::even_grain(tasks, work, 20'000), [&](Index begin, Index end) {
    constexpr Index most_heads = 16;
    kernel::CachedQuery<T> queries[CachedRows<T>::most * most_heads];
    for (Index task = begin; task < end; ++task) {
      const CachedRows<T>& s = sequences[static_cast<std::size_t>(task / c.heads)];
      const Index g = task % c.heads;
      const auto page = [&s, layer, g](Index i, Index count, T* room) {
        const KvCache::Page p = s.cache->page(layer, g, i, count, room);
        return std::pair<const T*, const T*>(p.keys, p.values);
      };
      for (Index h = 0; h < group; h += most_heads) {
        const Index some = group - h < most_heads ? group - h : most_heads;
        for (Index i = 0; i < s.rows; ++i) {
          for (Index j = 0; j < some; ++j) {
            const Index at = (g * group + h + j) * width;
            queries[i * some + j] = {s.q + i * q_row + at, s.out + i * out_row + at, s.sees + i};
          }
        }
        kernel::attention_cached<T>(width, 0, {queries, static_cast<std::size_t>(s.rows * some)}, page);
      }
    }
  });
}

/// Where a sequence looks: the first `sees` positions of a cache.
struct CachedKeys {
  const KvCache* cache;
  Index sees;
};

/// q [n, heads * width] -> the same: row i attends to keys[i], in every head of layer `layer`.
inline Tensor<float> attention_cached(const Tensor<float>& q, Index layer, std::span<const CachedKeys> keys) {
  const KvCache::Config& c = keys[0].cache->config();
  const Index row = c.heads * c.width, n = static_cast<Index>(keys.size());
  if (q.shape() != Shape{n, row})
    throw shape_error("attention_cached: queries [" + std::to_string(n) + ", " + std::to_string(row) +
                      "] wanted, shape is " + q.shape().to_string());
  Tensor<float> y(q.shape());
  float* const to = y.data();
  std::vector<CachedRows<float>> sequences;
  for (Index i = 0; i < n; ++i) {
    const CachedKeys& k = keys[static_cast<std::size_t>(i)];
    sequences.push_back({k.cache, 1, k.sees, q.data() + i * row, to + i * row});
  }
  attend_cached<float>(layer, c.heads, row, row, sequences);
  return y;
}

/// Writes keys and values [n, heads * width] to positions `first` ... of a layer; the room must be reserved.
inline void put_rows(KvCache& cache, Index layer, Index first, const Tensor<float>& keys, const Tensor<float>& values) {
  const Index row = cache.config().heads * cache.config().width;
  for (Index i = 0; i < keys.size() / row; ++i)
    cache.put(layer, first + i, keys.data() + i * row, values.data() + i * row);
}

}  // namespace tessera::inline TESSERA_ISA
