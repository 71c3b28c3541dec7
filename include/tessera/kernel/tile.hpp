// The register tile under every product: acc[R][V] += A (R x K) times B (K x V registers), and the packer that feeds
// it.
//
//   acc[i][v] = fma(A(i, k), B(k, v), acc[i][v])   for k = 0, 1, ..., K - 1 in this order
//
// Each number is one chain of fma's in rising k, whatever R, V, the form of A or the stride of B: its bits don't depend
// on the tile it was computed in. Sizes come from the register file: 12 x 2 registers with AVX-512, 6 x 2 below.
//
// Only a few heights are instantiated (tile_heights): with_rows(r, f) rounds r up, and the caller lets the rows past r
// repeat the last valid one (RowPointers::of) or be zero (a packed panel), and does not store them.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/transpose.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

inline constexpr int tile_rows = native_width == 16 ? 12 : 6;  // R of a full tile
inline constexpr int tile_regs = 2;                            // V of a full tile
template <class T>
inline constexpr int tile_cols = tile_regs* lanes_of<T>;  // numbers across a full tile

/// A by rows: row i is contiguous in k, anywhere in memory (in place, or a table of convolution taps).
template <class T, int R>
struct RowPointers {
  const T* row[R];
  [[gnu::always_inline]] T at(int i, Index k) const { return row[i][k]; }

  /// Rows 0, stride, 2 stride, ... from p; those from `valid` on repeat the last valid one.
  [[gnu::always_inline]] static RowPointers of(const T* p, Index stride, Index valid = R) {
    RowPointers a;
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) a.row[i] = p + (i < valid ? i : valid - 1) * stride;
    return a;
  }
};
/// A by columns: column k is contiguous in i. A transposed matrix in place, or a panel with step = its width.
template <class T>
struct Columns {
  const T* data;
  Index step;
  [[gnu::always_inline]] T at(int i, Index k) const { return data[k * step + i]; }
};
/// A at any strides: one code for A by rows and by columns, within 1 % of what either has of its own in attention; in
/// gemm.hpp, which has little else to do, 1 to 3 % behind.
template <class T>
struct Strided {
  View<T> view;
  [[gnu::always_inline]] const T* start(Index k) const {
    const T* p = view.data + k * view.col_stride;
    asm("" : "+r"(p));  // else g++ keeps a pointer for each row
    return p;
  }
  /// Row i of the column at p: an address reaches four rows.
  [[gnu::always_inline]] T number(const T* p, int i) const {
    return (p + i / 4 * 4 * view.row_stride)[i % 4 * view.row_stride];
  }
};
/// A packed by pack_panel<W>.
template <class T, int W>
struct Panel {
  const T* data;
  [[gnu::always_inline]] T at(int i, Index k) const { return data[k * W + i]; }
};

/// A(i, k), from column k where A says where that starts (and, with `number`, how its rows follow).
template <class T, class A>
[[gnu::always_inline]] inline T number_at(const A& a, const T* column, int i, Index k) {
  if constexpr (requires { a.number(column, i); })
    return a.number(column, i);
  else if constexpr (requires { a.start(k); })
    return column[i];
  else
    return a.at(i, k);
}

/// acc += A B over k in [0, K); row k of B is V registers at b + k * ldb. All of b's registers are read in full. Where
/// there is a panel to write to, B's rows are copied there in passing: stores cost nothing beside so many fma's.
// Keep this loop plain: g++ loses 20 % on a k += 4 unrolled by hand; and call it directly: clang makes a function of a
// lambda around it, and acc goes through memory (60 GFLOP/s, not 150).
template <int R, int V, class T, class A, class To = std::nullptr_t>
[[gnu::always_inline]] inline void fma_tile(Pack<T> (&acc)[R][V], Index K, const A& a, const T* b, Index ldb,
                                            To panel = {}) {
#pragma GCC unroll 4
  for (Index k = 0; k < K; ++k) {
    Pack<T> row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = Pack<T>::load(b + k * ldb + v * lanes_of<T>);
    if constexpr (std::is_pointer_v<To>) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) row[v].store(panel + (k * V + v) * lanes_of<T>);
    }
    const T* column = nullptr;
    if constexpr (requires { a.start(k); }) column = a.start(k);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Pack<T> x(number_at<T>(a, column, i, k));
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[i][v] = fma(x, row[v], acc[i][v]);
    }
  }
}

template <int R, int V, class T>
[[gnu::always_inline]] inline void clear(Pack<T> (&acc)[R][V]) {
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[i][v] = Pack<T>(T(0));
  }
}

/// Heights that with_rows instantiates, rising; the last is tile_rows. Two and three rows take as long as four: each of
/// their chains waits for its own last fma.
using tile_heights =
    std::conditional_t<tile_rows == 12, std::integer_sequence<int, 1, 4, 8, 12>, std::integer_sequence<int, 1, 4, 6>>;

/// Calls f(std::integral_constant<int, R>) with the least height R >= rows; 1 <= rows <= tile_rows.
template <class Function>
[[gnu::always_inline]] inline void with_rows(Index rows, const Function& f) {
  [&]<int... R>(std::integer_sequence<int, R...>) {
    (void)((rows <= R ? (f(std::integral_constant<int, R>{}), true) : false) || ...);
  }
  (tile_heights{});
}

/// Rows of the next tile when `left` remain.
inline Index next_rows(Index left) { return left < tile_rows ? left : tile_rows; }

