// What attention and its adjoint are made of: strips of queries across the lanes of a register, and blocks of 64 keys.
// Scores are stored transposed, [key][strip]. (Internal to kernel/attention.hpp, which says why.)
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <tessera/core/index.hpp>
#include <tessera/kernel/math.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>
#include <tessera/kernel/transpose.hpp>

namespace tessera::inline TESSERA_ISA::kernel::attention_detail {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // always inlined: no vector crosses a call
#endif

inline constexpr Index key_block = 64;
inline constexpr Index query_block = 64;  // queries that go through a block of keys together
template <class T>
inline constexpr Index strip_width = tile_cols<T>;  // queries side by side in a tile
template <class T>
inline constexpr Index block_strips = query_block / strip_width<T>;
template <class T>
inline constexpr T log2_of_e = T(1.442695040888963407359924681);
template <class T>
inline constexpr T infinite = std::numeric_limits<T>::infinity();

/// 2^x for x <= 0: within 2 ULP, exactly 1 at 0; below -126 (float) off by less than 2^-126, exactly 0 from -127 on.
template <class T>
[[gnu::always_inline]] inline Pack<T> exp2_falling(Pack<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    x = max(Pack<T>(-127.0f), x);      // NaN stays; at -127 the bits assembled below are those of 0
    const Pack<T> magic(12582912.0f);  // 1.5 * 2^23: the sum's last bits are the nearest whole number
    const Pack<T> t = x + magic, r = x - (t - magic);
    const Pack<T> p = polynomial(r, 1.0f, 0.693147004f, 0.240222424f, 0.0555073358f, 0.00967151299f, 0.00132647273f);
    return from_bits<T>(bits(p) + shift_left<23>(bits(t)));
  } else {
    return Pack<T>(std::exp2(x.v));
  }
}

template <class T>
void fill(T* p, Index n, T x) {
  for (Index i = 0; i < n; ++i) p[i] = x;
}

// ---- products: C = start + A B with B's columns across the lanes; start is 0, C, or C times a factor per lane

template <class T>
struct Product {
  const T* b;
  Index ldb;
  T* c;
  Index ldc;
  bool add = false;
  const T* fade = nullptr;  // with it: start is C times fade

  /// Rows [first, last) of a tile of R whose first row is `row`; the others are computed in vain.
  template <int R, int V, class A>
  [[gnu::always_inline]] void tile(Index row, Index first, Index last, Index K, const A& a, Index col) const {
    constexpr Index L = lanes_of<T>;
    Pack<T> acc[R][V];
    T* at = c + row * ldc + col;
    clear(acc);
    if (add) {
#pragma GCC unroll 16
      for (Index i = 0; i < R; ++i) {
        if (i < first || i >= last) continue;
#pragma GCC unroll 8
        for (Index v = 0; v < V; ++v) acc[i][v] = Pack<T>::load(at + i * ldc + v * L);
      }
      if (fade) {
#pragma GCC unroll 8
        for (Index v = 0; v < V; ++v) {
          const Pack<T> f = Pack<T>::load(fade + v * L);
#pragma GCC unroll 16
          for (Index i = 0; i < R; ++i) acc[i][v] *= f;
        }
      }
    }
    fma_tile<R, V>(acc, K, a, b + col, ldb);
#pragma GCC unroll 16
    for (Index i = 0; i < R; ++i) {
      if (i < first || i >= last) continue;
#pragma GCC unroll 8
      for (Index v = 0; v < V; ++v) acc[i][v].store(at + i * ldc + v * L);
    }
  }

  /// All m rows of A. Reads nothing past them: when a tile is taller than what is left it reaches back over rows that
  /// are done.
  template <int V>
  void over_rows(Index m, Index K, View<T> a, Index col) const {
    for (Index i = 0, r; i < m; i += r) {
      r = next_rows(m - i);
      if (m < 4)
        r = 1;
      else if (i == 0 && r < tile_rows)
        r = r >= 8 ? 8 : 4;                                  // nothing to reach back over yet
      with_rows(r < 4 && m >= 4 ? 4 : r, [&](auto height) {  // one row alone would wait for its own chain
        constexpr int R = decltype(height)::value;
        tile<R, V>(i + r - R, R - r, R, K, Strided<T>{a.at(i + r - R, 0)}, col);
      });
    }
  }
};
/// A strip of B's columns from `col` on. Not inlined: most of attention's code, and its adjoint's, is this.
template <class T>
[[gnu::noinline]] void strip_product(Index m, Index K, View<T> a, const Product<T>& p, Index col = 0) {
  p.template over_rows<tile_regs>(m, K, a, col);
}
/// Any number of whole registers of B's columns.
template <class T>
void wide_product(Index lanes, Index m, Index K, View<T> a, const Product<T>& p) {
  Index col = 0;
  for (; col + lanes_of<T> < lanes; col += tile_cols<T>) strip_product(m, K, a, p, col);
  if (col < lanes) p.template over_rows<1>(m, K, a, col);
}

