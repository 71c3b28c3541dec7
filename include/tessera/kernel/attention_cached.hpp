// Attention of a few new queries over cached keys and values: what a step of generation does. They lie in pages of 64, so each
// key and value is read once, and every head that shares it uses it while it is in L1.
//
// kernel/attention.hpp lays queries across the lanes, which one query would waste; here keys do, and the width for the sum of
// values. So a page has its keys turned, [width, 64]: whoever writes a key does that once, and not every query again. What happens to one query is the same, in the same order: scores are one chain of fma's over the width, weights are
// 2^(s - top) block by block of 64 keys, sums go key by key. So the result has the bits of that query's row in
// kernel::attention, which is what makes cached generation equal the forward pass.
#pragma once

#include <span>

#include <tessera/kernel/attention.hpp>
#include <tessera/kernel/epilogue.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

inline constexpr Index attention_page = attention_detail::key_block;

/// One query of one head: q and out [width], and how many keys it sees.
template <class T>
struct CachedQuery {
  const T* q;
  T* out;
  Index sees;
};

namespace attention_detail {

/// s[j] = sum over d of q[d] kt[d, j], for a whole page; kt [width, page].
template <class T>
void page_scores(const T* q, const T* kt, Index width, T* s) {
  constexpr Index L = lanes_of<T>, side = attention_page / L < 4 ? attention_page / L : 4;
  for (Index j = 0; j < attention_page; j += side * L) {
    Pack<T> acc[side];
#pragma GCC unroll 4
    for (Index v = 0; v < side; ++v) acc[v] = Pack<T>(T(0));
#pragma GCC unroll 4
    for (Index d = 0; d < width; ++d) {
      const Pack<T> x(q[d]);
      const T* row = kt + d * attention_page + j;
#pragma GCC unroll 4
      for (Index v = 0; v < side; ++v) acc[v] = fma(Pack<T>::load(row + v * L), x, acc[v]);
    }
#pragma GCC unroll 4
    for (Index v = 0; v < side; ++v) acc[v].store(s + j + v * L);
  }
}

/// The greatest of top and s[0 .. n); what is not a number is passed over.
template <class T>
T greatest(T top, const T* s, Index n) {
  constexpr Index L = lanes_of<T>;
  Pack<T> most(top);
  Index j = 0;
  for (; j + L <= n; j += L) most = max(Pack<T>::load(s + j), most);
  T lanes[L];
  most.store(lanes);
  for (const T lane : lanes) top = lane > top ? lane : top;
  for (; j < n; ++j) top = s[j] > top ? s[j] : top;
  return top;
}

/// acc = acc fade + sum over j < n of p[j] v[j, :], without the first term when this is the first page.
template <class T>
void page_values(const T* p, const T* v, Index width, Index n, bool first, T fade, T* acc) {
  constexpr Index L = lanes_of<T>;
  Index d = 0;
  for (; d + 4 * L <= width; d += 4 * L) {
    Pack<T> a[4];
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) a[i] = first ? Pack<T>(T(0)) : Pack<T>::load(acc + d + i * L) * Pack<T>(fade);
    for (Index j = 0; j < n; ++j) {
      const Pack<T> w(p[j]);
      const T* row = v + j * width + d;
#pragma GCC unroll 4
      for (Index i = 0; i < 4; ++i) a[i] = fma(Pack<T>::load(row + i * L), w, a[i]);
    }
#pragma GCC unroll 4
    for (Index i = 0; i < 4; ++i) a[i].store(acc + d + i * L);
  }
  for (; d < width; d += L) {
    const Index lanes = width - d;
    Pack<T> a = first ? Pack<T>(T(0)) : load_lanes<T>(acc + d, lanes) * Pack<T>(fade);
    for (Index j = 0; j < n; ++j) a = fma(load_lanes<T>(v + j * width + d, lanes), Pack<T>(p[j]), a);
    store_lanes<T>(acc + d, a, lanes);
  }
}

}  // namespace attention_detail

/// All queries of one key/value head. page(i, n, room) gives {k, v} of the n positions from 64 i on: keys turned,
/// [width, 64], whose columns from n on are read but change nothing, and values [n, width]. It may put them into `room`
/// (2 * 64 * width numbers). Serial: call it inside a parallel_for over heads and sequences.
template <class T, class Page>
void attention_cached(Index width, double scale, std::span<const CachedQuery<T>> queries, const Page& page) {
  using namespace attention_detail;
  constexpr Index W = attention_page, L = lanes_of<T>;
  const Index count = static_cast<Index>(queries.size());
  const T factor = static_cast<T>((scale == 0 ? 1 / std::sqrt(static_cast<double>(width)) : scale)) * log2_of_e<T>;
  const Scratch<T> q(count * width), s(W), room(2 * W * width), top(count), total(count);
  Index most = 0;
  for (Index r = 0; r < count; ++r) {
    const CachedQuery<T>& query = queries[static_cast<std::size_t>(r)];
    copy_scaled(query.q, &q[r * width], width, factor);
    top[r] = std::numeric_limits<T>::lowest();
    total[r] = T(0);
    most = query.sees > most ? query.sees : most;
  }
  for (Index first = 0; first < most; first += W) {
    const Index keys = most - first < W ? most - first : W;
    const auto [k, v] = page(first / W, keys, room.data());
    for (Index r = 0; r < count; ++r) {
      const CachedQuery<T>& query = queries[static_cast<std::size_t>(r)];
      const Index n = query.sees - first < keys ? query.sees - first : keys;
      if (n <= 0) continue;
      page_scores(&q[r * width], k, width, s.data());
      const T now = greatest(top[r], s.data(), n);
      for (Index j = 0; j < W; j += L) exp2_falling(Pack<T>::load(&s[j]) - Pack<T>(now)).store(&s[j]);
      T fade[L];
      exp2_falling(Pack<T>(top[r]) - Pack<T>(now)).store(fade);
      T sum = total[r] * fade[0];
      for (Index j = 0; j < n; ++j) sum += s[j];
      top[r] = now;
      total[r] = sum;
      page_values(s.data(), v, width, n, first == 0, fade[0], query.out);
    }
  }
  for (Index r = 0; r < count; ++r) {
    const T share = total[r] == T(0) ? T(0) : T(1) / total[r];
    copy_scaled(queries[static_cast<std::size_t>(r)].out, queries[static_cast<std::size_t>(r)].out, width, share);
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
