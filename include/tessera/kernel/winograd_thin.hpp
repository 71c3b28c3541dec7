// 3x3 convolutions between many channels and few (a coupling's first and last layer, features from a squeezed picture) by
// Winograd's F(4x4, 3x3), all three directions.
//
// The tiling and the transforms are those of winograd.hpp; the products differ. Its register tile is two registers across
// and finds its rows by a table: few output channels leave lanes empty, few input channels make chains shorter than what
// it takes to begin one. Here rows lie at a pitch known when compiled, so that 24 of them fit one register of columns, or
// 12 two, without a pointer each. One thread, AVX-512, against conv_direct.hpp in one run: 6 -> 128
// and 128 -> 12 at 16 x 16 take 0.2 to 0.65 of the time, 12 -> 128 and 128 -> 24 at 8 x 8 0.35 to 0.5.
//
// Every output is one chain over the channels a point, whatever the batch; weight adjoints add tiles in rising order.
#pragma once

#include <tessera/kernel/winograd.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

inline constexpr Index thin_most = 2 * native_width;             // channels on the thin side
inline constexpr int thin_tiles = native_width == 16 ? 24 : 12;  // tiles a product takes, times one register

/// P[r] = V[r] U for `count` rows of V, V registers across; both have rows for a whole tile of R.
template <int R, int V, int Pitch, class T>
[[gnu::noinline]] void thin_product(const T* v, Index count, Index depth, const T* u, T* p, Index p_pitch) {
  for (Index r = 0; r < count; r += R, v += R * Pitch, p += R * p_pitch) {
    Pack<T> acc[R][V];
#pragma GCC unroll 24
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
      for (int c = 0; c < V; ++c) acc[i][c] = Pack<T>(T(0));
    }
#pragma GCC unroll 2
    for (Index k = 0; k < depth; ++k) {  // as fma_tile, which does not unroll so many rows
      Pack<T> row[V];
#pragma GCC unroll 2
      for (int c = 0; c < V; ++c) row[c] = Pack<T>::load(u + k * tile_cols<T> + c * lanes_of<T>);
#pragma GCC unroll 24
      for (int i = 0; i < R; ++i) {
        const Pack<T> x(v[i * Pitch + k]);
#pragma GCC unroll 2
        for (int c = 0; c < V; ++c) acc[i][c] = fma(x, row[c], acc[i][c]);
      }
    }
#pragma GCC unroll 24
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
      for (int c = 0; c < V; ++c) acc[i][c].store(p + i * p_pitch + c * lanes_of<T>);
    }
  }
}

/// to[i][j] = or += sum over k of a[k][i] b[k][j], R rows i and V registers j at a time. Rows and columns are whole
/// tiles.
template <int R, int V, class T>
[[gnu::noinline]] void thin_outer(const T* a, Index a_pitch, const T* b, Index b_pitch, Index count, Index rows,
                                  Index columns, bool add, T* to, Index pitch) {
  constexpr int L = lanes_of<T>;
  for (Index j = 0; j < columns; j += V * L) {
    for (Index i = 0; i < rows; i += R) {
      Pack<T> acc[R][V];
      T* at = to + i * pitch + j;
      clear(acc);
      fma_tile<R, V>(acc, count, Columns<T>{a + i, a_pitch}, b + j, b_pitch);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int c = 0; c < V; ++c) {
          T* p = at + r * pitch + c * L;
          (add ? Pack<T>::load(p) + acc[r][c] : acc[r][c]).store(p);
        }
      }
    }
  }
}

/// Pitch of V for so many channels: an odd number of cache lines. 0: too many.
inline Index thin_pitch(Index in) { return in <= thin_most ? 48 : in <= 128 ? 144 : in <= 256 ? 272 : 0; }

/// Numbers to ask for so that they lie in huge pages: 36 points are written a page or more apart, and a core remembers
/// the places of 16 pages that it writes to.
template <class T>
Index huge_page(Index numbers) {
  constexpr Index least = (Index{2} << 20) / Index{sizeof(T)};
  return numbers > least ? numbers : least;
}

