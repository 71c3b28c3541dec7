// Monotone rational-quadratic splines (Durkan et al., 2019, arXiv 1906.04032, after Gregory and Delbourgo, 1982): K
// bins on [-B, B], the identity outside. Each number of x has its own 3 K - 1 raw parameters: K widths and K heights
// (softmax, each at least `least` of the whole) and K - 1 slopes at the inner knots (softplus, shifted so that a raw 0
// is slope 1).
//
// In a bin from (x0, y0), w wide and h high, with slopes d0 and d1 at its ends, and with s = h / w, u = (x - x0) / w,
// q = u (1 - u):
//   y = y0 + h (s u^2 + d0 q) / D      D = s + (d0 + d1 - 2 s) q
//   dy/dx = s^2 N / D^2                N = d1 u^2 + 2 s q + d0 (1 - u)^2
// and u from y is the root of a quadratic. The adjoint is written out by hand below, in reverse order of the formulas;
// that of the inverse follows from it: with y = F(x, p) and l = log F', dx/dy = 1 / F' and dx/dp = -(dF/dp) / F'.
//
// No vector code: a bin is found by searching, which is different for each number. It has no second derivative.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/flow/affine.hpp>

namespace tessera::inline TESSERA_ISA {

struct SplineShape {
  Index bins = 8;    // K, 2 to 64
  double range = 3;  // B: identity beyond
};

namespace detail {

template <class T>
struct SplineBin {
  Index k;
  T x0, y0, w, h, d0, d1;
};
/// Gradients of the six numbers of a bin, and of x.
template <class T>
struct SplineGradient {
  T x = 0, x0 = 0, y0 = 0, w = 0, h = 0, d0 = 0, d1 = 0;
};

template <class T>
class Spline {
 public:
  static constexpr Index most_bins = 64;
  static constexpr T least = T(1e-3), least_slope = T(1e-3);
  static constexpr T slope_shift = T(0.5397435);  // log(exp(1 - least_slope) - 1)

  Spline(SplineShape shape, const T* raw) : bins_(shape.bins), range_(static_cast<T>(shape.range)) {
    shares(raw, width_);
    shares(raw + bins_, height_);
    raw_slope_ = raw + 2 * bins_;
  }

  bool inside(T v) const { return v > -range_ && v < range_; }

  /// The bin that v lies in, along x or along y.
  SplineBin<T> bin(T v, Direction way) const {
    T x = -range_, y = -range_;
    Index k = 0;
    for (; k + 1 < bins_; ++k) {
      const T w = 2 * range_ * width_[k], h = 2 * range_ * height_[k];
      if (v < (way == Direction::forward ? x + w : y + h)) break;
      x += w;
      y += h;
    }
    return {k, x, y, 2 * range_ * width_[k], 2 * range_ * height_[k], slope(k), slope(k + 1)};
  }

  static void value(const SplineBin<T>& b, T x, T& y, T& log_slope) { at(b, (x - b.x0) / b.w, y, log_slope); }
  static void inverse(const SplineBin<T>& b, T y, T& x, T& log_slope) {
    const T s = b.h / b.w, e = b.d0 + b.d1 - 2 * s, up = y - b.y0;
    const T a2 = b.h * (s - b.d0) + up * e, a1 = b.h * b.d0 - up * e, a0 = -s * up;
    const T inside = a1 * a1 - 4 * a2 * a0;
    const T u = 2 * a0 / (-a1 - std::sqrt(inside > 0 ? inside : T(0)));
    x = b.x0 + u * b.w;
    T ignored;
    at(b, u, ignored, log_slope);
  }