/// Terms in a block of a long sum. Every product sums k block by k block, each block by one chain, and adds the blocks
/// up in order; the cut depends on K alone, so that a row of a product has the same bits whatever stands beside it.
/// Short blocks are also the more accurate: the error of K terms grows like sqrt(K / 256) + sqrt(256), not sqrt(K) of
/// them.
inline Index k_block(Index K) {
  constexpr Index most = 256;
  if (K <= most) return K;
  const Index blocks = (K + most - 1) / most;
  return ((K + blocks - 1) / blocks + 7) / 8 * 8;
}

/// Room beyond a panel's end for those who store full registers past it. pack_panel does not.
template <class T>
inline constexpr Index panel_slack = lanes_of<T>;

/// pack_panel of what lies by columns, or at any strides. W is no template's argument here: the code would be the same
/// but for a few constants, and thrice.
template <class T>
[[gnu::noinline]] void pack_turned_panel(Index W, T* to, View<T> from, Index K, Index n) {
  constexpr Index L = lanes_of<T>;
  if constexpr (L == 8 || L == 16) {
    if (2 * W == L && n == W && from.row_stride == 1) {  // a tile's rows of A
      Index k = 0;
      for (; k + L <= K; k += L) {
        Pack<T> rows[L / 2];
#pragma GCC unroll 8
        for (Index j = 0; j < L / 2; ++j) rows[j] = Pack<T>::load(from.data + k + j * from.col_stride);
        transpose_half<T>(rows);
#pragma GCC unroll 8
        for (Index j = 0; j < L / 2; ++j) rows[j].store(to + (k + 2 * j) * W);
      }
      if (k == K) return;
      from.data += k;
      to += k * W;
      K -= k;
    }
  }
  const Index registers = (W + L - 1) / L, spill = registers * L - W;
  const Index whole = K - (spill + W - 1) / W;  // rows after these would spill over the panel's end
  const auto turn = [=](Index k, Index c) {     // L rows of the panel's register c
    const Index left = K - k < L ? K - k : L, columns = c < registers - 1 ? L : L - spill;
    const T* column = from.data + k + c * L * from.col_stride;
    Pack<T> square[L];
    if (left == L && n == W) {
#pragma GCC unroll 16
      for (Index j = 0; j < L; ++j) {
        square[j] = j < columns ? Pack<T>::load(column + j * from.col_stride) : Pack<T>(T(0));
      }
    } else {
      for (Index j = 0; j < L; ++j) {
        square[j] = c * L + j < n ? load_some<T>(column + j * from.col_stride, left) : Pack<T>(T(0));
      }
    }
    transpose_square<T>(square);
    T* at = to + k * W + c * L;
    if (k + L <= whole) {
#pragma GCC unroll 16
      for (Index t = 0; t < L; ++t) square[t].store(at + t * W);
    } else {
      for (Index t = 0; t < left; ++t, at += W) {
        if (columns == L || k + t < whole)
          square[t].store(at);
        else
          store_some<T>(at, square[t], columns);
      }
    }
  };
  if (from.row_stride == 1 && L > 1 && spill == 0) {
    // Register by register: as many columns are read side by side as the processor fetches ahead. All of the panel's
    // at once come from memory at 0.4 of the speed, from L2 at 0.5.
    for (Index c = 0; c < registers; ++c) {
      Index k = 0;
      for (; n == W && k + L <= K; k += L) {
        const T* column = from.data + k + c * L * from.col_stride;
        Pack<T> square[L];
#pragma GCC unroll 16
        for (Index j = 0; j < L; ++j) {
          square[j] = Pack<T>::load(column + j * from.col_stride);
          __builtin_prefetch(column + (j + L) * from.col_stride);  // the next register's
        }
        transpose_square<T>(square);
        T* at = to + k * W + c * L;
#pragma GCC unroll 16
        for (Index t = 0; t < L; ++t) square[t].store(at + t * W);
      }
      for (; k < K; k += L) turn(k, c);
    }
  } else if (from.row_stride == 1 && L > 1) {
    for (Index k = 0; k < K; k += L) {
      for (Index c = registers - 1; c >= 0; --c) turn(k, c);  // falling: what spills over a row's end is overwritten
    }
  } else {
    for (Index k = 0; k < K; ++k) {
      for (Index j = 0; j < W; ++j) to[k * W + j] = j < n ? from.data[k * from.row_stride + j * from.col_stride] : T(0);
    }
  }
}

/// to[k * W + j] = from(k, j) for j < n, zero for n <= j < W: K * W numbers. Packs B as it is, and A as A transposed.
// Where W is not a multiple of the width, full registers overlap in rising order: masked stores are slow on some
// machines.
template <int W, class T>
void pack_panel(T* to, View<T> from, Index K, Index n) {
  constexpr int L = lanes_of<T>, registers = (W + L - 1) / L, spill = registers * L - W;
  const Index whole = K - (spill + W - 1) / W;  // as above
  if (from.col_stride != 1) return pack_turned_panel<T>(W, to, from, K, n);
  if (2 * W == L && n == W) {
#pragma GCC unroll 4
    for (Index k = 0; k < K; ++k) __builtin_memcpy(to + k * W, from.data + k * from.row_stride, W * sizeof(T));
    return;
  }
  for (Index k = 0; k < K; ++k, to += W) {
    const T* row = from.data + k * from.row_stride;
#pragma GCC unroll 8
    for (int c = 0; c < registers; ++c) {
      if constexpr (L > 1) __builtin_prefetch(row + 8 * from.row_stride + c * L);  // rows lie pages apart
      const Index m = n - c * L;
      const Pack<T> x = m >= L ? Pack<T>::load(row + c * L) : m > 0 ? load_some<T>(row + c * L, m) : Pack<T>(T(0));
      if (spill == 0 || c < registers - 1 || k < whole)
        x.store(to + c * L);
      else
        store_some<T>(to + c * L, x, L - spill);
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
