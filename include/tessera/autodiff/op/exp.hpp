// y = exp(x)    dx = dy y
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> exp(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::exp(v); });
}
template <class V>
Var<V> exp(Var<V> x) {
  V y = exp(std::move(x).value());
  return x.tape()->record(y, wrt(x, [y](V g) { return std::move(g) * y; }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> exp(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> exp(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
