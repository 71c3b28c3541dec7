// Transposes: a square of registers (width x width numbers) by shuffles, and a matrix in such squares.
//
// Two rounds of interleaving turn every 4 x 4 corner in place, then log2(width / 4) rounds gather 128-bit blocks: each
// round is one instruction a register on SSE2, AVX2 and AVX-512. Plain element moves reach a third of that speed.
#pragma once

#include <utility>

#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// Element (i, j) = data[i * row_stride + j * col_stride]; a transpose is two strides exchanged.
template <class T>
struct View {
  const T* data;
  Index row_stride, col_stride;

  View at(Index row, Index col) const { return {data + row * row_stride + col * col_stride, row_stride, col_stride}; }
  View transposed() const { return {data, col_stride, row_stride}; }
};

namespace detail {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // always inlined: no vector crosses a call
#endif

// A shuffle's source index for lane l out of the 2 W lanes of (a, b).
template <int Unit, bool High>
struct Interleave {  // Unit numbers of a, Unit of b, ... from the low or high half of each block of 4
  template <int W>
  static constexpr int from(int l) {
    const int block = l / 4 * 4, unit = l % 4 / Unit, within = l % Unit;
    return (unit % 2 == 0 ? 0 : W) + block + (High ? 2 : 0) + unit / 2 * Unit + within;
  }
};
template <bool Odd>
struct EveryOtherBlock {  // the even (odd) blocks of 4 of a, then those of b
  template <int W>
  static constexpr int from(int l) {
    return (2 * (l / 4) + (Odd ? 1 : 0)) * 4 + l % 4;
  }
};
// The last round of transpose_half: from 16 lanes numbered (row 1, column 3, column 0, row 0) by bits, highest first, or 8
// numbered (column 2, column 0, row 0), to those with the same highest column bit, numbered (column 0, rows).
template <bool High>
struct PairColumns {
  template <int W>
  static constexpr int from(int l) {
    const int column = l / (W / 2), row0 = l % 2, row1 = l / 2 % 2;
    if constexpr (W == 16) {
      const int row2 = l / 4 % 2;
      return (row2 ? W : 0) + row1 * 8 + (High ? 4 : 0) + column * 2 + row0;
    } else {
      return (row1 ? W : 0) + (High ? 4 : 0) + column * 2 + row0;
    }
  }
};
template <class Rule, class T, int... L>
[[gnu::always_inline]] inline Pack<T> shuffle(Pack<T> a, Pack<T> b, std::integer_sequence<int, L...>) {
  return Pack<T>::make(__builtin_shufflevector(a.v, b.v, Rule::template from<sizeof...(L)>(L)...));
}
template <class Low, class High, class T>
[[gnu::always_inline]] inline void exchange(Pack<T>& a, Pack<T>& b) {
  constexpr std::make_integer_sequence<int, lanes_of<T>> lanes{};
  const Pack<T> low = shuffle<Low>(a, b, lanes), high = shuffle<High>(a, b, lanes);
  a = low;
  b = high;
}

}  // namespace detail

/// Transposes width registers of width numbers in place.
template <class T>
[[gnu::always_inline]] inline void transpose_square(Pack<T> (&r)[lanes_of<T>]) {
  constexpr int W = lanes_of<T>;
  if constexpr (W > 1) {
    using namespace detail;
#pragma GCC unroll 4
    for (int g = 0; g < W; g += 4) {
      exchange<Interleave<1, false>, Interleave<1, true>>(r[g], r[g + 1]);
      exchange<Interleave<1, false>, Interleave<1, true>>(r[g + 2], r[g + 3]);
      exchange<Interleave<2, false>, Interleave<2, true>>(r[g], r[g + 2]);      // columns 0, 1 of each corner
      exchange<Interleave<2, false>, Interleave<2, true>>(r[g + 1], r[g + 3]);  // columns 2, 3
      const Pack<T> middle = r[g + 1];
      r[g + 1] = r[g + 2];
      r[g + 2] = middle;
    }
    if constexpr (W == 8) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[i], r[i + 4]);
    } else if constexpr (W == 16) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[i], r[i + 4]);
        exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[i + 8], r[i + 12]);
        exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[i], r[i + 8]);       // block columns 0, 2
        exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[i + 4], r[i + 12]);  // 1, 3
      }
    }
  }
}

/// Transposes half a square, 8 registers of 16 or 4 of 8, in place: register j is then columns 2 j and 2 j + 1.
template <class T>
[[gnu::always_inline]] inline void transpose_half(Pack<T> (&r)[lanes_of<T> / 2]) {
  using namespace detail;
  constexpr int H = lanes_of<T> / 2;
  static_assert(H == 4 || H == 8);
#pragma GCC unroll 4
  for (int i = 0; i < H; i += 2) exchange<Interleave<1, false>, Interleave<1, true>>(r[i], r[i + 1]);
  if constexpr (H == 8) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int at = i / 2 * 4 + i % 2;
      exchange<EveryOtherBlock<false>, EveryOtherBlock<true>>(r[at], r[at + 2]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < H / 2; ++i) exchange<PairColumns<false>, PairColumns<true>>(r[i], r[i + H / 2]);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/// to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < cols. Does not work in place.
template <class T>
void transpose(Index rows, Index cols, const T* from, Index from_stride, T* to, Index to_stride) {
  constexpr Index W = lanes_of<T>;
  if constexpr (W == 1) {
    for (Index j = 0; j < cols; ++j) {
      for (Index i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
    }
  } else {
    for (Index j = 0; j < cols; j += W) {
      const Index n = cols - j < W ? cols - j : W;
      for (Index i = 0; i < rows; i += W) {
        const Index m = rows - i < W ? rows - i : W;
        Pack<T> square[lanes_of<T>];
        const T* p = from + i * from_stride + j;
        T* q = to + j * to_stride + i;
        if (m == W && n == W) {
#pragma GCC unroll 16
          for (Index t = 0; t < W; ++t) square[t] = Pack<T>::load(p + t * from_stride);
          transpose_square<T>(square);
#pragma GCC unroll 16
          for (Index t = 0; t < W; ++t) square[t].store(q + t * to_stride);
        } else {
          for (Index t = 0; t < W; ++t) square[t] = t < m ? load_some<T>(p + t * from_stride, n) : Pack<T>(T(0));
          transpose_square<T>(square);
          for (Index t = 0; t < n; ++t) store_some<T>(q + t * to_stride, square[t], m);
        }
      }
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
