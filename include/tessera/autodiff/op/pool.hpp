// Pooling over windows of [B, H, W, C]: the maximum (dx = dy where it was found) and the average (dx = dy shared out).
// Both are linear in dy once the places are known, so each adjoint has an adjoint of its own.
#pragma once

#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/kernel/pool2d.hpp>

namespace tessera::inline TESSERA_ISA {

struct PoolOptions {
  Index kernel = 2, stride = 2;
  Index pad = 0;              // each side, smaller than the kernel
  bool count_padding = true;  // averages divide by the whole window
};

namespace detail {
inline kernel::PoolShape pool_shape(const char* op, const Shape& x, const PoolOptions& o) {
  check_picture(op, x, 1);
  if (o.kernel < 1 || o.stride < 1 || o.pad < 0 || o.pad >= o.kernel)
    throw argument_error(std::string(op) + ": kernel and stride of at least 1 and a padding below the kernel wanted");
  kernel::PoolShape s;
  s.batch = x[0], s.height = x[1], s.width = x[2], s.channels = x[3];
  s.kernel_h = s.kernel_w = o.kernel;
  s.stride_h = s.stride_w = o.stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = o.pad;
  s.count_padding = o.count_padding;
  if (s.height < 1 || s.width < 1 || s.out_height() < 1 || s.out_width() < 1)
    throw shape_error(std::string(op) + ": the window of " + std::to_string(o.kernel) + " does not fit into " +
                      x.to_string());
  return s;
}
inline Shape pooled(const kernel::PoolShape& s) { return {s.batch, s.out_height(), s.out_width(), s.channels}; }

template <std::floating_point T>
Tensor<T> pick(const Tensor<T>& x, const Tensor<std::int32_t>& index, const Shape& to) {  // x at the remembered places
  Tensor<T> y(to);
  const Index c = to.back(), out = to[1] * to[2] * c, in = x.size() / (to[0] == 0 ? 1 : to[0]);
  T* p = y.data();
  for (Index i = 0, n = y.size(); i < n; ++i) p[i] = x[i / out * in + index[i] * c + i % c];
  return y;
}
template <class V>
Var<V> pick(const Var<V>& x, const Tensor<std::int32_t>& index, const Shape& to);
template <std::floating_point T>
Tensor<T> unpick(const Tensor<T>& g, const Tensor<std::int32_t>& index, const kernel::PoolShape& s) {
  Tensor<T> x(Shape{s.batch, s.height, s.width, s.channels});
  kernel::pool_max_adjoint(s, g.data(), index.data(), x.data());
  return x;
}
template <class V>
Var<V> unpick(const Var<V>& g, const Tensor<std::int32_t>& index, const kernel::PoolShape& s) {
  return g.tape()->record(unpick(g.value(), index, s),
                          wrt(g, [index, s](const V& d) { return pick(d, index, pooled(s)); }));
}
template <class V>
Var<V> pick(const Var<V>& x, const Tensor<std::int32_t>& index, const Shape& to) {
  return x.tape()->record_joint(pick(x.value(), index, to), x.needs_gradient(), [](Tape<V>&, const V&) {
    throw argument_error("max_pool: third derivatives are not there");
  });
}
template <std::floating_point T>
Tensor<T> share_out(const Tensor<T>& g, const kernel::PoolShape& s) {
  Tensor<T> x(Shape{s.batch, s.height, s.width, s.channels});
  kernel::pool_average_adjoint(s, g.data(), x.data());
  return x;
}
template <std::floating_point T>
Tensor<T> average(const Tensor<T>& x, const kernel::PoolShape& s) {
  Tensor<T> y(pooled(s));
  kernel::pool_average(s, x.data(), y.data());
  return y;
}
template <class V>
Var<V> average(const Var<V>& x, const kernel::PoolShape& s);
template <class V>
Var<V> share_out(const Var<V>& g, const kernel::PoolShape& s) {
  return g.tape()->record(share_out(g.value(), s), wrt(g, [s](const V& d) { return average(d, s); }));
}
template <class V>
Var<V> average(const Var<V>& x, const kernel::PoolShape& s) {
  return x.tape()->record(average(x.value(), s), wrt(x, [s](const V& g) { return share_out(g, s); }));
}
}  // namespace detail

template <std::floating_point T>
Tensor<T> max_pool(const Tensor<T>& x, const PoolOptions& o = {}) {
  const kernel::PoolShape s = detail::pool_shape("max_pool", x.shape(), o);
  Tensor<T> y(detail::pooled(s));
  kernel::pool_max<T>(s, x.data(), y.data(), nullptr);
  return y;
}
template <class V>
Var<V> max_pool(const Var<V>& x, const PoolOptions& o = {}) {
  const kernel::PoolShape s = detail::pool_shape("max_pool", x.shape(), o);
  Tensor<std::int32_t> index(detail::pooled(s));
  Tensor<ScalarOf<V>> top(detail::pooled(s));
  kernel::pool_max(s, plain(x).data(), top.data(), index.data());
  V y;
  if constexpr (depth_of<V> == 0)
    y = std::move(top);
  else
    y = max_pool(x.value(), o);
  return x.tape()->record(std::move(y),
                          wrt(x, [index = std::move(index), s](const V& g) { return detail::unpick(g, index, s); }));
}
template <Value X>
X average_pool(const X& x, const PoolOptions& o) {
  return detail::average(x, detail::pool_shape("average_pool", x.shape(), o));
}

}  // namespace tessera::inline TESSERA_ISA
