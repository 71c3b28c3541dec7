// Resizing [B, H, W, C] to any height and width: nearest, or bilinear with half-pixel centres. Linear maps: dx is the transposed
// map of dy.
#pragma once

#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/kernel/resize.hpp>

namespace tessera::inline TESSERA_ISA {

enum class Resize { nearest, bilinear };

namespace detail {
inline kernel::ResizeShape resize_shape(const Shape& from, Index height, Index width) {
  check_picture("resize", from, 1);
  if (height < 1 || width < 1 || from[1] < 1 || from[2] < 1)
    throw argument_error("resize: from " + from.to_string() + " to " + std::to_string(height) + " x " +
                         std::to_string(width));
  return {from[0], from[1], from[2], from[3], height, width};
}
template <std::floating_point T>
Tensor<T> resized(Resize how, const Tensor<T>& x, const kernel::ResizeShape& s) {
  Tensor<T> y(Shape{s.batch, s.out_height, s.out_width, s.channels});
  how == Resize::nearest ? kernel::resize_nearest(s, x.data(), y.data())
                         : kernel::resize_bilinear(s, x.data(), y.data());
  return y;
}
template <std::floating_point T>
Tensor<T> resized_back(Resize how, const Tensor<T>& g, const kernel::ResizeShape& s) {
  Tensor<T> x(Shape{s.batch, s.height, s.width, s.channels});
  how == Resize::nearest ? kernel::resize_nearest_adjoint(s, g.data(), x.data())
                         : kernel::resize_bilinear_adjoint(s, g.data(), x.data());
  return x;
}
template <class V>
Var<V> resized_back(Resize how, const Var<V>& g, const kernel::ResizeShape& s);
template <class V>
Var<V> resized(Resize how, const Var<V>& x, const kernel::ResizeShape& s) {
  return x.tape()->record(resized(how, x.value(), s), wrt(x, [how, s](const V& g) { return resized_back(how, g, s); }));
}
template <class V>
Var<V> resized_back(Resize how, const Var<V>& g, const kernel::ResizeShape& s) {
  return g.tape()->record(resized_back(how, g.value(), s), wrt(g, [how, s](const V& d) { return resized(how, d, s); }));
}
}  // namespace detail

template <Value X>
X resize(const X& x, Index height, Index width, Resize how = Resize::bilinear) {
  return detail::resized(how, x, detail::resize_shape(x.shape(), height, width));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> detail::resized(Resize, const Tensor<float>&, const kernel::ResizeShape&);
TESSERA_INSTANCE template Var<Tensor<float>> detail::resized(Resize, const Var<Tensor<float>>&,
                                                             const kernel::ResizeShape&);
#endif

}  // namespace tessera::inline TESSERA_ISA
