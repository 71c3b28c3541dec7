// 3x3 convolutions with stride 1 by Winograd's minimal filtering, F(4x4, 3x3) and F(2x2, 3x3).
//
//   y = A^T [ sum over channels of (G w G^T) . (B^T x B) ] A     per M x M tile of y, from an (M+2) x (M+2) tile of x
//
// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015, arXiv 1509.09308). Multiplications per
// output fall from 9 to 4 (M = 2) and 2.25 (M = 4). F(4x4) evaluates at 0, +-sqrt(1/2), +-sqrt(2) and infinity, with
// less than half the error of the usual 0, +-1, +-2: relative to the norm 8e-7 at 64 channels and 1.3e-6 at 192, where
// F(2x2) has 3e-7 and 4e-7, and the direct way 4e-7 and 7e-7.
//
// All T^2 = (M+2)^2 points are matrix products over the channels, tiles x channels times channels x outputs:
//   U[point] = weights [column / tile_cols][channel][tile_cols], V[point][tile][channel], P[point][tile][column]
// The adjoint by the input is the same with turned weights. The adjoint by the weights runs every transform transposed:
//   dw = G^T [ sum over tiles of (B^T x B) . (A dy A^T) ] G
#pragma once

#include <tessera/kernel/conv_tiles.hpp>
#include <tessera/kernel/winograd_transform.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

/// Numbers rounded up to an odd count of cache lines: rows that far apart do not compete for the same cache sets.
inline Index odd_lines(Index numbers) { return (((numbers + 15) / 16) | 1) * 16; }

/// The tiles of a 3x3, stride 1 convolution from pictures of `height` x `width` x `in` to `out_height` x `out_width` x
/// `out`.
struct Tiling {
  Index height, width, in, out_height, out_width, out, pad_top, pad_left, down, across, total;

  Tiling(const ConvShape& s, bool adjoint, Index side)
      : height(adjoint ? s.out_height() : s.height),
        width(adjoint ? s.out_width() : s.width),
        in(adjoint ? s.out_channels : s.in_channels),
        out_height(adjoint ? s.height : s.out_height()),
        out_width(adjoint ? s.width : s.out_width()),
        out(adjoint ? s.in_channels : s.out_channels),
        pad_top(adjoint ? 2 - s.pad_top : s.pad_top),
        pad_left(adjoint ? 2 - s.pad_left : s.pad_left),
        down((out_height + side - 1) / side),
        across((out_width + side - 1) / side),
        total(s.batch * down * across) {}

  struct Place {
    Index picture, y, x;  // of the tile's first output
  };
  Place place(Index tile, Index side) const {
    return {tile / (down * across), tile / across % down * side, tile % across * side};
  }
};

/// Distances within U, V and P.
template <class T>
Index point_step_of_weights(Index in, Index out) {
  return odd_lines(in * round_up(out, tile_cols<T>));
}
struct Rows {
  Index pitch, step;  // from tile to tile, from point to point
  Rows(Index tiles, Index channels) : pitch(odd_lines(channels)), step(odd_lines(tiles * pitch)) {}
};

/// Reads packs of `Count` pixels; where fewer channels are left than a pack has, by way of a copy with zeros behind
/// them: one test a pack of channels instead of one a pixel.
template <int Count, class T>
class PixelPacks {
 public:
  /// Channels from c on, `left` of them.
  PixelPacks(const T* const (&pixel)[Count], Index c, Index left) : pixel_(pixel), from_(pixel), at_(c) {
    if (left < lanes_of<T>) copy(left);
  }
  PixelPacks(const PixelPacks&) = delete;
  [[gnu::always_inline]] Pack<T> operator[](int i) const { return Pack<T>::load(from_[i] + at_); }

 private:
  [[gnu::noinline]] void copy(Index left) {
    for (int i = 0; i < Count; ++i) {
      load_some<T>(pixel_[i] + at_, left).store(room_ + i * lanes_of<T>);
      copied_[i] = room_ + i * lanes_of<T>;
    }
    from_ = copied_;
    at_ = 0;
  }

  const T* const* pixel_;
  const T* const* from_;
  Index at_;
  T room_[Count * lanes_of<T>];
  const T* copied_[Count];
};

