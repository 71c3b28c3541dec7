// The weights of Winograd's minimal filtering, made ready for its products and back (see winograd.hpp):
//
//   U = G w G^T, one matrix [channel][column] a point, in panels of tile_cols columns       dw = G^T dU G
#pragma once

#include <tessera/kernel/conv_tiles.hpp>
#include <tessera/kernel/winograd_transform.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

/// Numbers rounded up to an odd count of cache lines: rows that far apart do not compete for the same cache sets.
inline Index odd_lines(Index numbers) { return (((numbers + 15) / 16) | 1) * 16; }

/// Numbers from point to point of U.
template <class T>
Index point_step_of_weights(Index in, Index out) {
  return odd_lines(in * round_up(out, tile_cols<T>));
}

/// U = G w G^T in panels, for kernels of R x R taps, one below the other where there are several (`parts`): channel c
/// of part p is row p * channels + c of the product. `some` are rows of one part, or all.
template <class W, class T>
void winograd_weights_of(const ConvShape& s, const T* w, bool transposed, const Tap* tap, Index parts, WeightPart some,
                         T* u) {
  constexpr int N = W::T, R = W::R;
  constexpr Index columns = tile_cols<T>, block = 64;
  const Index channels = transposed ? s.out_channels : s.in_channels;
  if (some.rows >= 0) {
    tap += some.row / channels * R * R;
    some.row %= channels;
    parts = 1;
  }
  const Index depth = some.rows < 0 ? channels : some.rows, in = parts * depth, blocks = (depth + block - 1) / block;
  const Index panels = (some.columns + columns - 1) / columns, step = point_step_of_weights<T>(in, some.columns);
  parallel_for(panels * parts * blocks, 1, [&](Index begin, Index end) {
    // Copied first, tap by tap: nine streams at once, of a few cache lines a row, come from memory at half the speed.
    const Scratch<T> packed(R * R * block * columns);
    for (Index task = begin; task < end; ++task) {
      const Index panel = task / (parts * blocks), part = task / blocks % parts, first = task % blocks * block;
      const Index rows = depth - first < block ? depth - first : block, left = some.columns - panel * columns;
      for (Index t = 0; t < R * R; ++t) {
        const View<T> all{w + tap[part * R * R + t].weight * s.in_channels * s.out_channels, s.out_channels, 1};
        pack_panel<tile_cols<T>>(
            packed.data() + t * rows * columns,
            (transposed ? all.transposed() : all).at(some.row + first, some.column + panel * columns), rows,
            left < columns ? left : columns);
      }
      T* row = u + (panel * in + part * depth + first) * columns;
      for (Index r = 0; r < rows; ++r, row += columns) {
        for (Index c = 0; c < columns; c += lanes_of<T>) {
          const T* const from = packed.data() + r * columns + c;
          Pack<T> half[R * N];
#pragma GCC unroll 4
          for (int column = 0; column < R; ++column) {
            Pack<T> g[R];
#pragma GCC unroll 4
            for (int i = 0; i < R; ++i) g[i] = Pack<T>::load(from + (i * R + column) * rows * columns);
            W::weights(g, 1, half + column, R);
          }
#pragma GCC unroll 8
          for (int i = 0; i < N; ++i) {
            Pack<T> g[N];
            W::weights(half + i * R, 1, g, 1);
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) g[j].store(row + c + (i * N + j) * step);
          }
        }
      }
    }
  });
}

/// dw = G^T du G of one kernel of R x R taps, dw[tap[i]][channel][out]; du begins at the kernel's channels.
template <class W, class T>
void winograd_weights_adjoint(const T* du, Index step, Index columns, Index channels, Index out, const Tap* tap,
                              T* dw) {
  constexpr int R = W::R;
  parallel_for(channels, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index j = 0; j < out; j += lanes_of<T>) {
        Pack<T> half[R][W::T];
#pragma GCC unroll 8
        for (int column = 0; column < W::T; ++column) {
          Pack<T> total[R];
#pragma GCC unroll 4
          for (int k = 0; k < R; ++k) total[k] = Pack<T>(T(0));
#pragma GCC unroll 8
          for (int row = 0; row < W::T; ++row) {
            const Pack<T> d = Pack<T>::load(du + (row * W::T + column) * step + i * columns + j);
#pragma GCC unroll 4
            for (int k = 0; k < R; ++k) {
              if (W::G[row][k] != 0) total[k] = fma(Pack<T>(W::G[row][k]), d, total[k]);
            }
          }
          for (int k = 0; k < R; ++k) half[k][column] = total[k];
        }
#pragma GCC unroll 16
        for (int t = 0; t < R * R; ++t) {
          Pack<T> total(T(0));
#pragma GCC unroll 8
          for (int column = 0; column < W::T; ++column) {
            if (W::G[column][t % R] != 0) total = fma(Pack<T>(W::G[column][t % R]), half[t / R][column], total);
          }
          store_left(dw + (tap[t].weight * channels + i) * out + j, total, out - j);
        }
      }
    }
  });
}

}  // namespace detail

/// Numbers in the transformed weights.
template <int M, class T>
Index winograd_packed(const ConvShape& s, bool adjoint) {
  const Index in = adjoint ? s.out_channels : s.in_channels, out = adjoint ? s.in_channels : s.out_channels;
  return Winograd<M>::T * Winograd<M>::T * detail::point_step_of_weights<T>(in, out);
}

/// U of some columns (columns -1: all); for the adjoint by the input, of the weights turned by half a circle with
/// channels exchanged.
template <int M, class T>
void winograd_weights(const ConvShape& s, const T* w, bool adjoint, T* u, detail::WeightPart some = {0, -1}) {
  if (some.columns < 0) some.columns = adjoint ? s.in_channels : s.out_channels;
  detail::Tap tap[9];
  for (Index t = 0; t < 9; ++t) tap[t] = {0, 0, adjoint ? 8 - t : t};
  detail::winograd_weights_of<Winograd<M>>(s, w, adjoint, tap, 1, some, u);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
