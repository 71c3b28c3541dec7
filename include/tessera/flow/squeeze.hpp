// Bijections without parameters: Squeeze, Logit and Standardise.
//
//   Squeeze      blocks of f x f pixels become channels, [B, H, W, C] -> [B, H/f, W/f, f f C]; log_det 0
//                (RealNVP: Dinh et al., 2016, arXiv 1605.08803)
//   Logit        y = log(p / (1 - p)), p = a + (1 - 2 a) x: numbers in [0, 1] become any numbers (a = 0.05 in RealNVP),
//                so that the flow cannot waste probability outside the pictures' range
//   Standardise  y = (x - shift) * scale, fixed numbers
#pragma once

#include <cmath>
#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/log.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/flow/bijection.hpp>
#include <tessera/nn/patch.hpp>

namespace tessera::inline TESSERA_ISA {

struct Squeeze {
  Index factor = 2;

  /// Throws shape_error for sizes that do not divide.
  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    const Shape& s = x.shape();
    if (s.rank() != 4 || factor < 1 || s[1] % factor != 0 || s[2] % factor != 0)
      throw shape_error("Squeeze: " + s.to_string() + " is no picture that divides into blocks of " +
                        std::to_string(factor) + " x " + std::to_string(factor) + "; pad it, or use fewer levels");
    return {patchify(x, factor), detail::no_log_det(x)};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    return {unpatchify(z, factor), detail::no_log_det(z)};
  }
  static void members(auto&, auto&&) {}
};

struct Logit {
  double margin = 0.05;  // a, in (0, 0.5)

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    using T = ScalarOf<X>;
    check(x.shape());
    const X p = x * static_cast<T>(1 - 2 * margin) + static_cast<T>(margin);
    const X y = log(p) - log(T(1) - p);
    return {y, log_det(y)};
  }
  template <Value X>
  Mapped<X> inverse(const X& y, const X& = {}) const {
    using T = ScalarOf<X>;
    check(y.shape());
    const T scale = static_cast<T>(1 / (1 - 2 * margin));
    return {(sigmoid(y) + static_cast<T>(-margin)) * scale, -log_det(y)};
  }
  static void members(auto&, auto&&) {}

 private:
  void check(const Shape& s) const {
    detail::check_items<float>("Logit", s);
    if (!(margin > 0 && margin < 0.5))
      throw argument_error("Logit: margin " + std::to_string(margin) + " is not in (0, 0.5)");
  }
  /// dy/dx = (1 - 2 a) / (p (1 - p)), and with p = sigmoid(y): -log p - log (1 - p) = softplus(-y) + softplus(y).
  template <Value X>
  X log_det(const X& y) const {
    using T = ScalarOf<X>;
    const Index items = y.extent(0), each = items == 0 ? 0 : y.size() / items;
    const X slopes = softplus(y) * T(2) - y;  // softplus(-y) = softplus(y) - y
    return sum(reshape(slopes, {items, each}), {1}) +
           static_cast<T>(static_cast<double>(each) * std::log(1 - 2 * margin));
  }
};

struct Standardise {
  double shift = 0, scale = 1;

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    using T = ScalarOf<X>;
    return {(x - static_cast<T>(shift)) * static_cast<T>(scale), log_det(x, 1)};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    using T = ScalarOf<X>;
    return {z * static_cast<T>(1 / scale) + static_cast<T>(shift), log_det(z, -1)};
  }
  static void members(auto&, auto&&) {}

 private:
  template <Value X>
  X log_det(const X& x, double sign) const {
    detail::check_items<float>("Standardise", x.shape());
    if (scale == 0) throw argument_error("Standardise: a scale of 0 has no way back");
    const Index items = x.extent(0), each = items == 0 ? 0 : x.size() / items;
    const double l = sign * static_cast<double>(each) * std::log(std::abs(scale));
    return lift(x, Tensor<ScalarOf<X>>(Shape{items}, static_cast<ScalarOf<X>>(l)));
  }
};

}  // namespace tessera::inline TESSERA_ISA
