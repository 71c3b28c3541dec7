// gelu:      y = x Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016, arXiv 1606.08415)
//            dx = dy (Phi(x) + x phi(x))
// gelu_tanh: the paper's approximation x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which GPT-2 uses
#pragma once

#include <tessera/autodiff/op/erf.hpp>
#include <tessera/autodiff/op/sigmoid.hpp>
#include <tessera/kernel/sloped.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> gelu(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::gelu(v); });
}
template <Value V>
V gelu_adjoint(V g, const V& x) {
  using T = ScalarOf<V>;
  if constexpr (depth_of<V> == 0) {
    using P = detail::Pack<T>;
    return detail::zip("gelu", std::move(g), x, [](P d, P v) { return d * kernel::gelu_slope(v); });
  } else {
    const V cdf = erf(x * T(0.70710678118654752)) * T(0.5) + T(0.5);
    return g * (cdf + x * exp(x * x * T(-0.5)) * T(0.3989422804014327));
  }
}
template <class V>
Var<V> gelu(Var<V> x) {
  if constexpr (depth_of<V> == 0) {
    if (!x.needs_gradient()) return x.tape()->constant(gelu(std::move(x).value()));
    auto r = detail::map_sloped(std::move(x).value(), [](auto v) { return kernel::gelu_sloped(v); });
    return x.tape()->record(std::move(r.value),
                            wrt(x, [slope = std::move(r.slope)](V g) { return std::move(g) * slope; }));
  } else {
    return x.tape()->record(gelu(x.value()), wrt(x, [x = x.value()](V g) { return gelu_adjoint(std::move(g), x); }));
  }
}

template <std::floating_point T>
Tensor<T> gelu_tanh(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::gelu_tanh(v); });
}
template <Value V>
V gelu_tanh_adjoint(V g, const V& x) {
  using T = ScalarOf<V>;
  if constexpr (depth_of<V> == 0) {
    using P = detail::Pack<T>;
    return detail::zip("gelu", std::move(g), x, [](P d, P v) { return d * kernel::gelu_tanh_slope(v); });
  } else {
    constexpr T a = T(1.5957691216057308), b = a * T(0.044715);  // 2 sqrt(2/pi)
    const V s = sigmoid(x * (x * x * b + a));
    return g * (s + x * (s - s * s) * (x * x * (3 * b) + a));
  }
}
template <class V>
Var<V> gelu_tanh(Var<V> x) {
  if constexpr (depth_of<V> == 0) {
    if (!x.needs_gradient()) return x.tape()->constant(gelu_tanh(std::move(x).value()));
    auto r = detail::map_sloped(std::move(x).value(), [](auto v) { return kernel::gelu_tanh_sloped(v); });
    return x.tape()->record(std::move(r.value),
                            wrt(x, [slope = std::move(r.slope)](V g) { return std::move(g) * slope; }));
  } else {
    return x.tape()->record(gelu_tanh(x.value()),
                            wrt(x, [x = x.value()](V g) { return gelu_tanh_adjoint(std::move(g), x); }));
  }
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> gelu(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> gelu(Var<Tensor<float>>);
TESSERA_INSTANCE template Tensor<float> gelu_tanh(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> gelu_tanh(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
