// Planar and radial flows (Rezende and Mohamed, 2015, arXiv 1505.05770): one bump each, cheap, for few numbers [B, D].
//
//   planar  z = x + u tanh(a + b), a = w . x
//           log_det = log(1 + (w . u) (1 - tanh^2))
//           invertible when w . u > -1: u is moved along w to w . u = softplus(raw) - 1 (the paper's appendix A.1)
//   radial  z = x + k (x - c) h, r = |x - c|, h = 1 / (r0 + r)
//           log_det = (D - 1) log(1 + k h) + log(1 + k h - k r h^2)
//           r0 = softplus(.), k = softplus(.) - r0 > -r0
// The way back: planar solves a + (w . u) tanh(a + b) = w . z, which grows with a, to the last bit by Newton steps kept
// in a bracket; one more step written with ops carries the gradient. Radial solves a quadratic for r.
#pragma once

#include <cmath>
#include <tessera/autodiff/op/log.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/flow/bijection.hpp>
#include <tessera/nn/init.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct Planar {
  struct Config {
    Index numbers = 2;
  };

  Parameter<T> direction, push;  // w, u before it is moved: [1, D]
  Parameter<T> bias;             // [1]

  Planar(Config c, Rng& rng)
      : direction{init::normal<T>({1, c.numbers}, 0.5, rng)},
        push{init::normal<T>({1, c.numbers}, 0.5, rng)},
        bias{init::zeros<T>({1})} {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    check(x.shape());
    const Fitted<X> f(*this, x);
    const X t = tanh(sum(x * f.w, {1}, true) + f.b);  // [B, 1]
    return {x + t * f.u, reshape(log_slope(f, t), {x.extent(0)})};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    check(z.shape());
    const Fitted<X> f(*this, z);
    const X target = sum(z * f.w, {1}, true);
    // First the numbers, then one Newton step that changes nothing but knows how a depends on everything.
    const Tensor<T> a0 = solve(plain(target), plain(f.wu)[0], plain(f.b)[0]);
    const X a_fixed = lift(z, a0), t0 = tanh(a_fixed + f.b);
    const X residual = a_fixed + f.wu * t0 - target;
    const X slope = f.wu * (T(1) - square(t0)) + T(1);
    const X a = a_fixed - residual / slope, t = tanh(a + f.b);
    return {z - t * f.u, -reshape(log_slope(f, t), {z.extent(0)})};
  }

  static void members(auto& self, auto&& see) {
    see("direction", self.direction);
    see("push", self.push);
    see("bias", self.bias);
  }

 private:
  template <Value X>
  struct Fitted {
    X w, u, b, wu;  // [1, D], [1, D], [1], [1, 1]
    Fitted(const Planar& p, const X& like) : w(lift(like, p.direction)), b(lift(like, p.bias)) {
      const X raw = lift(like, p.push), dot = sum(raw * w, {1}, true);
      wu = softplus(dot) - T(1 - 1e-6);  // above -1 where softplus is 0, too
      u = raw + w * ((wu - dot) / (sum(square(w), {1}, true) + T(1e-12)));
    }
  };
  template <Value X>
  static X log_slope(const Fitted<X>& f, const X& t) {
    return log(f.wu * (T(1) - square(t)) + T(1));
  }
  static Tensor<T> solve(const Tensor<T>& target, T wu, T b) {
    Tensor<T> a(target.shape());
    T* to = a.data();
    for (Index i = 0; i < a.size(); ++i) {
      const double y = static_cast<double>(target[i]), k = static_cast<double>(wu), shift = static_cast<double>(b);
      double low = y - std::abs(k), high = y + std::abs(k), x = y;
      for (int n = 0; n < 100 && low < high; ++n) {
        const double t = std::tanh(x + shift), f = x + k * t - y;
        (f > 0 ? high : low) = x;
        const double next = x - f / (1 + k * (1 - t * t));
        const double kept = next > low && next < high ? next : (low + high) / 2;
        if (kept == x || std::abs(kept - x) < 1e-16 * (1 + std::abs(x))) break;
        x = kept;
      }
      to[i] = static_cast<T>(x);
    }
    return a;
  }
  void check(const Shape& s) const {
    if (s.rank() != 2 || s[1] != direction.value.size())
      throw shape_error("Planar: items [B, " + std::to_string(direction.value.size()) + "] wanted, shape is " +
                        s.to_string());
  }
};

template <class T>
struct Radial {
  struct Config {
    Index numbers = 2;
  };

  Parameter<T> centre;          // [1, D]
  Parameter<T> radius, weight;  // [1] before softplus

  Radial(Config c, Rng& rng)
      : centre{init::normal<T>({1, c.numbers}, 0.5, rng)},
        radius{init::normal<T>({1}, 0.5, rng)},
        weight{init::normal<T>({1}, 0.5, rng)} {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    check(x.shape());
    const X r0 = softplus(lift(x, radius)), k = softplus(lift(x, weight)) - r0;
    const X d = x - lift(x, centre), r = length(d);
    const X kh = k / (r0 + r);
    return {x + d * kh, log_det(kh, r, r0)};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    check(z.shape());
    const X r0 = softplus(lift(z, radius)), k = softplus(lift(z, weight)) - r0;
    const X d = z - lift(z, centre), far = length(d);
    const X m = r0 + k - far;  // r^2 + m r - r0 |d| = 0
    const X r = (sqrt(square(m) + r0 * far * T(4)) - m) * T(0.5);
    const X kh = k / (r0 + r);
    return {z - d * (kh / (kh + T(1))), -log_det(kh, r, r0)};
  }

  static void members(auto& self, auto&& see) {
    see("centre", self.centre);
    see("radius", self.radius);
    see("weight", self.weight);
  }

 private:
  template <Value X>
  static X length(const X& d) {
    return sqrt(sum(square(d), {1}, true) + T(1e-20));  // [B, 1]; smooth at 0
  }
  template <Value X>
  X log_det(const X& kh, const X& r, const X& r0) const {
    const X a = log(kh + T(1)) * static_cast<T>(centre.value.size() - 1);
    const X b = log(kh + T(1) - kh * r / (r0 + r));
    return reshape(a + b, {kh.extent(0)});
  }
  void check(const Shape& s) const {
    if (s.rank() != 2 || s[1] != centre.value.size())
      throw shape_error("Radial: items [B, " + std::to_string(centre.value.size()) + "] wanted, shape is " +
                        s.to_string());
  }
};

}  // namespace tessera::inline TESSERA_ISA
