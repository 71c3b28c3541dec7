// permute: axis i of y is axis order[i] of x       dx = the inverse permutation of dy
// transpose: the last two axes exchanged
#pragma once

#include <initializer_list>
#include <tessera/autodiff/op/reduce.hpp>
#include <tessera/kernel/copy.hpp>

namespace tessera::inline TESSERA_ISA {

/// A permutation of axes.
struct AxisOrder {
  int axis[Shape::max_rank] = {};
  int rank = 0;

  AxisOrder(std::initializer_list<int> order) : rank(static_cast<int>(order.size())) {
    if (rank > Shape::max_rank) throw shape_error("permute: more axes named than a shape can have");
    for (int i = 0; i < rank; ++i) axis[i] = order.begin()[i];
  }
  AxisOrder inverse() const {
    AxisOrder r = *this;
    for (int i = 0; i < rank; ++i) r.axis[axis[i]] = i;
    return r;
  }
};

/// Throws shape_error when `order` is not a permutation of the axes.
template <class T>
Tensor<T> permute(const Tensor<T>& x, AxisOrder order) {
  const Shape& s = x.shape();
  unsigned seen = 0;
  for (int i = 0; i < order.rank; ++i) {
    if (order.axis[i] >= 0 && order.axis[i] < s.rank()) seen |= 1u << order.axis[i];
  }
  if (order.rank != s.rank() || seen != (1u << s.rank()) - 1u)
    throw shape_error("permute: the order given is not a permutation of the axes of " + s.to_string());
  Index extent[Shape::max_rank], stride[Shape::max_rank], from[Shape::max_rank], to[Shape::max_rank];
  Index step = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    stride[i] = step;
    step *= s[i];
  }
  for (int i = 0; i < s.rank(); ++i) {
    extent[i] = s[order.axis[i]];
    from[i] = stride[order.axis[i]];
  }
  Tensor<T> y(Shape(extent, s.rank()));
  step = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    to[i] = step;
    step *= extent[i];
  }
  kernel::copy_strided(s.rank(), extent, x.data(), from, y.data(), to);
  return y;
}
template <class V>
Var<V> permute(const Var<V>& x, AxisOrder order) {
  V y = permute(x.value(), order);  // checks the order before it is inverted
  return x.tape()->record(std::move(y), wrt(x, [back = order.inverse()](V g) { return permute(g, back); }));
}
template <Value X>
X transpose(const X& x) {
  if (x.rank() < 2) throw shape_error("transpose: two axes needed, shape is " + x.shape().to_string());
  AxisOrder order{};
  order.rank = x.rank();
  for (int i = 0; i < order.rank; ++i) order.axis[i] = i;
  std::swap(order.axis[order.rank - 1], order.axis[order.rank - 2]);
  return permute(x, order);
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> permute(const Tensor<float>&, AxisOrder);
TESSERA_INSTANCE template Var<Tensor<float>> permute(const Var<Tensor<float>>&, AxisOrder);
#endif

}  // namespace tessera::inline TESSERA_ISA
