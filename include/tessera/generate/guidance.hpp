// Classifier-free guidance (Ho and Salimans, 2022, arXiv 2207.12598): go from the unconditional prediction past the conditional
// one, unconditional + scale (conditional - unconditional). Scale 1 is the conditional prediction itself, 0 ignores the
// condition. It wraps any conditional predictor and is one itself.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>

namespace tessera::inline TESSERA_ISA {

/// Throws shape_error when the predictions differ in shape.
template <std::floating_point T>
Tensor<T> guide(const Tensor<T>& conditional, const Tensor<T>& unconditional, double scale) {
  if (conditional.shape() != unconditional.shape())
    throw shape_error("guide: predictions differ in shape: " + conditional.shape().to_string() + " and " +
                      unconditional.shape().to_string());
  using P = kernel::Pack<T>;
  const T s = static_cast<T>(scale);
  return detail::zip("guide", conditional, unconditional, [s](P c, P u) { return fma(P(s), c - u, u); });
}

/// predict(x, time, condition) guided by predict(x, time, nothing).
template <class Predict, class Condition>
struct Guided {
  Predict predict;
  Condition nothing;
  double scale = 1;

  template <class X, class Time>
  X operator()(const X& x, const Time& time, const Condition& condition) const {
    const X conditional = predict(x, time, condition);
    return scale == 1 ? conditional : guide(conditional, predict(x, time, nothing), scale);
  }
};

}  // namespace tessera::inline TESSERA_ISA
