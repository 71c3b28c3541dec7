// Losses, each the mean over all elements unless it says otherwise. Targets take no gradient.
//
//   mse            mean (x - y)^2
//   l1             mean |x - y|
//   huber          mean of d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere    Huber, 1964
//   bce_logits     mean of softplus(x) - x y: binary cross-entropy of sigmoid(x) against y in [0, 1]
//   gaussian_nll   mean of (log_variance + (y - mean)^2 exp(-log_variance) + log 2 pi) / 2
//   gaussian_kl    KL(N(mean, exp(log_variance)) || N(0, 1)), summed over all but the first axis, mean over the first
// cross_entropy is in op/softmax.hpp.
#pragma once

#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/softplus.hpp>

namespace tessera::inline TESSERA_ISA {

template <Value X, std::floating_point T>
X mse(const X& x, const Tensor<T>& y) {
  return mean(square(x - y));
}
template <Value X, std::floating_point T>
X l1(const X& x, const Tensor<T>& y) {
  return mean(abs(x - y));
}
/// Throws argument_error unless delta > 0.
template <Value X, std::floating_point T>
X huber(const X& x, const Tensor<T>& y, double delta = 1) {
  if (!(delta > 0)) throw argument_error("huber: delta " + std::to_string(delta) + " is not positive");
  const auto d = static_cast<T>(delta);
  const X a = abs(x - y), inside = clamp(a, 0, d);
  return mean(square(inside) * T(0.5) + (a - inside) * d);
}
template <Value X, std::floating_point T>
X bce_logits(const X& x, const Tensor<T>& y) {
  return mean(softplus(x) - x * y);
}
template <Value X, std::floating_point T>
X gaussian_nll(const X& mean_, const X& log_variance, const Tensor<T>& y) {
  constexpr T log_two_pi = T(1.8378770664093453);
  return mean(log_variance + square(mean_ - y) * exp(-log_variance)) * T(0.5) + log_two_pi / 2;
}
template <Value X>
X gaussian_kl(const X& mean_, const X& log_variance) {
  using T = ScalarOf<X>;
  const X each = exp(log_variance) + square(mean_) - log_variance - T(1);
  return sum(each) * (T(0.5) / static_cast<T>(each.rank() == 0 ? 1 : each.extent(0)));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> mse(const Tensor<float>&, const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> mse(const Var<Tensor<float>>&, const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> bce_logits(const Var<Tensor<float>>&, const Tensor<float>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