/// V[point][t] = B^T x B for the tiles first, first + 1, ..., first + count - 1.
template <int M, class T>
void winograd_input(const Tiling& g, const T* x, Index first, Index count, const Rows& rows, const T* zeros, T* v) {
  using W = Winograd<M>;
  constexpr int N = W::T;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, M);
    const T* pixel[N * N];
    for (int i = 0; i < N * N; ++i) {
      const Index iy = at.y + i / N - g.pad_top, ix = at.x + i % N - g.pad_left;
      const bool inside = iy >= 0 && iy < g.height && ix >= 0 && ix < g.width;
      pixel[i] = inside ? x + ((at.picture * g.height + iy) * g.width + ix) * g.in : zeros;
    }
    for (Index c = 0; c < g.in; c += lanes_of<T>) {
      const PixelPacks<N * N, T> x_at(pixel, c, g.in - c);
      T* to = v + t * rows.pitch + c;
      Pack<T> half[N * N];
#pragma GCC unroll 8
      for (int column = 0; column < N; ++column) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) d[row] = x_at[row * N + column];
        W::input(d, 1, half + column, N);
      }
#pragma GCC unroll 8
      for (int row = 0; row < N; ++row) {
        Pack<T> d[N];
        W::input(half + row * N, 1, d, 1);
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) d[column].store(to + (row * N + column) * rows.step);
      }
    }
  }
}

/// y = A^T P A + bias + residual, columns [begin, end) of y, for the same tiles; P's first column is `begin`.
template <int M, class T>
void winograd_output(const Tiling& g, const T* p, const Rows& rows, Index first, Index count, Index begin, Index end,
                     const ConvAddends<T>& add, T* y) {
  using W = Winograd<M>;
  constexpr int N = W::T;
  constexpr Index L = lanes_of<T>;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, M);
    const Index down = g.out_height - at.y < M ? g.out_height - at.y : M,
                across = g.out_width - at.x < M ? g.out_width - at.x : M;
    const Index offset = ((at.picture * g.out_height + at.y) * g.out_width + at.x) * g.out;
    T* const corner = y + offset;
    const T* const bias = add.bias ? add.bias + at.picture * add.bias_step : nullptr;
    const T* const residual = add.residual ? add.residual + offset : nullptr;
    for (Index c = begin; c < end; c += lanes_of<T>) {
      const T* from = p + t * rows.pitch + c - begin;
      const Pack<T> shift = bias ? load_left(bias + c, end - c) : Pack<T>(T(0));
      const bool whole = end - c >= L;  // else the tile takes the way through `room`
      T room[M * M * L];
      T* const to = whole ? corner + c : room;
      const Index row_step = whole ? g.out_width * g.out : M * L, column_step = whole ? g.out : L;
      Pack<T> half[M * N];
#pragma GCC unroll 8
      for (int column = 0; column < N; ++column) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) d[row] = Pack<T>::load(from + (row * N + column) * rows.step);
        W::output(d, 1, half + column, N);
      }
#pragma GCC unroll 4
      for (int row = 0; row < M; ++row) {
        Pack<T> d[M];
        W::output(half + row * N, 1, d, 1);
        if (row >= down) continue;
#pragma GCC unroll 4
        for (int column = 0; column < M; ++column) {
          if (column >= across) continue;
          Pack<T> sum = d[column] + shift;
          if (whole && residual) sum += Pack<T>::load(residual + c + row * row_step + column * column_step);
          sum.store(to + row * row_step + column * column_step);
        }
      }
      if (whole) continue;
      for (Index i = 0; i < down * across; ++i) {
        const Index row = i / across, column = i % across;
        const Index pixel = (row * g.out_width + column) * g.out;
        for (Index k = c; k < end; ++k) {
          const T sum = room[(row * M + column) * L + k - c];
          corner[pixel + k] = residual ? sum + residual[pixel + k] : sum;
        }
      }
    }
  }
}

/// P = A dy A^T, the transpose of the output transform; outputs beyond the picture count as zero.
template <int M, class T>
void winograd_output_adjoint(const Tiling& g, const T* dy, Index first, Index count, const Rows& rows, const T* zeros,
                             T* p) {
  using W = Winograd<M>;
  constexpr int N = W::T;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, M);
    const T* pixel[M * M];
    for (int i = 0; i < M * M; ++i) {
      const Index oy = at.y + i / M, ox = at.x + i % M;
      const bool inside = oy < g.out_height && ox < g.out_width;
      pixel[i] = inside ? dy + ((at.picture * g.out_height + oy) * g.out_width + ox) * g.out : zeros;
    }
    for (Index c = 0; c < round_up(g.out, tile_cols<T>); c += lanes_of<T>) {
      const Index left = g.out - c;
      T* to = p + t * rows.pitch + c;
      if (left <= 0) {  // the rest of the last panel: whatever lay there might be slow to multiply
        for (int i = 0; i < N * N; ++i) Pack<T>(T(0)).store(to + i * rows.step);
        continue;
      }
      const PixelPacks<M * M, T> dy_at(pixel, c, left);
      Pack<T> half[N * M];
#pragma GCC unroll 4
      for (int column = 0; column < M; ++column) {
        Pack<T> d[M];
#pragma GCC unroll 4
        for (int row = 0; row < M; ++row) d[row] = dy_at[row * M + column];
        W::output_adjoint(d, 1, half + column, M);
      }
#pragma GCC unroll 8
      for (int row = 0; row < N; ++row) {
        Pack<T> d[N];
        W::output_adjoint(half + row * M, 1, d, 1);
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) d[column].store(to + (row * N + column) * rows.step);
      }
    }
  }
}

