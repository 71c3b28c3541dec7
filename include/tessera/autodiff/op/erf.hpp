// y = erf(x)    dx = dy 2 / sqrt(pi) exp(-x^2)
#pragma once

#include <tessera/autodiff/op/exp.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> erf(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::erf(v); });
}
template <class V>
Var<V> erf(const Var<V>& x) {
  constexpr double two_over_root_pi = 1.1283791670955126;
  return x.tape()->record(erf(x.value()), wrt(x, [x = x.value()](V g) {
                            return std::move(g) * exp(-(x * x)) * static_cast<ScalarOf<V>>(two_over_root_pi);
                          }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> erf(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> erf(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
