// y = log(1 + exp(x)), computed without overflow    dx = dy sigmoid(x)
#pragma once

#include <tessera/autodiff/op/sigmoid.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> softplus(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::softplus(v); });
}
template <class V>
Var<V> softplus(const Var<V>& x) {
  return x.tape()->record(softplus(x.value()), wrt(x, [x = x.value()](V g) { return std::move(g) * sigmoid(x); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> softplus(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> softplus(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