template <class T>
void thin_points(const T* v, const Rows& v_rows, Index count, Index depth, const T* u, Index u_step, Index out, T* p,
                 const Rows& p_rows) {
  constexpr int R = thin_tiles;
  const auto each = [&](auto product) {
    for (Index point = 0; point < 36; ++point)
      product(v + point * v_rows.step, count, depth, u + point * u_step, p + point * p_rows.step, p_rows.pitch);
  };
  const bool one = out <= lanes_of<T>;
  if (v_rows.pitch == 48)
    one ? each(thin_product<R, 1, 48, T>) : each(thin_product<R / 2, 2, 48, T>);
  else if (v_rows.pitch == 144)
    one ? each(thin_product<R, 1, 144, T>) : each(thin_product<R / 2, 2, 144, T>);
  else
    one ? each(thin_product<R, 1, 272, T>) : each(thin_product<R / 2, 2, 272, T>);
}

}  // namespace detail

/// Registers of four are too short to gain by it.
inline constexpr bool winograd_thin_pays = native_width >= 8;

/// Is this the way for a convolution of floats, and its adjoints? Never looks at the batch. Pictures of 4 pixels across
/// or less would fill only parts of tiles.
inline bool winograd_thin(const ConvShape& s) {
  const auto between = [](Index pad) { return pad >= 0 && pad <= 2; };
  const Index few = s.in_channels < s.out_channels ? s.in_channels : s.out_channels,
              many = s.in_channels + s.out_channels - few;
  return winograd_thin_pays && s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 &&
         s.dilation_h == 1 && s.dilation_w == 1 && s.groups == 1 && between(s.pad_top) && between(s.pad_left) &&
         between(s.pad_bottom) && between(s.pad_right) && few > 4 && few <= detail::thin_most &&
         many > detail::thin_most && detail::thin_pitch(many) != 0 && s.out_height() > 4 && s.out_width() > 4;
}

/// y = conv(x) and what is added from transformed weights (winograd_weights<4>), or dx from dy (`adjoint`).
template <class T>
void conv_winograd_thin(const ConvShape& s, bool adjoint, const T* x, const T* u, const ConvAddends<T>& add, T* y) {
  using namespace detail;
  constexpr Index N = tile_cols<T>, points = 36;
  const Tiling g(s, adjoint, 4);
  const Scratch<T> zeros(g.in + N);
  for (Index c = 0; c < g.in + N; ++c) zeros[c] = T(0);
  const Index u_step = point_step_of_weights<T>(g.in, g.out);
  const Index block = even_block(g.total, thin_tiles, 1);
  parallel_for(g.total, block, [&](Index begin, Index end) {
    const Index count = end - begin, room = round_up(count, thin_tiles);
    Rows v_rows(1, 1), p_rows(1, 1);
    v_rows.pitch = thin_pitch(g.in);
    v_rows.step = room * v_rows.pitch;
    p_rows.pitch = N;
    p_rows.step = odd_lines(room * N);
    const Scratch<T> v(huge_page<T>(points * (v_rows.step + p_rows.step)));
    T* const p = v.data() + points * v_rows.step;
    for (Index r = count; r < room; ++r) {  // rows of the last product that no tile has: any numbers, but numbers
      for (Index point = 0; point < points; ++point) {
        for (Index k = 0; k < v_rows.pitch; ++k) v[point * v_rows.step + r * v_rows.pitch + k] = T(0);
      }
    }
    winograd_input<Winograd<4>>(g, x, begin, count, v_rows, zeros.data(), v.data());
    for (Index j = 0; j < g.out; j += N) {
      thin_points(v.data(), v_rows, count, g.in, u + j * g.in, u_step, g.out, p, p_rows);
      winograd_output<Winograd<4>>(g, p, p_rows, begin, count, j, j + N < g.out ? j + N : g.out, add, y);
    }
  });
}