  /// The gradients of gy y + gl l at x.
  static SplineGradient<T> adjoint(const SplineBin<T>& b, T x, T gy, T gl) {
    const T s = b.h / b.w, u = (x - b.x0) / b.w, v = 1 - u, q = u * v, e = b.d0 + b.d1 - 2 * s;
    const T den = s + e * q, num = s * u * u + b.d0 * q, slope = b.d1 * u * u + 2 * s * q + b.d0 * v * v;
    SplineGradient<T> g;
    g.y0 = gy;
    g.h = gy * num / den;
    const T gnum = gy * b.h / den, gden = -gnum * num / den - 2 * gl / den, gslope = gl / slope;
    T gs = 2 * gl / s + gnum * u * u + gden * (1 - 2 * q) + gslope * 2 * q;
    g.d0 = gnum * q + gden * q + gslope * v * v;
    g.d1 = gden * q + gslope * u * u;
    const T gq = gnum * b.d0 + gden * e + gslope * 2 * s;
    const T gu = gnum * 2 * s * u + gslope * 2 * (b.d1 * u - b.d0 * v) + gq * (1 - 2 * u);
    g.h += gs / b.w;
    g.w = -gs * s / b.w - gu * u / b.w;
    g.x = gu / b.w;
    g.x0 = -g.x;
    return g;
  }

  /// Adds the gradients of a bin to those of the raw parameters (which are zero before).
  void give(const SplineBin<T>& b, const SplineGradient<T>& g, T* raw) const {
    spread(b.k, g.x0, g.w, width_, raw);
    spread(b.k, g.y0, g.h, height_, raw + bins_);
    if (b.k > 0) raw[2 * bins_ + b.k - 1] += g.d0 * logistic(raw_slope_[b.k - 1] + slope_shift);
    if (b.k + 1 < bins_) raw[2 * bins_ + b.k] += g.d1 * logistic(raw_slope_[b.k] + slope_shift);
  }

 private:
  static void at(const SplineBin<T>& b, T u, T& y, T& log_slope) {
    const T s = b.h / b.w, v = 1 - u, q = u * v, den = s + (b.d0 + b.d1 - 2 * s) * q;
    y = b.y0 + b.h * (s * u * u + b.d0 * q) / den;
    log_slope = std::log(s * s * (b.d1 * u * u + 2 * s * q + b.d0 * v * v) / (den * den));
  }
  static T logistic(T x) { return 1 / (1 + std::exp(-x)); }
  T slope(Index knot) const {
    if (knot == 0 || knot == bins_) return 1;
    const T x = raw_slope_[knot - 1] + slope_shift;
    return least_slope + (x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)));
  }
  void shares(const T* raw, T* share) const {
    T top = raw[0], sum = 0;
    for (Index k = 1; k < bins_; ++k) top = raw[k] > top ? raw[k] : top;
    for (Index k = 0; k < bins_; ++k) sum += share[k] = std::exp(raw[k] - top);
    for (Index k = 0; k < bins_; ++k) share[k] = least + (1 - least * static_cast<T>(bins_)) * share[k] / sum;
  }
  /// A bin's start is the sum of the shares before it; then back through the softmax.
  void spread(Index k, T start, T size, const T* share, T* raw) const {
    const T room = 1 - least * static_cast<T>(bins_), full = 2 * range_;
    T mean = 0;
    const auto up = [&](Index j) { return j < k ? full * start : j == k ? full * size : T(0); };
    for (Index j = 0; j <= k; ++j) mean += up(j) * (share[j] - least);
    for (Index j = 0; j < bins_; ++j) raw[j] += (share[j] - least) * (up(j) - mean / room);
  }

  Index bins_;
  T range_;
  T width_[most_bins], height_[most_bins];
  const T* raw_slope_;
};

