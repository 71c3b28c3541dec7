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

#include <tessera/kernel/winograd_tiles.hpp>
#include <tessera/kernel/winograd_weights.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

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

/// What differs between F(2x2, 3x3), F(4x4, 3x3) and others: all else is compiled once.
template <class T>
struct WinogradForm {
  Index points, parts;  // the channels of V are those of so many kernels, one after the other
  void (*input)(const Tiling&, const T*, Index, Index, const Rows&, const T*, T*);
  void (*output)(const Tiling&, const T*, const Rows&, Index, Index, Index, Index, const ConvAddends<T>&, T*);
  void (*weights)(const ConvShape&, const T*, bool, T*, WeightPart);
};
template <int M, class T>
WinogradForm<T> winograd_form() {
  using W = Winograd<M>;
  return {W::T * W::T, 1, winograd_input<W, T>, winograd_output<W, T>, winograd_weights<M, T>};
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
/// before the next: a part of the channels at a time, where the products of the tiles are less than the weights. Those
/// come as u, or, where that is nullptr, are made from w. Where there are more threads than panels, owners share a
/// panel's tiles.
template <class T>
void winograd_few_tiles(const WinogradForm<T>& form, const Tiling& g, const ConvShape& s, bool adjoint, const T* x,
                        const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  constexpr Index N = tile_cols<T>;
  const Index points = form.points, panels = (g.out + N - 1) / N, threads = workers::threads();
  const Index wanted = (threads + panels - 1) / panels, most = (g.total + tile_rows - 1) / tile_rows;
  const Index groups = wanted < most ? wanted : most, together = (g.total + groups - 1) / groups;
  const Index u_step = point_step_of_weights<T>(g.in, g.out);
  constexpr Index cached = Index{1} << 18;  // numbers of U, 1 MB
  const Index channels = g.in / form.parts;
  const Index pieces = u || 2 * together > channels ? 1 : (channels * points * N + cached - 1) / cached;
  const Index depth = u || pieces == 1 ? g.in : (channels + pieces - 1) / pieces;
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
    const Scratch<T> p(points * p_rows.step), made(u ? 0 : points * point_step_of_weights<T>(depth, N));
    const Scratch<T*> p_row(count + tile_rows);
    row_table(p.data(), p_rows.pitch, count, p_row.data());
    for (Index c = 0, some; c < g.in; c += some) {
      some = depth == g.in || channels - c % channels > depth ? depth : channels - c % channels;
      const Index made_step = point_step_of_weights<T>(some, N);
      if (!u) form.weights(s, w, adjoint, made.data(), {j, columns, c, depth == g.in ? -1 : some});
      for (Index point = 0; point < points; ++point) {
        multiply_rows(v_row.data() + first, point * v_rows.step + c, 1, count, some,
                      u ? u + point * u_step + j * g.in : made.data() + point * made_step, zeros.data(), p_row.data(),
                      point * p_rows.step, N, c > 0);
      }
    }
    form.output(g, p.data(), p_rows, first, count, j, j + columns, add, y);
  });
}

/// Many tiles, from the transformed weights of some columns.
template <class T>
void winograd_tiles(const WinogradForm<T>& form, const Tiling& g, const T* x, const T* u, WeightPart some,
                    const ConvAddends<T>& add, T* y) {
  constexpr Index N = tile_cols<T>;
  const Index points = form.points, last = some.column + some.columns;
  const Index u_step = point_step_of_weights<T>(g.in, some.columns);
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
    for (Index j = some.column; j < last; j += N) {
      for (Index point = 0; point < points; ++point) {
        multiply_rows(v_row.data(), point * v_rows.step, 1, count, g.in, u + point * u_step + (j - some.column) * g.in,
                      zeros.data(), p_row.data(), point * p_rows.step, N);
      }
      form.output(g, p.data(), p_rows, begin, count, j, j + N < last ? j + N : last, add, y);
    }
  });
}

/// y from x by the tiles of g and what is added, from transformed weights u, or, where that is nullptr, from w.
template <class T>
void winograd_convolve(const WinogradForm<T>& form, const Tiling& g, const ConvShape& s, bool adjoint, const T* x,
                       const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  if (g.total <= 2 * winograd_block) return winograd_few_tiles(form, g, s, adjoint, x, u, w, add, y);
  if (u) return winograd_tiles(form, g, x, u, {0, g.out}, add, y);
  const Index together = winograd_together<T>(g, form.points);
  const Scratch<T> made(form.points * point_step_of_weights<T>(g.in, together));
  for (Index first = 0; first < g.out; first += together) {
    const WeightPart some{first, g.out - first < together ? g.out - first : together};
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
