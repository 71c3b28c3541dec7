// How elementwise ops reach the kernels: map over one tensor, zip over two that broadcast. A buffer nobody else holds is
// worked on in place. Internal to op/.
#pragma once

#include <tessera/autodiff/tape.hpp>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/epilogue.hpp>

namespace tessera::inline TESSERA_ISA::detail {

template <class T, class Fn>
Tensor<T> map(Tensor<T> x, Fn f) {
  Tensor<T> y = x.unique() ? std::move(x) : Tensor<T>(x.shape());
  const T* from = x ? std::as_const(x).data() : std::as_const(y).data();
  kernel::map(y.size(), from, y.data(), f);
  return y;
}

/// Strides of `from` as seen from the shape it broadcasts to: 0 along broadcast axes.
struct BroadcastStrides {
  Index stride[Shape::max_rank] = {};
  BroadcastStrides(const Shape& from, const Shape& to) {
    Index step = 1;
    for (int i = from.rank() - 1, o = to.rank() - 1; i >= 0; --i, --o) {
      stride[o] = from[i] == 1 ? 0 : step;
      step *= from[i];
    }
  }
};

template <class T, class Fn>
Tensor<T> zip(const char* op, Tensor<T> a, const Tensor<T>& b, Fn f) {
  if (a.shape() == b.shape()) {
    Tensor<T> y = a.unique() ? std::move(a) : Tensor<T>(a.shape());
    const T* from = a ? std::as_const(a).data() : std::as_const(y).data();
    kernel::zip(y.size(), from, b.data(), y.data(), f);
    return y;
  }
  const Shape shape = broadcast(a.shape(), b.shape(), op);
  const BroadcastStrides sa(a.shape(), shape), sb(b.shape(), shape);
  Tensor<T> y = shape == a.shape() && a.unique() ? std::move(a) : Tensor<T>(shape);
  const T* from = a ? std::as_const(a).data() : std::as_const(y).data();
  kernel::zip_broadcast(y.rank(), y.shape().begin(), sa.stride, sb.stride, from, b.data(), y.data(), f);
  return y;
}

/// y = f(x).value, and x = f(x).slope in place where nobody else holds it: of an activation the tape then keeps the
/// slope instead of its operand, and the exponential is taken once.
template <class T>
struct Sloped {
  Tensor<T> value, slope;
};
template <class T, class Fn>
Sloped<T> map_sloped(Tensor<T> x, Fn f) {
  const Shape shape = x.shape();
  Sloped<T> r{Tensor<T>(shape), x.unique() ? std::move(x) : Tensor<T>(shape)};
  const T* from = x ? std::as_const(x).data() : std::as_const(r.slope).data();
  T *y = r.value.data(), *slope = r.slope.data();
  using P = kernel::Pack<T>;
  kernel::detail::in_blocks(shape.size(), kernel::detail::elementwise_block, [&](Index begin, Index end) {
    for (Index i = begin; i < end; i += P::width) {
      const auto [v, s] = f(kernel::load_lanes<T>(from + i, end - i));
      kernel::store_lanes<T>(y + i, v, end - i);
      kernel::store_lanes<T>(slope + i, s, end - i);
    }
  });
  return r;
}

template <class T, class Fn>
Tensor<T> zip3(const Tensor<T>& a, const Tensor<T>& b, const Tensor<T>& c, Fn f) {
  Tensor<T> y(a.shape());
  kernel::zip3(y.size(), a.data(), b.data(), c.data(), y.data(), f);
  return y;
}

template <class T>
using Pack = kernel::Pack<T>;

}  // namespace tessera::inline TESSERA_ISA::detail
