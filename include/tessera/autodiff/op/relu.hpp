// relu:       y = max(x, 0)                dx = dy where x > 0
// leaky_relu: y = x > 0 ? x : slope x      dx = dy where x > 0, slope dy elsewhere    (relu is slope 0)
// The slope at 0 counts as the one for negative x. The sign of y is that of x, so the tape keeps y, which the next op mostly
// keeps anyway, and a temporary x is changed in place.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

/// g where x > 0, slope g elsewhere: linear in g, so it is its own adjoint.
template <std::floating_point T>
Tensor<T> gate(Tensor<T> g, const Tensor<T>& x, std::type_identity_t<T> slope) {
  using P = detail::Pack<T>;
  return detail::zip("relu", std::move(g), x, [slope](P d, P v) { return select(v > P(0), d, d * P(slope)); });
}
template <class V>
Var<V> gate(const Var<V>& g, const Var<V>& x, ScalarOf<V> slope) {
  return g.tape()->record(gate(g.value(), x.value(), slope),
                          wrt(g, [x = x.value(), slope](V d) { return gate(std::move(d), x, slope); }));
}
template <std::floating_point T>
Tensor<T> leaky_relu(Tensor<T> x, std::type_identity_t<T> slope) {
  using P = detail::Pack<T>;
  return detail::map(std::move(x), [slope](P v) { return select(v > P(0), v, v * P(slope)); });
}
template <class V>
Var<V> leaky_relu(Var<V> x, ScalarOf<V> slope) {
  if (slope < 0)
    return x.tape()->record(leaky_relu(x.value(), slope),
                            wrt(x, [x = x.value(), slope](V g) { return gate(std::move(g), x, slope); }));
  V y = leaky_relu(std::move(x).value(), slope);
  return x.tape()->record(y, wrt(x, [y, slope](V g) { return gate(std::move(g), y, slope); }));
}
template <std::floating_point T>
Tensor<T> relu(Tensor<T> x) {
  using P = detail::Pack<T>;
  return detail::map(std::move(x), [](P v) { return max(P(0), v); });  // in this order NaN stays NaN
}
template <class V>
Var<V> relu(Var<V> x) {
  V y = relu(std::move(x).value());
  return x.tape()->record(y, wrt(x, [y](V g) { return gate(std::move(g), y, 0); }));
}

/// relu(x) made in the last step of what made x, whose gradient is that of x: whoever uses it lets its gradient through
/// where relu(x) > 0 in a last step of its own (Conv2d::rectified). A type, so that no other op takes it for its value.
template <Value X>
class Rectified {
 public:
  explicit Rectified(X value) : value_(std::move(value)) {}
  /// relu(x), with the gradient of x.
  const X& inner() const { return value_; }
  /// relu(x) for any op: a pass that gates its gradient.
  X open() const {
    if constexpr (depth_of<X> == 0)
      return value_;
    else
      return value_.tape()->record(value_.value(),
                                   wrt(value_, [y = value_.value()](auto g) { return gate(std::move(g), y, 0); }));
  }

 private:
  X value_;
};

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> leaky_relu<float>(Tensor<float>, float);
TESSERA_INSTANCE template Var<Tensor<float>> leaky_relu<Tensor<float>>(Var<Tensor<float>>, float);
TESSERA_INSTANCE template Tensor<float> relu(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> relu(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