/// Where the rows of V or P begin: a pointer for each tile, and tile_rows more that repeat the last.
template <class P>
void row_table(P* data, Index pitch, Index tiles, P** row) {
  for (Index t = 0; t < tiles + tile_rows; ++t) row[t] = data + (t < tiles ? t : tiles - 1) * pitch;
}

/// Tiles whose V stays in the second cache while all panels of weights pass by; a multiple of every tile_rows.
inline constexpr Index winograd_block = 48;

}  // namespace detail

/// Numbers in the transformed weights.
template <int M, class T>
Index winograd_packed(const ConvShape& s, bool adjoint) {
  const Index in = adjoint ? s.out_channels : s.in_channels, out = adjoint ? s.in_channels : s.out_channels;
  return Winograd<M>::T * Winograd<M>::T * detail::point_step_of_weights<T>(in, out);
}

/// U = G w G^T in panels, of some columns (count -1: all); for the adjoint by the input, of the weights turned by half
/// a circle with channels exchanged.
template <int M, class T>
void winograd_weights(const ConvShape& s, const T* w, bool adjoint, T* u, detail::WeightColumns some = {0, -1}) {
  using W = Winograd<M>;
  constexpr int N = W::T;
  const Index in = adjoint ? s.out_channels : s.in_channels, all = adjoint ? s.in_channels : s.out_channels;
  const Index out = some.count < 0 ? all : some.count;
  const Index numbers = in * detail::round_up(out, tile_cols<T>), step = detail::point_step_of_weights<T>(in, out);
  const Index panel = in * tile_cols<T>;
  // Whole panels are read where they lie, if nine rows at a time are not as many pages. Others, and those of the turned
  // weights, from panels [panel][tap][channel][column of the panel].
  const bool in_place = !adjoint && out % tile_cols<T> == 0 && all <= 512;
  const Scratch<T> packed(in_place ? 0 : 9 * numbers);
  if (!in_place) {
    detail::Tap tap[9];
    for (Index t = 0; t < 9; ++t) tap[t] = {0, 0, adjoint ? 8 - t : t};
    detail::pack_weights(s, 0, adjoint, tap, 9, w, packed.data(), some);
  }
  const Index tap_step = in_place ? in * all : panel, row = in_place ? all : tile_cols<T>;
  parallel_for(numbers / tile_cols<T>, 16, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {  // channel r % in of panel r / in
      const T* from =
          (in_place ? w + some.first + r / in * tile_cols<T> : packed.data() + r / in * 9 * panel) + r % in * row;
      for (int c = 0; c < tile_cols<T>; c += lanes_of<T>) {
        Pack<T> half[3 * N];
#pragma GCC unroll 4
        for (int column = 0; column < 3; ++column) {
          Pack<T> g[3];
#pragma GCC unroll 4
          for (int i = 0; i < 3; ++i) {
            const T* at = from + (i * 3 + column) * tap_step + c;
            __builtin_prefetch(at + 8 * row);  // rows lie apart
            g[i] = Pack<T>::load(at);
          }
          W::weights(g, 1, half + column, 3);
        }
        T* to = u + r * tile_cols<T> + c;
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) {
          Pack<T> g[N];
          W::weights(half + i * 3, 1, g, 1);
#pragma GCC unroll 8
          for (int j = 0; j < N; ++j) g[j].store(to + (i * N + j) * step);
        }
      }
    }
  });
}