// ---- which keys

/// The keys of one batch item that are not padded, in order. Blocks and visibility count among these alone.
struct KeptKeys {
  Index count;
  const std::int32_t* position;  // nullptr: all

  Index operator[](Index j) const { return position ? position[j] : j; }
  /// How many lie before position `limit`.
  Index before(Index limit) const {
    Index low = 0, high = count;
    if (!position) return limit < 0 ? 0 : limit < count ? limit : count;
    while (low < high) {
      const Index middle = (low + high) / 2;
      if (position[middle] < limit)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
};
inline KeptKeys kept_keys(const std::uint8_t* padding, Index keys, std::int32_t* room) {
  if (!padding) return {keys, nullptr};
  Index n = 0;
  for (Index j = 0; j < keys; ++j) {
    if (padding[j]) room[n++] = static_cast<std::int32_t>(j);
  }
  return {n, n == keys ? nullptr : room};
}

template <class T>
struct Rows {
  const T* data;
  Index stride;
  View<T> by_rows() const { return {data, stride, 1}; }
  View<T> by_columns() const { return {data, 1, stride}; }
};
/// Rows further apart than this are copied side by side before use: they'd compete for a few sets of the nearest cache.
/// 64 queries on interleaved [T, 3, 12, 64], rows 9 KB apart, gain 1.1x; rows 12 KB apart 1.5x; nearer ones would lose
/// 3 %.
template <class T>
bool far_apart(Index stride) {
  return stride * static_cast<Index>(sizeof(T)) >= 8192;
}
/// to[i] = factor from[i]
template <class T>
void copy_scaled(const T* from, T* to, Index n, T factor) {
  Index i = 0;
  for (; i + lanes_of<T> <= n; i += lanes_of<T>) (Pack<T>::load(from + i) * Pack<T>(factor)).store(to + i);
  for (; i < n; ++i) to[i] = from[i] * factor;
}
/// n rows of K or V from kept row `first` on: in place, or copied into `room` when some between are left out or rows
/// are far apart.
template <class T>
Rows<T> kept_rows(const Rows<T>& from, Index width, const KeptKeys& kept, Index first, Index n, T* room) {
  if (!kept.position && !far_apart<T>(from.stride)) return {from.data + first * from.stride, from.stride};
  for (Index j = 0; j < n; ++j) copy_scaled(from.data + kept[first + j] * from.stride, room + j * width, width, T(1));
  return {room, width};
}
/// n rows whose width is whole registers: in place, or copied with zeros behind.
template <class T>
Rows<T> whole_rows(const Rows<T>& from, Index width, Index n, T* room) {
  const Index rest = width % lanes_of<T>, whole = width - rest, stride = rest == 0 ? width : whole + lanes_of<T>;
  if (rest == 0 && !far_apart<T>(from.stride)) return from;
  for (Index i = 0; i < n; ++i) {
    const T* a = from.data + i * from.stride;
    T* b = room + i * stride;
    copy_scaled(a, b, whole, T(1));
    if (rest > 0) load_some<T>(a + whole, rest).store(b + whole);
  }
  return {room, stride};
}

// ---- a strip

/// What turn() multiplies a row's numbers by: each column has a factor of its own, or all share one.
template <class T>
struct Factor {
  T all;
  const T* each = nullptr;  // read in whole registers
  [[gnu::always_inline]] Pack<T> at(Index column) const { return each ? Pack<T>::load(each + column) : Pack<T>(all); }
};

/// to[j * to_stride + i] = factor(j) from[i * from_stride + j] for i < rows, j < cols. With `whole`, rows of `to` are
/// written in whole registers, zero behind i = rows.
template <class T>
void turn(bool whole, Index rows, Index cols, const T* from, Index from_stride, T* to, Index to_stride,
          const Factor<T>& factor) {
  constexpr Index L = lanes_of<T>;
  T before[L * L], after[L * L];  // a square that is cut by an edge goes through these: one code for all squares
  for (Index i = 0; i < rows; i += L) {
    const Index m = rows - i < L ? rows - i : L;
    for (Index j = 0; j < cols; j += L) {
      const Index n = cols - j < L ? cols - j : L;
      const T* p = from + i * from_stride + j;
      T* q = to + j * to_stride + i;
      const bool full = m == L && n == L;
      if (!full) {
        for (Index t = 0; t < L; ++t) {
          (t < m ? load_some<T>(p + t * from_stride, n) : Pack<T>(T(0))).store(before + t * L);
        }
      }
      const T* in = full ? p : before;
      T* out = full ? q : after;
      const Index in_stride = full ? from_stride : L, out_stride = full ? to_stride : L;
      const Pack<T> f = factor.at(j);
      Pack<T> square[L];
#pragma GCC unroll 16
      for (Index t = 0; t < L; ++t) square[t] = Pack<T>::load(in + t * in_stride) * f;
      transpose_square<T>(square);
#pragma GCC unroll 16
      for (Index t = 0; t < L; ++t) square[t].store(out + t * out_stride);
      for (Index t = 0; !full && t < n; ++t)
        store_some<T>(q + t * to_stride, Pack<T>::load(after + t * L), whole ? L : m);
    }
  }
}
/// to[d][i] = factor from[i][d] for `count` queries: into the lanes of a strip, zeros in the others.
template <class T>
void across(T* to, const T* from, Index stride, Index width, Index count, T factor) {
  if (count <= strip_width<T> - lanes_of<T>) fill(to, width * strip_width<T>, T(0));
  turn<T>(true, count, width, from, stride, to, strip_width<T>, {factor});
}

template <class T>
struct Strip {
  Index begin, count;  // queries
  Index least, most;   // kept keys that the first and the last of them see
  T* sees;             // [strip_width] the same for each; whole numbers

  void open(Index from, Index queries, Index keys, bool causal, const KeptKeys& kept, T* room) {
    begin = from;
    count = queries - from < strip_width<T> ? queries - from : strip_width<T>;
    least = most = kept.count;
    sees = room;
    if (!causal) return;
    for (Index i = 0; i < strip_width<T>; ++i) {
      const Index n = kept.before(from + i + keys - queries + 1);
      if (i == 0) least = n;
      if (i < count) most = n;
      sees[i] = static_cast<T>(n);
    }
  }

  /// s[j][i] = log2(e) (q_i . k_j + bias_ij), -inf where the query does not see the key, for n keys from `first` on.
  /// `q` carries scale log2(e); rows of s are `stride` apart.
  void scores(const T* q, const Rows<T>& k, Index width, const T* bias, Index bias_row, const KeptKeys& kept,
              Index first, Index n, T* s, Index stride) const {
    if (bias) {
      bias += begin * bias_row;
      if (!kept.position) {
        for (Index j = 0; count <= strip_width<T> - lanes_of<T> && j < n; ++j)
          fill(s + j * stride, strip_width<T>, T(0));
        turn<T>(true, count, n, bias + first, bias_row, s, stride, {log2_of_e<T>});
      } else {
        for (Index j = 0; j < n; ++j) {
          for (Index i = 0; i < strip_width<T>; ++i) {
            s[j * stride + i] = i < count ? bias[i * bias_row + kept.position[first + j]] * log2_of_e<T> : T(0);
          }
        }
      }
    }
    strip_product<T>(n, width, k.by_rows(), {q, strip_width<T>, s, stride, bias != nullptr});
    for (Index j = least > first ? least - first : 0; j < n; ++j) {
      const Pack<T> key(static_cast<T>(first + j));
      for (Index i = 0; i < count; i += lanes_of<T>) {
        T* p = s + j * stride + i;
        select(key < Pack<T>::load(sees + i), Pack<T>::load(p), Pack<T>(-infinite<T>)).store(p);
      }
    }
  }
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel::attention_detail
