// 4x4 convolutions with stride 2, the layers that halve a picture in VAEs and GANs (and, transposed, double it), by
// Winograd's F(4x4, 2x2), all three directions.
//
//   y[o] = sum over phases p and taps a, both in {0, 1}^2, of x[2 (o + a) + p - pad] w[2 a + p]
//
// Pixels of equal parity form four pictures of half the size, and on each of these phases the kernel is one of 2x2 with
// stride 1: F(4x4, 2x2) takes 25 multiplications for 16 outputs where the taps take 64. Forward and in the adjoint by the
// weights the phases are four times as many channels of one product. In the adjoint by the input, each phase of dx is a
// 2x2 convolution of dy of its own. The transforms and the law are those of winograd.hpp (Lavin and Gray, 2015, arXiv
// 1509.09308); the points +-sqrt(1/2), +-sqrt(2), infinity, have an error below that of F(4x4, 3x3).
#pragma once

#include <tessera/kernel/winograd.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

/// The one-dimensional transforms of F(4, 2), as in winograd_transform.hpp.
struct WinogradHalving {
  static constexpr int Side = 4, R = 2, T = 5;
  static constexpr float a = Winograd<4>::a, b = Winograd<4>::b, a3 = Winograd<4>::a3, b3 = Winograd<4>::b3;
  static constexpr float third = 1.0f / 3, Ga = third * b, Gb = third * a;  // 1 / (3 a), 1 / (3 b)
  static constexpr float G[T][R] = {{-Ga, -third}, {Ga, -third}, {Gb, third}, {-Gb, third}, {0, 1}};

  template <class P>
  [[gnu::always_inline]] static void weights(const P* g, int step, P* u, int to_step) {
    const P share = P(third) * g[step];
    u[0] = fma(P(-Ga), g[0], -share);
    u[to_step] = fma(P(Ga), g[0], -share);
    u[2 * to_step] = fma(P(Gb), g[0], share);
    u[3 * to_step] = fma(P(-Gb), g[0], share);
    u[4 * to_step] = g[step];
  }
  template <class P>
  [[gnu::always_inline]] static void input(const P* x, int step, P* v, int to_step) {
    const P even_a = P(a) * fma(P(-2.0f), x[0], x[2 * step]), odd_a = fma(P(-2.0f), x[step], x[3 * step]);
    const P even_b = P(b) * fma(P(-0.5f), x[0], x[2 * step]), odd_b = fma(P(-0.5f), x[step], x[3 * step]);
    v[0] = odd_a + even_a;
    v[to_step] = odd_a - even_a;
    v[2 * to_step] = odd_b + even_b;
    v[3 * to_step] = odd_b - even_b;
    v[4 * to_step] = fma(P(-2.5f), x[2 * step], x[0] + x[4 * step]);
  }
  template <class P>
  [[gnu::always_inline]] static void output(const P* p, int step, P* y, int to_step) {
    const P sum_a = p[0] + p[step], difference_a = p[0] - p[step];
    const P sum_b = p[2 * step] + p[3 * step], difference_b = p[2 * step] - p[3 * step];
    y[0] = sum_a + sum_b;
    y[to_step] = fma(P(a), difference_a, P(b) * difference_b);
    y[2 * to_step] = fma(P(0.5f), sum_a, sum_b + sum_b);
    y[3 * to_step] = fma(P(a3), difference_a, fma(P(b3), difference_b, p[4 * step]));
  }
  template <class P>
  [[gnu::always_inline]] static void output_adjoint(const P* y, int step, P* p, int to_step) {
    const P even_a = fma(P(0.5f), y[2 * step], y[0]), odd_a = fma(P(a3), y[3 * step], P(a) * y[step]);
    const P even_b = fma(P(2.0f), y[2 * step], y[0]), odd_b = fma(P(b3), y[3 * step], P(b) * y[step]);
    p[0] = even_a + odd_a;
    p[to_step] = even_a - odd_a;
    p[2 * to_step] = even_b + odd_b;
    p[3 * to_step] = even_b - odd_b;
    p[4 * to_step] = y[3 * step];
  }
};

