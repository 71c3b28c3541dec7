// Sums of products of rows with weights that stay in L1, finished before they leave it:
//
//   c[i] = a_0[i] B_0 + a_1[i] B_1 + ...      for a block of rows i; each number one chain of fma's, term after term
//   finish(i, count, panel, c)                for every few rows of a panel of columns: bias, activation, where they go
//
// A convolution's taps are such terms, and so are two gradients that meet. Unlike gemm.hpp the chain goes on from term to
// term, what it makes is never stored but for `finish`, and weights are packed once for all blocks.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// rows a, a + step, ... of `depth` numbers, times weights as pack_row_weights has packed them.
template <class T>
struct RowTerm {
  const T* a;
  Index step, depth;
  const T* b;
};

namespace detail {

// The tile: 4 registers across with 32 (6 x 4 loads 10 registers to 24 fma's), 2 with 16.
inline constexpr Index row_tile = 6;
inline constexpr int row_regs = native_width == 16 ? 4 : 2;

template <class T, int V>
[[gnu::noinline]] void row_sums(Index rows, const RowTerm<T>* terms, Index count, T* c, bool add) {
  constexpr int R = row_tile, L = lanes_of<T>;
  for (Index i = 0; i < rows; i += R, c += R * V * L) {
    Pack<T> acc[R][V];
    clear(acc);
    if (add) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] = Pack<T>::load(c + (r * V + v) * L);
      }
    }
    for (Index t = 0; t < count; ++t) {
      const RowTerm<T>& term = terms[t];
      const Index left = rows - i;
      fma_tile(acc, term.depth, RowPointers<T, R>::of(term.a + i * term.step, term.step, left < R ? left : R), term.b,
               Index{V * L});
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[r][v].store(c + (r * V + v) * L);
    }
  }
}

}  // namespace detail

/// Registers across a panel, for products with that many columns.
template <class T>
int panel_registers(Index columns) {
  return columns <= 2 * lanes_of<T> ? 2 : detail::row_regs;
}

/// Weights B [depth, ...] as panels of W columns, [panel][depth][W]: column j of panel p is column(p, j) of B, or zeros
/// where that is negative.
template <class T, class Column>
void pack_row_weights(T* to, View<T> b, Index depth, Index panels, Index W, const Column& column) {
  for (Index p = 0; p < panels; ++p) {
    for (Index j = 0; j < W; ++j) {
      const Index from = column(p, j);
      for (Index k = 0; k < depth; ++k)
        to[(p * depth + k) * W + j] = from < 0 ? T(0) : b.data[k * b.row_stride + from * b.col_stride];
    }
  }
}

/// Calls finish(first, count, panel, c) for all of the rows and panels; c has count rows of `regs` registers.
template <class T, class Finish>
void row_products(Index rows, Index panels, int regs, const RowTerm<T>* terms, Index count, const Finish& finish) {
  constexpr Index band = 7 * detail::row_tile, most_terms = 8;
  const Index W = regs * lanes_of<T>,
              most = 8192 / W;  // rows of a panel that share L1 with what they are multiplied by
  Index depth = 0;
  for (Index t = 0; t < count; ++t) depth += terms[t].depth;
  const bool once = depth <= most && count <= most_terms;
  const Scratch<T> sums((once || rows < band ? band : rows + detail::row_tile) * W);
  for (Index p = 0; p < panels; ++p) {
    bool add = false;
    for (Index t = 0, k = 0; t < count; add = true) {
      RowTerm<T> now[most_terms];
      Index n = 0;
      for (Index room = most; room > 0 && n < most_terms && t < count;) {
        const RowTerm<T>& all = terms[t];
        const Index left = all.depth - k, part = left < room ? left : room;
        now[n++] = {all.a + k, all.step, part, all.b + (p * all.depth + k) * W};
        room -= part;
        k += part;
        if (k == all.depth) k = 0, ++t;
      }
      for (Index i = 0; i < rows; i += band) {
        const Index some = rows - i < band ? rows - i : band;
        T* c = sums.data() + (once ? 0 : i * W);
        regs == 2 ? detail::row_sums<T, 2>(some, now, n, c, add)
                  : detail::row_sums<T, detail::row_regs>(some, now, n, c, add);
        for (Index s = 0; s < n; ++s) now[s].a += some * now[s].step;
        if (t == count) finish(i, some, p, static_cast<const T*>(c));
      }
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
