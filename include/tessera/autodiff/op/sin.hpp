// y = sin(x)    dx = dy cos(x)
// y = cos(x)    dx = -dy sin(x)
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> sin(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::sin(v); });
}
template <std::floating_point T>
Tensor<T> cos(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::cos(v); });
}
template <class V>
Var<V> cos(const Var<V>& x);
template <class V>
Var<V> sin(const Var<V>& x) {
  return x.tape()->record(sin(x.value()), wrt(x, [x = x.value()](V g) { return std::move(g) * cos(x); }));
}
template <class V>
Var<V> cos(const Var<V>& x) {
  return x.tape()->record(cos(x.value()), wrt(x, [x = x.value()](V g) { return -(std::move(g) * sin(x)); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> sin(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> sin(const Var<Tensor<float>>&);
TESSERA_INSTANCE template Tensor<float> cos(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> cos(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
