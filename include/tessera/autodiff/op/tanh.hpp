// y = tanh(x)    dx = dy (1 - y^2)
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> tanh(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::tanh(v); });
}
/// g (1 - y^2), in one pass on tensors.
template <Value V>
V tanh_adjoint(V g, const V& y) {
  if constexpr (depth_of<V> == 0) {
    using P = detail::Pack<ScalarOf<V>>;
    return detail::zip("tanh", std::move(g), y, [](P d, P v) { return d * fnma(v, v, P(1)); });
  } else {
    return g - g * y * y;
  }
}
template <class V>
Var<V> tanh(Var<V> x) {
  V y = tanh(std::move(x).value());
  return x.tape()->record(y, wrt(x, [y](V g) { return tanh_adjoint(std::move(g), y); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> tanh(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> tanh(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
