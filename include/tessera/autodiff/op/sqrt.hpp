// y = sqrt(x)      dx = dy / (2 y)
// y = 1 / sqrt(x)  dx = -dy y^3 / 2    (rsqrt)
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> sqrt(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::sqrt(v); });
}
template <class V>
Var<V> sqrt(const Var<V>& x) {
  V y = sqrt(x.value());
  return x.tape()->record(y, wrt(x, [y](V g) { return std::move(g) / y * ScalarOf<V>(0.5); }));
}
template <std::floating_point T>
Tensor<T> rsqrt(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return detail::Pack<T>(1) / kernel::sqrt(v); });
}
template <class V>
Var<V> rsqrt(const Var<V>& x) {
  V y = rsqrt(x.value());
  return x.tape()->record(y, wrt(x, [y](V g) { return std::move(g) * (y * y * y) * ScalarOf<V>(-0.5); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> sqrt(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> sqrt(const Var<Tensor<float>>&);
TESSERA_INSTANCE template Tensor<float> rsqrt(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> rsqrt(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