/// y and log |dy/dx| for n numbers.
template <class T>
void rational_quadratic(SplineShape shape, Direction way, Index n, const T* x, const T* raw, T* y, T* log_slope) {
  const Index each = 3 * shape.bins - 1;
  kernel::parallel_for(n, 64, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Spline<T> spline(shape, raw + i * each);
      y[i] = x[i];
      log_slope[i] = 0;
      if (!spline.inside(x[i])) continue;
      const SplineBin<T> bin = spline.bin(x[i], way);
      if (way == Direction::forward) {
        Spline<T>::value(bin, x[i], y[i], log_slope[i]);
      } else {
        Spline<T>::inverse(bin, x[i], y[i], log_slope[i]);
        log_slope[i] = -log_slope[i];
      }
    }
  });
}
template <class T>
void rational_quadratic_adjoint(SplineShape shape, Direction way, Index n, const T* x, const T* raw, const T* y,
                                const T* gy, const T* gl, T* dx, T* draw) {
  const Index each = 3 * shape.bins - 1;
  kernel::parallel_for(n, 64, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index k = 0; k < each; ++k) draw[i * each + k] = 0;
      dx[i] = gy[i];
      const Spline<T> spline(shape, raw + i * each);
      if (!spline.inside(x[i])) continue;
      const SplineBin<T> bin = spline.bin(x[i], way);
      if (way == Direction::forward) {
        const SplineGradient<T> g = Spline<T>::adjoint(bin, x[i], gy[i], gl[i]);
        dx[i] = g.x;
        spline.give(bin, g, draw + i * each);
      } else {
        const T back = y[i];  // the x that is mapped to x[i]
        T ignored, log_slope;
        Spline<T>::value(bin, back, ignored, log_slope);
        const T along = (gy[i] - gl[i] * Spline<T>::adjoint(bin, back, 0, 1).x) / std::exp(log_slope);
        dx[i] = along;
        spline.give(bin, Spline<T>::adjoint(bin, back, -along, -gl[i]), draw + i * each);
      }
    }
  });
}

inline void check_spline(SplineShape s, const Shape& x, const Shape& raw) {
  if (s.bins < 2 || s.bins > Spline<float>::most_bins || !(s.range > 0))
    throw argument_error("rational_quadratic: " + std::to_string(s.bins) + " bins on +-" + std::to_string(s.range) +
                         "; wanted 2 to 64 bins on a range above 0");
  if (x.rank() < 2 || raw != x.with(-1, x.back() * (3 * s.bins - 1)))
    throw shape_error("rational_quadratic: parameters " + raw.to_string() + " for " + x.to_string() + "; wanted 3 x " +
                      std::to_string(s.bins) + " - 1 for each number");
}

}  // namespace detail

/// x [B, ..., D], raw [B, ..., D (3 K - 1)], the parameters of a number next to each other. Numbers outside +-range
/// stay as they are. Throws shape_error, argument_error.
template <Value X>
Mapped<X> rational_quadratic(const X& x, const X& raw, SplineShape shape, Direction way) {
  using T = ScalarOf<X>;
  detail::check_spline(shape, x.shape(), raw.shape());
  const Index n = x.size(), items = x.extent(0), each = items == 0 ? 0 : n / items;
  if constexpr (depth_of<X> == 0) {
    Tensor<T> y(x.shape()), log_slope(Shape{items, each});
    detail::rational_quadratic(shape, way, n, x.data(), raw.data(), y.data(), log_slope.data());
    return {std::move(y), sum(std::move(log_slope), {1})};
  } else if constexpr (depth_of<X> == 1) {
    Tensor<T> both(Shape{2, items, each});  // y and log-slope: one op, one adjoint
    T* out = both.data();
    detail::rational_quadratic(shape, way, n, x.value().data(), raw.value().data(), out, out + n);
    const bool wanted = x.needs_gradient() || raw.needs_gradient();
    const X pair =
        x.tape()->record_joint(both, wanted,
                               [shape, way, n, x = x.value(), raw = raw.value(), both, ix = x.id(), ir = raw.id()](
                                   Tape<Tensor<T>>& t, const Tensor<T>& g) {
                                 Tensor<T> dx(x.shape()), draw(raw.shape());
                                 detail::rational_quadratic_adjoint(shape, way, n, x.data(), raw.data(), both.data(),
                                                                    g.data(), g.data() + n, dx.data(), draw.data());
                                 t.add(ir, std::move(draw));
                                 t.add(ix, std::move(dx));
                               });
    return {reshape(slice(pair, 0, 0, 1), x.shape()), sum(reshape(slice(pair, 0, 1, 2), {items, each}), {1})};
  } else {
    throw argument_error(
        "rational_quadratic: its adjoint is fused for Tensors only, so it has no second derivative; "
        "use an affine coupling where you need one");
  }
}

}  // namespace tessera::inline TESSERA_ISA