namespace detail {

/// Channels of the input and of the output, [in, in + ins) and [out, out + outs).
struct Channels {
  Index in, ins, out, outs;
};

/// dw of some channels, by one thread: what it makes of x and dy it uses up while it is in L2.
template <class T>
void thin_weight_adjoint(const ConvShape& s, const Channels& some, const T* x, const T* dy, T* dw) {
  using W = Winograd<4>;
  constexpr Index points = 36, L = lanes_of<T>, N = tile_cols<T>, block = 32, half_of = (L + 1) / 2;
  Tiling g(s, false, 4);
  g.in = some.ins;
  g.out = some.outs;
  const bool one = g.out <= L;  // one register of outputs
  const Index rows = round_up(g.in, one ? L : half_of), columns = one ? L : round_up(g.out, N), step = rows * columns;
  Rows v_rows(1, 1), p_rows(1, 1);
  v_rows.pitch = odd_lines(round_up(g.in, L));
  v_rows.step = odd_lines(block * v_rows.pitch);
  p_rows.pitch = odd_lines(round_up(g.out, N));
  p_rows.step = odd_lines(block * p_rows.pitch);
  const Scratch<T> zeros(g.in + g.out), v(huge_page<T>(points * (v_rows.step + p_rows.step + step)));
  T *const p = v.data() + points * v_rows.step, *const du = p + points * p_rows.step;
  for (Index c = 0; c < g.in + g.out; ++c) zeros[c] = T(0);
  const auto add = one ? thin_outer<L, 1, T> : thin_outer<half_of, 2, T>;
  for (Index first = 0; first < g.total; first += block) {
    const Index count = g.total - first < block ? g.total - first : block;
    winograd_input<W>(g, x + some.in, first, count, v_rows, zeros.data(), v.data());
    winograd_output_adjoint<W>(g, dy + some.out, first, count, p_rows, zeros.data(), p);
    for (Index point = 0; point < points; ++point) {
      add(v.data() + point * v_rows.step, v_rows.pitch, p + point * p_rows.step, p_rows.pitch, count, rows, columns,
          first > 0, du + point * step, columns);
    }
  }
  // dw = G^T du G
  for (Index i = 0; i < g.in; ++i) {
    for (Index j = 0; j < g.out; j += L) {
      Pack<T> half[3][W::T];
#pragma GCC unroll 8
      for (int column = 0; column < W::T; ++column) {
#pragma GCC unroll 4
        for (int k = 0; k < 3; ++k) half[k][column] = Pack<T>(T(0));
#pragma GCC unroll 8
        for (int row = 0; row < W::T; ++row) {
          const Pack<T> d = Pack<T>::load(du + (row * W::T + column) * step + i * columns + j);
#pragma GCC unroll 4
          for (int k = 0; k < 3; ++k) half[k][column] = fma(Pack<T>(W::G[row][k]), d, half[k][column]);
        }
      }
#pragma GCC unroll 16
      for (int t = 0; t < 9; ++t) {
        Pack<T> total(T(0));
#pragma GCC unroll 8
        for (int column = 0; column < W::T; ++column)
          total = fma(Pack<T>(W::G[column][t % 3]), half[t / 3][column], total);
        store_left(dw + (t * s.in_channels + some.in + i) * s.out_channels + some.out + j, total, g.out - j);
      }
    }
  }
}

}  // namespace detail

/// dw from x and dy. Each thread has some of the many channels, and the few once more.
template <class T>
void conv_winograd_thin_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const bool many_in = s.in_channels > s.out_channels;
  const Index many = many_in ? s.in_channels : s.out_channels, unit = tile_cols<T>, threads = workers::threads();
  const Index each = round_up((many + threads - 1) / threads, unit);
  parallel_for(many, each, [&](Index begin, Index end) {
    const Index count = end - begin;
    thin_weight_adjoint(
        s, many_in ? Channels{begin, count, 0, s.out_channels} : Channels{0, s.in_channels, begin, count}, x, dy, dw);
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
