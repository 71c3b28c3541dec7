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

/// U = G w G^T in panels of the columns `some`, for kernels of R x R taps, one below the other where there are several
/// (`parts`): channel c of part p is row p * channels + c of the product.
template <class W, class T>
void winograd_weights_of(const ConvShape& s, const T* w, bool transposed, const Tap* tap, Index parts,
                         WeightColumns some, T* u) {
  constexpr int N = W::T, R = W::R, most_taps = 16;
  constexpr Index columns = tile_cols<T>;
  const Index depth = transposed ? s.out_channels : s.in_channels, all = transposed ? s.in_channels : s.out_channels;
  const Index in = parts * depth, taps = parts * R * R;
  const Index numbers = in * round_up(some.count, columns), step = point_step_of_weights<T>(in, some.count);
  // Whole panels are read where they lie, if nine rows at a time are not as many pages. Others, and those of the turned
  // weights, from panels [panel][tap][channel][column of the panel].
  const bool in_place = !transposed && some.count % columns == 0 && all <= 512;
  const Scratch<T> packed(in_place ? 0 : taps * depth * round_up(some.count, columns));
  if (!in_place) pack_weights(s, 0, transposed, tap, taps, w, packed.data(), some);
  Index tap_at[most_taps];
  for (Index t = 0; t < taps; ++t) tap_at[t] = in_place ? tap[t].weight * depth * all : t * depth * columns;
  const Index row = in_place ? all : columns;
  parallel_for(numbers / columns, 16, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {  // row r % in of panel r / in
      const Index panel = r / in, part = r % in / depth, c0 = r % in % depth;
      const T* const from =
          (in_place ? w + some.first + panel * columns : packed.data() + panel * taps * depth * columns) + c0 * row;
      const Index* const at_tap = tap_at + part * R * R;
      for (int c = 0; c < tile_cols<T>; c += lanes_of<T>) {
        Pack<T> half[R * N];
#pragma GCC unroll 4
        for (int column = 0; column < R; ++column) {
          Pack<T> g[R];
#pragma GCC unroll 4
          for (int i = 0; i < R; ++i) {
            const T* at = from + at_tap[i * R + column] + c;
            __builtin_prefetch(at + 8 * row);  // rows lie apart
            g[i] = Pack<T>::load(at);
          }
          W::weights(g, 1, half + column, R);
        }
        T* to = u + r * tile_cols<T> + c;
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) {
          Pack<T> g[N];
          W::weights(half + i * R, 1, g, 1);
#pragma GCC unroll 8
          for (int j = 0; j < N; ++j) g[j].store(to + (i * N + j) * step);
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

/// U of some columns (count -1: all); for the adjoint by the input, of the weights turned by half a circle with
/// channels exchanged.
template <int M, class T>
void winograd_weights(const ConvShape& s, const T* w, bool adjoint, T* u, detail::WeightColumns some = {0, -1}) {
  if (some.count < 0) some.count = adjoint ? s.in_channels : s.out_channels;
  detail::Tap tap[9];
  for (Index t = 0; t < 9; ++t) tap[t] = {0, 0, adjoint ? 8 - t : t};
  detail::winograd_weights_of<Winograd<M>>(s, w, adjoint, tap, 1, some, u);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
