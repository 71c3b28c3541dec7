// Penalties on the slope of a critic D by its input, which need second derivatives:
//
//   R1                 gamma / 2  E |grad D(x)|^2        at real x; Mescheder et al., 2018, arXiv 1801.04406
//   gradient penalty   lambda  E (|grad D(x^)| - 1)^2    at x^ = e x + (1 - e) made, e uniform in [0, 1) an item;
//                                                        Gulrajani et al., 2017, arXiv 1704.00028
// The gradient by x is taken on an inner tape whose numbers are Vars of the outer one; unwinding the outer tape then
// differentiates the gradient itself by the critic's parameters. A critic whose items see each other (batch norm,
// minibatch deviation) gets the gradient of the sum of all scores, which is not quite what the papers mean: use neither
// with these.
#pragma once

#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

/// |grad score(x_i)|^2 for each item of x [B, ...]: [B], on the outer tape. `score(x)` maps a Var of a Var to [B].
template <class T, class Score>
Var<Tensor<T>> squared_slope(Tape<Tensor<T>>& outer, const Tensor<T>& x, const Score& score) {
  Tape<Var<Tensor<T>>> inner;
  inner.hold_parameters();
  const auto at = inner.input(outer.constant(x));
  inner.backward(sum(score(at)));
  const Var<Tensor<T>> g = inner.take_gradient(at);
  const Index b = x.extent(0);
  return sum(square(reshape(g, {b, b == 0 ? 0 : x.size() / b})), {1});
}
/// R1, a scalar.
template <class T, class Score>
Var<Tensor<T>> r1_penalty(Tape<Tensor<T>>& outer, const Tensor<T>& real, const Score& score, double gamma) {
  return mean(squared_slope(outer, real, score)) * static_cast<T>(gamma / 2);
}
/// Points between real and made, one draw an item.
template <class T>
Tensor<T> between(const Tensor<T>& real, const Tensor<T>& made, const Noise& noise) {
  if (real.shape() != made.shape())
    throw shape_error("gradient penalty: real " + real.shape().to_string() + " and made " + made.shape().to_string() +
                      " objects differ in shape");
  Index extents[Shape::max_rank] = {real.extent(0)};
  for (int i = 1; i < real.rank(); ++i) extents[i] = 1;
  const Tensor<T> e = noise.uniform<T>(Shape(extents, real.rank()));
  return made + (real - made) * e;
}
/// The two-sided penalty, a scalar.
template <class T, class Score>
Var<Tensor<T>> gradient_penalty(Tape<Tensor<T>>& outer, const Tensor<T>& x, const Score& score, double lambda) {
  constexpr T tiny = T(1e-12);  // the root has a slope at 0 too
  const auto slope = sqrt(squared_slope(outer, x, score) + tiny);
  return mean(square(slope - T(1))) * static_cast<T>(lambda);
}

}  // namespace tessera::inline TESSERA_ISA
