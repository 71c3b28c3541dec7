// y = 1 / (1 + exp(-x))    dx = dy y (1 - y)
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> sigmoid(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::sigmoid(v); });
}
/// g y (1 - y), in one pass on tensors.
template <Value V>
V sigmoid_adjoint(V g, const V& y) {
  if constexpr (depth_of<V> == 0) {
    using P = detail::Pack<ScalarOf<V>>;
    return detail::zip("sigmoid", std::move(g), y, [](P d, P v) { return d * fnma(v, v, v); });
  } else {
    return g * (y - y * y);
  }
}
template <class V>
Var<V> sigmoid(Var<V> x) {
  V y = sigmoid(std::move(x).value());
  return x.tape()->record(y, wrt(x, [y](V g) { return sigmoid_adjoint(std::move(g), y); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> sigmoid(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> sigmoid(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
