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

/// The tiles of a convolution from pictures of `height` x `width` x `in` to `out_height` x `out_width` x `out`.
struct Tiling {
  Index height, width, in, out_height, out_width, out, pad_top, pad_left, down, across, total;
  Index in_step = 1;                      // pixels of the input from output to output
  Index out_pixel, out_row, out_picture;  // numbers from output to output

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
        total(s.batch * down * across),
        out_pixel(out),
        out_row(out_width * out_pixel),
        out_picture(out_height * out_row) {}

  struct Place {
    Index picture, y, x;  // of the tile's first output
  };
  Place place(Index tile, Index side) const {
    return {tile / (down * across), tile / across % down * side, tile % across * side};
  }
  Index offset(const Place& at) const { return at.picture * out_picture + at.y * out_row + at.x * out_pixel; }
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
template <class W, class T>
void winograd_input(const Tiling& g, const T* x, Index first, Index count, const Rows& rows, const T* zeros, T* v) {
  constexpr int N = W::T;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, W::Side);
    const T* pixel[N * N];
    for (int i = 0; i < N * N; ++i) {
      const Index iy = (at.y + i / N) * g.in_step - g.pad_top, ix = (at.x + i % N) * g.in_step - g.pad_left;
      const bool inside = iy >= 0 && iy < g.height && ix >= 0 && ix < g.width;
      pixel[i] = inside ? x + ((at.picture * g.height + iy) * g.width + ix) * g.in : zeros;
    }
    for (Index c = 0; c < g.in; c += lanes_of<T>) {
      const PixelPacks<N * N, T> x_at(pixel, c, g.in - c);
      T* to = v + t * rows.pitch + c;
      Pack<T> half[N * N];
#pragma GCC unroll 1
      for (int column = 0; column < N; ++column) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) d[row] = x_at[row * N + column];
        W::input(d, 1, half + column, N);
      }
#pragma GCC unroll 1
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
template <class W, class T>
void winograd_output(const Tiling& g, const T* p, const Rows& rows, Index first, Index count, Index begin, Index end,
                     const ConvAddends<T>& add, T* y) {
  constexpr int N = W::T, M = W::Side;
  constexpr Index L = lanes_of<T>;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, M);
    const Index down = g.out_height - at.y < M ? g.out_height - at.y : M,
                across = g.out_width - at.x < M ? g.out_width - at.x : M;
    const Index offset = g.offset(at);
    T* const corner = y + offset;
    const T* const bias = add.bias ? add.bias + at.picture * add.bias_step : nullptr;
    const T* const residual = add.residual ? add.residual + offset : nullptr;
    for (Index c = begin; c < end; c += L) {
      const T* from = p + t * rows.pitch + c - begin;
      const Index lanes = end - c;
      const Pack<T> shift = bias ? load_left(bias + c, lanes) : Pack<T>(T(0));
      const bool straight = lanes >= L && !add.last();  // else the tile goes through `room`
      T room[M * M * L];
      T* const to = straight ? corner + c : room;
      const Index row_step = straight ? g.out_row : M * L, column_step = straight ? g.out_pixel : L;
      Pack<T> half[M * N];
      const auto column_of_half = [&](int column) __attribute__((always_inline)) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) d[row] = Pack<T>::load(from + (row * N + column) * rows.step);
        W::output(d, 1, half + column, N);
      };
      const auto row_of_y = [&](int row) __attribute__((always_inline)) {
        Pack<T> d[M];
        W::output(half + row * N, 1, d, 1);
        if (row >= down) return;
#pragma GCC unroll 4
        for (int column = 0; column < M; ++column) {
          if (column >= across) continue;
          const Index pixel = row * row_step + column * column_step;
          Pack<T> sum = d[column] + shift;
          if (straight && residual) sum += Pack<T>::load(residual + c + pixel);
          sum.store(to + pixel);
        }
      };
      if constexpr (M * N < 24) {  // `half` stays in registers, where there are 32
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) column_of_half(column);
#pragma GCC unroll 4
        for (int row = 0; row < M; ++row) row_of_y(row);
      } else {
#pragma GCC unroll 1
        for (int column = 0; column < N; ++column) column_of_half(column);
#pragma GCC unroll 1
        for (int row = 0; row < M; ++row) row_of_y(row);
      }
      if (straight) continue;
      for (Index i = 0; i < down * across; ++i) {
        const Index row = i / across, column = i % across, pixel = c + row * g.out_row + column * g.out_pixel;
        Pack<T> sum = Pack<T>::load(room + (row * M + column) * L);
        if (residual) sum += load_lanes<T>(residual + pixel, lanes);
        store_lanes<T>(corner + pixel, add.finish(sum, offset + pixel, lanes), lanes);
      }
    }
  }
}

