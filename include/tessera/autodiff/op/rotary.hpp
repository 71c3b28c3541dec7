// Rotary positions (Su et al., 2021, arXiv 2104.09864): pairs of numbers of every head turned by an angle that grows with the
// position. x [B, T, H D]; a rotation, so dx is dy turned back.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/rotary.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
template <std::floating_point T>
Tensor<T> turn(Tensor<T> x, Index heads, double base, Index first, bool back) {
  if (x.rank() != 3 || heads < 1 || x.cols() % (2 * heads) != 0)
    throw shape_error("rotate: [B, T, H D] with an even D for " + std::to_string(heads) + " heads wanted, shape is " +
                      x.shape().to_string());
  Tensor<T> y = x.unique() ? std::move(x) : x.clone();
  kernel::RotaryShape s;
  s.batch = y.extent(0);
  s.rows = y.extent(1);
  s.heads = heads;
  s.width = y.cols() / heads;
  s.head_stride = s.width;
  s.row_stride = y.cols();
  s.batch_stride = s.rows * y.cols();
  Tensor<T> cosine(Shape{s.rows, s.width / 2}), sine(Shape{s.rows, s.width / 2});
  kernel::rotary_angles(first, s.rows, s.width, base, cosine.data(), sine.data());
  kernel::rotary(s, std::as_const(cosine).data(), std::as_const(sine).data(), y.data(), back);
  return y;
}
template <class V>
Var<V> turn(const Var<V>& x, Index heads, double base, Index first, bool back) {
  return x.tape()->record(turn(x.value(), heads, base, first, back), wrt(x, [heads, base, first, back](V g) {
                            return turn(std::move(g), heads, base, first, !back);
                          }));
}
}  // namespace detail

/// Positions first, first + 1, ...
template <Value X>
X rotate(const X& x, Index heads, double base = 10000, Index first = 0) {
  return detail::turn(x, heads, base, first, false);
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> detail::turn(Tensor<float>, Index, double, Index, bool);
TESSERA_INSTANCE template Var<Tensor<float>> detail::turn(const Var<Tensor<float>>&, Index, double, Index, bool);
#endif

}  // namespace tessera::inline TESSERA_ISA