namespace detail {

/// What differs between F(2x2, 3x3) and F(4x4, 3x3): all else is compiled once.
template <class T>
struct WinogradForm {
  Index side, points;
  void (*input)(const Tiling&, const T*, Index, Index, const Rows&, const T*, T*);
  void (*output)(const Tiling&, const T*, const Rows&, Index, Index, Index, Index, const ConvAddends<T>&, T*);
  void (*weights)(const ConvShape&, const T*, bool, T*, WeightColumns);
};

/// Columns whose transformed weights are made ready together where they are used once: 16 MB of them. All of a layer's
/// may be many times what its tiles take.
template <class T>
Index winograd_together(const Tiling& g, Index points) {
  constexpr Index N = tile_cols<T>, numbers = Index{1} << 22;
  const Index most = numbers / (points * g.in) / N * N;
  return most >= g.out ? g.out : most > N ? most : N;
}

/// Few tiles: each panel of columns has one owner, who makes its weights ready in the second cache and uses them up
/// before the next. Those come as u, or, where that is nullptr, are made from w. Where there are more threads than
/// panels, owners share a panel's tiles.
template <class T>
void winograd_few_tiles(const WinogradForm<T>& form, const Tiling& g, const ConvShape& s, bool adjoint, const T* x,
                        const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  constexpr Index N = tile_cols<T>;
  const Index points = form.points, panels = (g.out + N - 1) / N, threads = workers::threads();
  const Index wanted = (threads + panels - 1) / panels, most = (g.total + tile_rows - 1) / tile_rows;
  const Index groups = wanted < most ? wanted : most, together = (g.total + groups - 1) / groups;
  const Index u_step = point_step_of_weights<T>(g.in, u ? g.out : N);
  const Rows v_rows(g.total, g.in), p_rows(together, N);
  const Scratch<T> zeros(g.in + N), v(points * v_rows.step);
  for (Index c = 0; c < g.in + N; ++c) zeros[c] = T(0);
  const Scratch<const T*> v_row(g.total + tile_rows);
  row_table<const T>(v.data(), v_rows.pitch, g.total, v_row.data());
  parallel_for(g.total, 4, [&](Index begin, Index end) {
    form.input(g, x, begin, end - begin, v_rows, zeros.data(), v.data() + begin * v_rows.pitch);
  });
  parallel_for(panels * groups, 1, [&](Index task, Index) {
    const Index j = task / groups * N, columns = g.out - j < N ? g.out - j : N;
    const Index first = task % groups * together;
    const Index count = g.total - first < together ? g.total - first : together;
    if (count <= 0) return;
    const Scratch<T> p(points * p_rows.step), made(u ? 0 : points * u_step);
    const Scratch<T*> p_row(count + tile_rows);
    row_table(p.data(), p_rows.pitch, count, p_row.data());
    if (!u) form.weights(s, w, adjoint, made.data(), {j, columns});
    for (Index point = 0; point < points; ++point) {
      multiply_rows(v_row.data() + first, point * v_rows.step, 1, count, g.in,
                    u ? u + point * u_step + j * g.in : made.data() + point * u_step, zeros.data(), p_row.data(),
                    point * p_rows.step, N);
    }
    form.output(g, p.data(), p_rows, first, count, j, j + columns, add, y);
  });
}

/// Many tiles, from the transformed weights of some columns.
template <class T>
void winograd_tiles(const WinogradForm<T>& form, const Tiling& g, const T* x, const T* u, WeightColumns some,
                    const ConvAddends<T>& add, T* y) {
  constexpr Index N = tile_cols<T>;
  const Index points = form.points, last = some.first + some.count;
  const Index u_step = point_step_of_weights<T>(g.in, some.count);
  Scratch<T> zeros(g.in + N);  // for what lies outside the picture, and as the bias of the products
  for (Index c = 0; c < g.in + N; ++c) zeros[c] = T(0);
  parallel_for(g.total, winograd_block, [&](Index begin, Index end) {
    const Index count = end - begin;
    const Rows v_rows(count, g.in), p_rows(count, N);
    Scratch<T> v(points * v_rows.step), p(points * p_rows.step);
    Scratch<const T*> v_row(count + tile_rows);
    Scratch<T*> p_row(count + tile_rows);
    row_table<const T>(v.data(), v_rows.pitch, count, v_row.data());
    row_table(p.data(), p_rows.pitch, count, p_row.data());
    form.input(g, x, begin, count, v_rows, zeros.data(), v.data());
    for (Index j = some.first; j < last; j += N) {
      for (Index point = 0; point < points; ++point) {
        multiply_rows(v_row.data(), point * v_rows.step, 1, count, g.in, u + point * u_step + (j - some.first) * g.in,
                      zeros.data(), p_row.data(), point * p_rows.step, N);
      }
      form.output(g, p.data(), p_rows, begin, count, j, j + N < last ? j + N : last, add, y);
    }
  });
}

}  // namespace detail