/// P = A dy A^T, the transpose of the output transform; outputs beyond the picture count as zero.
template <class W, class T>
void winograd_output_adjoint(const Tiling& g, const T* dy, Index first, Index count, const Rows& rows, const T* zeros,
                             T* p) {
  constexpr int N = W::T, M = W::Side;
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
#pragma GCC unroll 1
      for (int column = 0; column < M; ++column) {
        Pack<T> d[M];
#pragma GCC unroll 4
        for (int row = 0; row < M; ++row) d[row] = dy_at[row * M + column];
        W::output_adjoint(d, 1, half + column, M);
      }
#pragma GCC unroll 1
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

/// A block of at most so many tiles, rounded up, such that every thread gets as many blocks. A tile's numbers do not
/// depend on the others of its block, so the number of threads may be asked for here.
inline Index even_block(Index total, Index most, Index unit) {
  const Index blocks = round_up((total + most - 1) / most, workers::threads());
  return round_up((total + blocks - 1) / blocks, unit);
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

namespace detail {

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

}  // namespace detail

/// U of some columns (count -1: all); for the adjoint by the input, of the weights turned by half a circle with
/// channels exchanged.
template <int M, class T>
void winograd_weights(const ConvShape& s, const T* w, bool adjoint, T* u, detail::WeightColumns some = {0, -1}) {
  if (some.count < 0) some.count = adjoint ? s.in_channels : s.out_channels;
  detail::Tap tap[9];
  for (Index t = 0; t < 9; ++t) tap[t] = {0, 0, adjoint ? 8 - t : t};
  detail::winograd_weights_of<Winograd<M>>(s, w, adjoint, tap, 1, some, u);
}

namespace detail {

/// What differs between F(2x2, 3x3), F(4x4, 3x3) and others: all else is compiled once.
template <class T>
struct WinogradForm {
  Index points;
  void (*input)(const Tiling&, const T*, Index, Index, const Rows&, const T*, T*);
  void (*output)(const Tiling&, const T*, const Rows&, Index, Index, Index, Index, const ConvAddends<T>&, T*);
  void (*weights)(const ConvShape&, const T*, bool, T*, WeightColumns);
};
template <int M, class T>
WinogradForm<T> winograd_form() {
  using W = Winograd<M>;
  return {W::T * W::T, winograd_input<W, T>, winograd_output<W, T>, winograd_weights<M, T>};
}

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
  const Index block = even_block(g.total, winograd_block, 4);
  parallel_for(g.total, block, [&](Index begin, Index end) {
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

namespace detail {

/// y from x by the tiles of g and what is added, from transformed weights u, or, where that is nullptr, from w.
template <class T>
void winograd_convolve(const WinogradForm<T>& form, const Tiling& g, const ConvShape& s, bool adjoint, const T* x,
                       const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  if (g.total <= 2 * winograd_block) return winograd_few_tiles(form, g, s, adjoint, x, u, w, add, y);
  if (u) return winograd_tiles(form, g, x, u, {0, g.out}, add, y);
  const Index together = winograd_together<T>(g, form.points);
  const Scratch<T> made(form.points * point_step_of_weights<T>(g.in, together));
  for (Index first = 0; first < g.out; first += together) {
    const WeightColumns some{first, g.out - first < together ? g.out - first : together};
    form.weights(s, w, adjoint, made.data(), some);
    winograd_tiles(form, g, x, static_cast<const T*>(made.data()), some, add, y);
  }
}

}  // namespace detail

/// y = conv(x) (or dx from dy, `adjoint`) and what is added, from transformed weights u, or, where that is nullptr,
/// from w.
template <int M, class T>
void winograd(const ConvShape& s, bool adjoint, const T* x, const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  detail::winograd_convolve(detail::winograd_form<M, T>(), detail::Tiling(s, adjoint, M), s, adjoint, x, u, w, add, y);
}
template <int M, class T>
void winograd(const ConvShape& s, bool adjoint, const T* x, const T* u, const T* bias, T* y) {
  winograd<M>(s, adjoint, x, u, static_cast<const T*>(nullptr), ConvAddends<T>{bias}, y);
}

namespace detail {

/// du[point][channel][column] = sum over tiles of (B^T x B) . (A dy A^T), `step` from point to point. Tiles are summed
/// in rising order, whatever the number of threads: each point has one owner. `output_adjoint` is of the form's
/// transform (not a member: who only runs a network need not compile it).
template <class T>
using OutputAdjoint = void (*)(const Tiling&, const T*, Index, Index, const Rows&, const T*, T*);
template <class T>
void winograd_tile_sums(const WinogradForm<T>& form, OutputAdjoint<T> output_adjoint, const Tiling& g, const T* x,
                        const T* dy, T* du, Index step) {
  constexpr Index N = tile_cols<T>;
  constexpr Index chunk = adjoint_block;  // tiles at a time: V and P have 36 x 128 x (in + out) numbers
  const Index most = g.total < chunk ? g.total : chunk, columns = round_up(g.out, N), points = form.points;
  const Rows v_rows(most, g.in), p_rows(most, columns);
  Scratch<T> zeros(g.in > g.out ? g.in : g.out), v(points * v_rows.step), p(points * p_rows.step);
  Scratch<const T*> v_row(most + tile_rows);
  row_table<const T>(v.data(), v_rows.pitch, most, v_row.data());
  for (Index c = 0; c < g.in || c < g.out; ++c) zeros[c] = T(0);
  for (Index first = 0; first < g.total; first += most) {
    const Index count = g.total - first < most ? g.total - first : most;
    parallel_for(count, 8, [&](Index begin, Index end) {
      form.input(g, x, first + begin, end - begin, v_rows, zeros.data(), v.data() + begin * v_rows.pitch);
      output_adjoint(g, dy, first + begin, end - begin, p_rows, zeros.data(), p.data() + begin * p_rows.pitch);
    });
    parallel_for(points, 1, [&](Index point, Index) {
      add_outer_products<T>(v_row.data(), point * v_rows.step, count, p.data() + point * p_rows.step, p_rows.pitch, N,
                            0, g.in, g.in < tile_rows ? v_rows.pitch : g.in, columns, first > 0, du + point * step,
                            columns);
    });
  }
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

/// dw from x and dy.
template <int M, class T>
void winograd_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const Tiling g(s, false, M);
  const auto form = winograd_form<M, T>();
  const Index columns = round_up(g.out, tile_cols<T>), step = odd_lines(g.in * columns);
  const Scratch<T> du(form.points * step);
  winograd_tile_sums<T>(form, winograd_output_adjoint<Winograd<M>, T>, g, x, dy, du.data(), step);
  Tap tap[9];
  for (Index t = 0; t < 9; ++t) tap[t] = {0, 0, t};
  winograd_weights_adjoint<Winograd<M>>(static_cast<const T*>(du.data()), step, columns, g.in, g.out, tap, dw);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
