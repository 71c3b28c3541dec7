// square: y = x^2    dx = 2 dy x
// pow:    y = x^p    dx = dy p x^(p - 1)    (p a plain number; x > 0 unless p is a whole number)
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> square(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return v * v; });
}
template <class V>
Var<V> square(const Var<V>& x) {
  return x.tape()->record(square(x.value()),
                          wrt(x, [x = x.value()](V g) { return std::move(g) * x * ScalarOf<V>(2); }));
}
template <std::floating_point T>
Tensor<T> pow(Tensor<T> x, std::type_identity_t<T> p) {  // libm element by element: exact, and never hot
  Tensor<T> y = x.unique() ? std::move(x) : x.clone();
  T* v = y.data();
  for (Index i = 0, n = y.size(); i < n; ++i) v[i] = std::pow(v[i], p);
  return y;
}
template <class V>
Var<V> pow(const Var<V>& x, ScalarOf<V> p) {
  return x.tape()->record(pow(x.value(), p),
                          wrt(x, [p, x = x.value()](V g) { return std::move(g) * pow(x, p - 1) * p; }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> square(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> square(const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