/// y = conv(x) (or dx from dy, `adjoint`) and what is added, from transformed weights u, or, where that is nullptr,
/// from w.
template <int M, class T>
void winograd(const ConvShape& s, bool adjoint, const T* x, const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  const detail::WinogradForm<T> form{M, Winograd<M>::T * Winograd<M>::T, detail::winograd_input<M, T>,
                                     detail::winograd_output<M, T>, winograd_weights<M, T>};
  const detail::Tiling g(s, adjoint, M);
  if (g.total <= 2 * detail::winograd_block) return detail::winograd_few_tiles(form, g, s, adjoint, x, u, w, add, y);
  if (u) return detail::winograd_tiles(form, g, x, u, {0, g.out}, add, y);
  const Index together = detail::winograd_together<T>(g, form.points);
  const Scratch<T> made(form.points * detail::point_step_of_weights<T>(g.in, together));
  for (Index first = 0; first < g.out; first += together) {
    const detail::WeightColumns some{first, g.out - first < together ? g.out - first : together};
    winograd_weights<M>(s, w, adjoint, made.data(), some);
    detail::winograd_tiles(form, g, x, static_cast<const T*>(made.data()), some, add, y);
  }
}
template <int M, class T>
void winograd(const ConvShape& s, bool adjoint, const T* x, const T* u, const T* bias, T* y) {
  winograd<M>(s, adjoint, x, u, static_cast<const T*>(nullptr), ConvAddends<T>{bias}, y);
}

/// dw from x and dy. Tiles are summed in rising order, whatever the number of threads: each point has one owner.
template <int M, class T>
void winograd_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  using W = Winograd<M>;
  constexpr Index points = W::T * W::T, N = tile_cols<T>;
  constexpr Index chunk = adjoint_block;  // tiles at a time: V and P have 36 x 128 x (in + out) numbers
  const Tiling g(s, false, M);
  const Index most = g.total < chunk ? g.total : chunk, columns = round_up(g.out, N), step = odd_lines(g.in * columns);
  const Rows v_rows(most, g.in), p_rows(most, columns);
  Scratch<T> zeros(g.in > g.out ? g.in : g.out), v(points * v_rows.step), p(points * p_rows.step), du(points * step);
  Scratch<const T*> v_row(most + tile_rows);
  row_table<const T>(v.data(), v_rows.pitch, most, v_row.data());
  for (Index c = 0; c < g.in || c < g.out; ++c) zeros[c] = T(0);
  for (Index first = 0; first < g.total; first += most) {
    const Index count = g.total - first < most ? g.total - first : most;
    parallel_for(count, 8, [&](Index begin, Index end) {
      winograd_input<M>(g, x, first + begin, end - begin, v_rows, zeros.data(), v.data() + begin * v_rows.pitch);
      winograd_output_adjoint<M>(g, dy, first + begin, end - begin, p_rows, zeros.data(),
                                 p.data() + begin * p_rows.pitch);
    });
    parallel_for(points, 1, [&](Index point, Index) {
      add_outer_products<T>(v_row.data(), point * v_rows.step, count, p.data() + point * p_rows.step, p_rows.pitch, N,
                            0, g.in, g.in < tile_rows ? v_rows.pitch : g.in, columns, first > 0,
                            du.data() + point * step, columns);
    });
  }
  parallel_for(g.in, 4, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index j = 0; j < g.out; j += lanes_of<T>) {
        Pack<T> half[3][W::T];
#pragma GCC unroll 8
        for (int column = 0; column < W::T; ++column) {
          Pack<T> total[3] = {Pack<T>(T(0)), Pack<T>(T(0)), Pack<T>(T(0))};
#pragma GCC unroll 8
          for (int row = 0; row < W::T; ++row) {
            const Pack<T> d = Pack<T>::load(du.data() + (row * W::T + column) * step + i * columns + j);
#pragma GCC unroll 4
            for (int k = 0; k < 3; ++k) {
              if (W::G[row][k] != 0) total[k] = fma(Pack<T>(W::G[row][k]), d, total[k]);
            }
          }
          for (int k = 0; k < 3; ++k) half[k][column] = total[k];
        }
#pragma GCC unroll 16
        for (int t = 0; t < 9; ++t) {
          Pack<T> total(T(0));
#pragma GCC unroll 8
          for (int column = 0; column < W::T; ++column) {
            if (W::G[column][t % 3] != 0) total = fma(Pack<T>(W::G[column][t % 3]), half[t / 3][column], total);
          }
          store_left(dw + (t * g.in + i) * g.out + j, total, g.out - j);
        }
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
