// y = x sigmoid(x) (Elfwing et al., 2017, arXiv 1702.03118; also "swish")    dx = dy s (1 + x (1 - s)),  s = sigmoid(x)
#pragma once

#include <tessera/autodiff/op/sigmoid.hpp>
#include <tessera/kernel/sloped.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> silu(Tensor<T> x) {
  return detail::map(std::move(x), [](detail::Pack<T> v) { return kernel::silu(v); });
}
/// g times the slope at x, in one pass on tensors.
template <Value V>
V silu_adjoint(V g, const V& x) {
  if constexpr (depth_of<V> == 0) {
    using P = detail::Pack<ScalarOf<V>>;
    return detail::zip("silu", std::move(g), x, [](P d, P v) { return d * kernel::silu_slope(v); });
  } else {
    const V s = sigmoid(x);
    return g * (s + x * (s - s * s));
  }
}
template <class V>
Var<V> silu(Var<V> x) {
  if constexpr (depth_of<V> == 0) {
    if (!x.needs_gradient()) return x.tape()->constant(silu(std::move(x).value()));
    auto r = detail::map_sloped(std::move(x).value(), [](auto v) { return kernel::silu_sloped(v); });
    return x.tape()->record(std::move(r.value),
                            wrt(x, [slope = std::move(r.slope)](V g) { return std::move(g) * slope; }));
  } else {
    return x.tape()->record(silu(x.value()), wrt(x, [x = x.value()](V g) { return silu_adjoint(std::move(g), x); }));
  }
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> silu(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> silu(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