/// The weights of a phase's taps; those of the adjoint by the input turned by half a circle.
inline void halving_taps(Index phase, bool turned, Tap* tap) {
  for (Index t = 0; t < 4; ++t) {
    const Index a = turned ? 1 - t / 2 : t / 2, b = turned ? 1 - t % 2 : t % 2;
    tap[t] = {0, 0, (2 * a + phase / 2) * 4 + 2 * b + phase % 2};
  }
}
/// U of all phases below one another; for the adjoint by the input that of the phase with whose weights w begins.
template <class T>
void halving_weights(const ConvShape& s, const T* w, bool adjoint, T* u, WeightPart some) {
  Tap tap[16];
  const Index phases = adjoint ? 1 : 4;
  for (Index p = 0; p < phases; ++p) halving_taps(p, adjoint, tap + 4 * p);
  winograd_weights_of<WinogradHalving>(s, w, adjoint, tap, phases, some, u);
}
/// V of all phases side by side.
template <class T>
void halving_input(const Tiling& g, const T* x, Index first, Index count, const Rows& rows, const T* zeros, T* v) {
  Tiling part = g;
  part.in = part.in_pixel = g.in / 4;
  for (Index p = 0; p < 4; ++p) {
    part.pad_top = g.pad_top - p / 2;
    part.pad_left = g.pad_left - p % 2;
    winograd_input<WinogradHalving>(part, x, first, count, rows, zeros, v + p * part.in);
  }
}
template <class T>
WinogradForm<T> halving_form(bool adjoint) {
  using W = WinogradHalving;
  return {W::T * W::T, adjoint ? 1 : 4, adjoint ? winograd_input<W, T> : halving_input<T>, winograd_output<W, T>,
          halving_weights<T>};
}
inline Tiling halving_tiling(const ConvShape& s) {
  Tiling g(s, false, WinogradHalving::Side);
  g.in = 4 * s.in_channels;
  g.in_step = 2;
  return g;
}

}  // namespace detail

/// Is this the way for a convolution of floats and its adjoint by the weights, or (`adjoint`) that by the input, which
/// transforms dy once a phase and pays for more channels only? Never looks at the batch.
inline bool winograd_halving(const ConvShape& s, bool adjoint = false) {
  const auto between = [](Index pad) { return pad >= 0 && pad <= 3; };
  const bool fits = s.kernel_h == 4 && s.kernel_w == 4 && s.stride_h == 2 && s.stride_w == 2 && s.dilation_h == 1 &&
                    s.dilation_w == 1 && s.groups == 1 && between(s.pad_top) && between(s.pad_left) &&
                    between(s.pad_bottom) && between(s.pad_right) && s.in_channels % 16 == 0 &&
                    s.in_channels >= (adjoint ? 64 : 32) && s.out_channels >= 32;
  const Index height = s.out_height(), width = s.out_width();
  const Index tiles = (height + 3) / 4 * ((width + 3) / 4);
  return fits && tiles * 100 * 4 < height * width * 16 * 3;  // tiles that hang over the border cost as much as others
}

/// Numbers in the transformed weights, and these.
template <class T>
Index winograd_halving_packed(const ConvShape& s) {
  return 25 * detail::point_step_of_weights<T>(4 * s.in_channels, s.out_channels);
}
template <class T>
void winograd_halving_weights(const ConvShape& s, const T* w, T* u) {
  detail::halving_weights(s, w, false, u, {0, s.out_channels});
}

/// y = conv(x) and what is added, from transformed weights u, or, where that is nullptr, from w.
template <class T>
void conv_winograd_halving(const ConvShape& s, const T* x, const T* u, const T* w, const ConvAddends<T>& add, T* y) {
  detail::winograd_convolve(detail::halving_form<T>(false), detail::halving_tiling(s), s, false, x, u, w, add, y);
}

/// dx from dy and what is added, phase by phase.
template <class T>
void conv_winograd_halving_input_adjoint(const ConvShape& s, const T* dy, const T* w, const ConvAddends<T>& add,
                                         T* dx) {
  const auto form = detail::halving_form<T>(true);
  for (Index parity = 0; parity < 4; ++parity) {
    const Index top = parity / 2, left = parity % 2;                       // the first row and column of dx
    const Index py = (top + s.pad_top) % 2, px = (left + s.pad_left) % 2;  // the phase it is of
    detail::Tiling g(s, true, detail::WinogradHalving::Side);
    g.out_height = (s.height - top + 1) / 2;
    g.out_width = (s.width - left + 1) / 2;
    g.pad_top = 1 - (top + s.pad_top) / 2;
    g.pad_left = 1 - (left + s.pad_left) / 2;
    g.down = (g.out_height + 3) / 4;
    g.across = (g.out_width + 3) / 4;
    g.total = s.batch * g.down * g.across;
    if (g.total == 0) continue;
    g.out_pixel *= 2;
    g.out_row *= 2;
    const Index first = (top * s.width + left) * s.in_channels;
    detail::winograd_convolve(form, g, s, true, dy, static_cast<const T*>(nullptr),
                              w + (py * 4 + px) * s.in_channels * s.out_channels, add.at(first), dx + first);
  }
}

/// dw from x and dy.
template <class T>
void conv_winograd_halving_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const Tiling g = halving_tiling(s);
  const auto form = halving_form<T>(false);
  const Index columns = round_up(g.out, tile_cols<T>), step = odd_lines(g.in * columns);
  const Scratch<T> du(form.points * step);
  winograd_tile_sums<T>(form, winograd_output_adjoint<WinogradHalving, T>, g, x, dy, du.data(), step);
  for (Index p = 0; p < 4; ++p) {
    Tap tap[4];
    halving_taps(p, false, tap);
    winograd_weights_adjoint<WinogradHalving>(static_cast<const T*>(du.data()) + p * s.in_channels * columns, step,
                                              columns, s.in_channels, g.out, tap, dw);
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
