// y = log(x)    dx = dy / x
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> log(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::log(v); });
}
template <class V>
Var<V> log(const Var<V>& x) {
  return x.tape()->record(log(x.value()), wrt(x, [x = x.value()](V g) { return std::move(g) / x; }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> log(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> log(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
