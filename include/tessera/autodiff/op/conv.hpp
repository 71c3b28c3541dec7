// Convolution over channels-last pictures [B, H, W, C] with weights [KH, KW, C / groups, out], and over sound [B, T, C] with
// weights [K, C / groups, out].
//
//   y = x * w           dx = dy *^T w        dw = x (x) dy
// The three maps (forward, transposed, weight adjoint) are bilinear and each other's adjoints, so derivatives of any order are
// made of the same three. The transposed one, run forward, is the transposed convolution ("deconvolution").
#pragma once

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/kernel/conv.hpp>

namespace tessera::inline TESSERA_ISA {

/// How a kernel moves over the input. Padding is zeros; per side, so that causal sound (all before) is expressible.
struct Stride2d {
  Index stride_h = 1, stride_w = 1;
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  Index dilation_h = 1, dilation_w = 1;
  Index groups = 1;
};

namespace detail {
inline kernel::ConvShape conv_shape(const char* op, const Shape& x, const Shape& w, const Stride2d& o,
                                    Index in_channels) {
  if (x.rank() != 4 || w.rank() != 4)
    throw shape_error(std::string(op) +
                      ": pictures [B, H, W, C] and weights [KH, KW, C / groups, out] wanted, shapes are " +
                      x.to_string() + " and " + w.to_string());
  if (o.stride_h < 1 || o.stride_w < 1 || o.dilation_h < 1 || o.dilation_w < 1 || o.groups < 1 || o.pad_top < 0 ||
      o.pad_left < 0 || o.pad_bottom < 0 || o.pad_right < 0)
    throw argument_error(std::string(op) + ": strides, dilations and groups are at least 1, paddings at least 0");
  if (w[2] * o.groups != in_channels || w[3] % o.groups != 0)
    throw shape_error(std::string(op) + ": " + std::to_string(in_channels) + " input channels in " +
                      std::to_string(o.groups) + " groups do not fit weights " + w.to_string());
  kernel::ConvShape s;
  s.batch = x[0];
  s.height = x[1];
  s.width = x[2];
  s.in_channels = in_channels;
  s.out_channels = w[3];
  s.kernel_h = w[0];
  s.kernel_w = w[1];
  s.stride_h = o.stride_h;
  s.stride_w = o.stride_w;
  s.pad_top = o.pad_top;
  s.pad_left = o.pad_left;
  s.pad_bottom = o.pad_bottom;
  s.pad_right = o.pad_right;
  s.dilation_h = o.dilation_h;
  s.dilation_w = o.dilation_w;
  s.groups = o.groups;
  return s;
}
inline kernel::ConvShape conv_shape(const char* op, const Shape& x, const Shape& w, const Stride2d& o) {
  const kernel::ConvShape s = conv_shape(op, x, w, o, x.rank() == 4 ? x[3] : 0);
  if (s.out_height() < 1 || s.out_width() < 1)
    throw shape_error(std::string(op) + ": the kernel of " + w.to_string() + " is larger than the padded input " +
                      x.to_string());
  return s;
}
}  // namespace detail

// ---- the three bilinear maps on tensors; the transposed one and the weight adjoint are told the input's geometry

/// (x * w + bias) + residual, the bits of the sum after the convolution, without a pass of its own; in the residual's
/// buffer where nobody else holds it. No residual: an empty tensor.
template <std::floating_point T>
Tensor<T> conv2d_added(Tensor<T> residual, const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias,
                       const Stride2d& o) {
  const kernel::ConvShape s = detail::conv_shape("conv2d", x.shape(), w.shape(), o);
  const Shape shape{s.batch, s.out_height(), s.out_width(), s.out_channels};
  if (bias && bias->shape() != Shape{s.out_channels} && bias->shape() != Shape{s.batch, s.out_channels})
    throw shape_error("conv2d: bias " + bias->shape().to_string() + " for " + std::to_string(s.out_channels) +
                      " output channels of " + std::to_string(s.batch) + " pictures: [out] or [B, out] wanted");
  if (residual && residual.shape() != shape)
    throw shape_error("conv2d_added: " + residual.shape().to_string() + " and the convolution's " + shape.to_string() +
                      " differ");
  const kernel::ConvAddends<T> add{bias ? bias->data() : nullptr, bias && bias->rank() == 2 ? s.out_channels : 0,
                                   std::as_const(residual).data()};
  Tensor<T> y = residual.unique() ? std::move(residual) : Tensor<T>(shape);
  kernel::conv(s, x.data(), w.data(), add, y.data());
  return y;
}
/// The bias is [out], or [B, out]: each picture's own.
template <std::floating_point T>
Tensor<T> conv2d(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias, const Stride2d& o) {
  return conv2d_added(Tensor<T>(), x, w, bias, o);
}
namespace detail {
/// The maps with what follows in their last step: a relu, and the adjoint of one (zero where `gate` is not above 0).
template <std::floating_point T>
Tensor<T> conv2d_finished(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>* bias, const Stride2d& o,
                          bool rectify, const Tensor<T>* gate) {
  const kernel::ConvShape s = conv_shape("conv2d", x.shape(), w.shape(), o);
  Tensor<T> y(Shape{s.batch, s.out_height(), s.out_width(), s.out_channels});
  if (bias && bias->shape() != Shape{s.out_channels})
    throw shape_error("conv2d: bias " + bias->shape().to_string() + " for " + std::to_string(s.out_channels) +
                      " output channels: [out] wanted");
  const kernel::ConvAddends<T> add{bias ? bias->data() : nullptr, 0, nullptr, rectify, gate ? gate->data() : nullptr};
  kernel::conv(s, x.data(), w.data(), add, y.data());
  return y;
}
template <std::floating_point T>
Tensor<T> conv2d_transposed_finished(const Tensor<T>& y, const Tensor<T>& w, const Tensor<T>* bias, const Stride2d& o,
                                     const Shape& to, bool rectify, const Tensor<T>* gate) {
  const kernel::ConvShape s = conv_shape("conv2d_transposed", to, w.shape(), o);
  if (y.shape() != Shape{s.batch, s.out_height(), s.out_width(), s.out_channels})
    throw shape_error("conv2d_transposed: " + y.shape().to_string() + " is not what " + to.to_string() +
                      " is mapped to by weights " + w.shape().to_string());
  if (bias && bias->shape() != Shape{s.in_channels})
    throw shape_error("conv2d_transposed: bias " + bias->shape().to_string() + " for " + std::to_string(s.in_channels) +
                      " output channels: [out] wanted");
  Tensor<T> x(to);
  const kernel::ConvAddends<T> add{bias ? bias->data() : nullptr, 0, nullptr, rectify, gate ? gate->data() : nullptr};
  kernel::conv_input_adjoint(s, y.data(), w.data(), add, x.data());
  return x;
}
}  // namespace detail

/// `to` is the shape [B, H, W, C] of the picture that a forward convolution would map to y's shape.
template <std::floating_point T>
Tensor<T> conv2d_transposed(const Tensor<T>& y, const Tensor<T>& w, const Tensor<T>* bias, const Stride2d& o,
                            const Shape& to) {
  return detail::conv2d_transposed_finished<T>(y, w, bias, o, to, false, nullptr);
}
template <std::floating_point T>
Tensor<T> conv2d_weight_adjoint(const Tensor<T>& x, const Tensor<T>& y, const Stride2d& o, const Shape& weight) {
  const kernel::ConvShape s = detail::conv_shape("conv2d", x.shape(), weight, o);
  if (y.shape() != Shape{s.batch, s.out_height(), s.out_width(), s.out_channels})
    throw shape_error("conv2d_weight_adjoint: " + y.shape().to_string() + " is not what " + x.shape().to_string() +
                      " is mapped to by weights " + weight.to_string());
  Tensor<T> w(weight);
  kernel::conv_weight_adjoint(s, x.data(), y.data(), w.data());
  return w;
}

// ---- recorded

template <class V>
Var<V> conv2d_transposed(const Var<V>& y, const Var<V>& w, const Var<V>* bias, const Stride2d& o, const Shape& to);
template <class V>
Var<V> conv2d_weight_adjoint(const Var<V>& x, const Var<V>& y, const Stride2d& o, const Shape& weight);

namespace detail {
template <Value V>
V channel_sum(const V& g, bool by_picture = false) {
  if (by_picture) return sum(reshape(g, {g.extent(0), g.extent(1) * g.extent(2), g.cols()}), {1});
  return sum(reshape(g, {g.cols() == 0 ? 0 : g.size() / g.cols(), g.cols()}), {0});
}
template <Value V>
const V* no_bias() {
  return nullptr;
}
}  // namespace detail

template <class V>
Var<V> conv2d_added(Var<V> residual, const Var<V>& x, const Var<V>& w, const Var<V>* bias, const Stride2d& o) {
  const std::uint32_t to = residual ? residual.id() : no_gradient;
  const V* b = bias ? &bias->value() : nullptr;
  return x.tape()->record(
      conv2d_added(std::move(residual).value(), x.value(), w.value(), b, o),
      wrt_id(bias ? bias->id() : no_gradient,
             [each = bias && bias->rank() == 2](const V& g) { return detail::channel_sum(g, each); }),
      wrt(w, [x = x.value(), o, s = w.shape()](const V& g) { return conv2d_weight_adjoint(x, g, o, s); }),
      wrt(x, [w = w.value(), o,
              s = x.shape()](const V& g) { return conv2d_transposed(g, w, detail::no_bias<V>(), o, s); }),
      wrt_id(to, [](V g) { return g; }));
}
template <class V>
Var<V> conv2d(const Var<V>& x, const Var<V>& w, const Var<V>* bias, const Stride2d& o) {
  return conv2d_added(Var<V>(), x, w, bias, o);
}
template <class V>
Var<V> conv2d_weight_adjoint(const Var<V>& x, const Var<V>& y, const Stride2d& o, const Shape& weight) {
  return x.tape()->record(conv2d_weight_adjoint(x.value(), y.value(), o, weight),
                          wrt(x, [y = y.value(), o, s = x.shape()](
                                     const V& g) { return conv2d_transposed(y, g, detail::no_bias<V>(), o, s); }),
                          wrt(y, [x = x.value(), o](const V& g) { return conv2d(x, g, detail::no_bias<V>(), o); }));
}

// ---- between relus

namespace detail {
template <class V>
Var<V> finished(Var<V> y, bool rectify, const Var<V>* by) {
  if (rectify) y = relu(std::move(y));
  return by ? gate(y, *by, 0) : y;
}
template <class V>
Var<V> conv2d_finished(const Var<V>& x, const Var<V>& w, const Var<V>* bias, const Stride2d& o, bool rectify,
                       const Var<V>* by) {
  return finished(conv2d(x, w, bias, o), rectify, by);
}
template <class V>
Var<V> conv2d_transposed_finished(const Var<V>& y, const Var<V>& w, const Var<V>* bias, const Stride2d& o,
                                  const Shape& to, bool rectify, const Var<V>* by) {
  return finished(conv2d_transposed(y, w, bias, o, to), rectify, by);
}

/// x * w + bias, with a relu behind it (`rectify`: the gradient that comes is that in front of the relu) and one in
/// front of it (`gated`: x is a relu's, and the gradient that goes is that in front of it).
template <std::floating_point T>
Tensor<T> conv2d_between(const Tensor<T>& x, bool, const Tensor<T>& w, const Tensor<T>* bias, const Stride2d& o,
                         bool rectify) {
  return conv2d_finished<T>(x, w, bias, o, rectify, nullptr);
}
template <class V>
Var<V> conv2d_between(const Var<V>& x, bool gated, const Var<V>& w, const Var<V>* bias, const Stride2d& o,
                      bool rectify) {
  const V *const b = bias ? &bias->value() : nullptr, *const none = nullptr;
  return x.tape()->record(
      conv2d_finished(x.value(), w.value(), b, o, rectify, none),
      wrt_id(bias ? bias->id() : no_gradient, [](const V& g) { return channel_sum(g); }),
      wrt(w, [x = x.value(), o, s = w.shape()](const V& g) { return conv2d_weight_adjoint(x, g, o, s); }),
      wrt(x, [w = w.value(), o, s = x.shape(), by = gated ? x.value() : V()](const V& g) {
        return conv2d_transposed_finished(g, w, no_bias<V>(), o, s, false, by ? &by : nullptr);
      }));
}
template <std::floating_point T>
Tensor<T> conv2d_transposed_between(const Tensor<T>& y, bool, const Tensor<T>& w, const Tensor<T>* bias,
                                    const Stride2d& o, const Shape& to, bool rectify) {
  return conv2d_transposed_finished<T>(y, w, bias, o, to, rectify, nullptr);
}
template <class V>
Var<V> conv2d_transposed_between(const Var<V>& y, bool gated, const Var<V>& w, const Var<V>* bias, const Stride2d& o,
                                 const Shape& to, bool rectify) {
  const V *const b = bias ? &bias->value() : nullptr, *const none = nullptr;
  return y.tape()->record(
      conv2d_transposed_finished(y.value(), w.value(), b, o, to, rectify, none),
      wrt_id(bias ? bias->id() : no_gradient, [](const V& g) { return channel_sum(g); }),
      wrt(w, [y = y.value(), o, s = w.shape()](const V& g) { return conv2d_weight_adjoint(g, y, o, s); }),
      wrt(y, [w = w.value(), o, by = gated ? y.value() : V()](const V& g) {
        return conv2d_finished(g, w, no_bias<V>(), o, false, by ? &by : nullptr);
      }));
}
}  // namespace detail

template <class V>
Var<V> conv2d_transposed(const Var<V>& y, const Var<V>& w, const Var<V>* bias, const Stride2d& o, const Shape& to) {
  return detail::conv2d_transposed_between(y, false, w, bias, o, to, false);
}

// ---- the calls people write

template <Value X>
X conv2d(const X& x, const X& w, const X& bias, const Stride2d& o = {}) {
  return conv2d(x, w, &bias, o);
}
template <Value X>
X conv2d(const X& x, const X& w, const Stride2d& o = {}) {
  return conv2d(x, w, detail::no_bias<X>(), o);
}

/// Sound [B, T, C], weights [K, C / groups, out].
struct Stride1d {
  Index stride = 1, pad_before = 0, pad_after = 0, dilation = 1, groups = 1;
  Stride2d as_2d() const { return {1, stride, 0, pad_before, 0, pad_after, 1, dilation, groups}; }
};
namespace detail {
inline Shape row(const char* op, const Shape& s,
                 bool weight) {  // [B, T, C] as [B, 1, T, C], [K, C, out] as [1, K, C, out]
  if (s.rank() != 3)
    throw shape_error(
        std::string(op) +
        (weight ? ": weights [K, C / groups, out] wanted, shape is " : ": sound [B, T, C] wanted, shape is ") +
        s.to_string());
  return weight ? Shape{1, s[0], s[1], s[2]} : Shape{s[0], 1, s[1], s[2]};
}
}  // namespace detail
template <Value X>
X conv1d(const X& x, const X& w, const X* bias, const Stride1d& o = {}) {
  X y = conv2d(reshape(x, detail::row("conv1d", x.shape(), false)), reshape(w, detail::row("conv1d", w.shape(), true)),
               bias, o.as_2d());
  const Shape s{y.extent(0), y.extent(2), y.extent(3)};
  return reshape(std::move(y), s);
}
/// The shape [B, H, W, C] that a transposed convolution makes from y: the smallest that maps back onto it, plus `extra`
/// rows and columns (less than the stride) where several do.
inline Shape transposed_shape(const Shape& y, const Shape& w, const Stride2d& o, Index extra_h = 0, Index extra_w = 0) {
  if (y.rank() != 4 || w.rank() != 4)
    throw shape_error(
        "conv2d_transposed: pictures [B, H, W, C] and weights [KH, KW, out / groups, in] wanted, shapes are " +
        y.to_string() + " and " + w.to_string());
  return {y[0], (y[1] - 1) * o.stride_h + o.dilation_h * (w[0] - 1) + 1 - o.pad_top - o.pad_bottom + extra_h,
          (y[2] - 1) * o.stride_w + o.dilation_w * (w[1] - 1) + 1 - o.pad_left - o.pad_right + extra_w,
          w[2] * o.groups};
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> conv2d_added(Tensor<float>, const Tensor<float>&, const Tensor<float>&,
                                                     const Tensor<float>*, const Stride2d&);
TESSERA_INSTANCE template Tensor<float> conv2d(const Tensor<float>&, const Tensor<float>&, const Tensor<float>*,
                                               const Stride2d&);
TESSERA_INSTANCE template Tensor<float> conv2d_transposed(const Tensor<float>&, const Tensor<float>&,
                                                          const Tensor<float>*, const Stride2d&, const Shape&);
TESSERA_INSTANCE template Tensor<float> conv2d_weight_adjoint(const Tensor<float>&, const Tensor<float>&,
                                                              const Stride2d&, const Shape&);
TESSERA_INSTANCE template Var<Tensor<float>> conv2d_added(Var<Tensor<float>>, const Var<Tensor<float>>&,
                                                          const Var<Tensor<float>>&, const Var<Tensor<float>>*,
                                                          const Stride2d&);
TESSERA_INSTANCE template Var<Tensor<float>> conv2d(const Var<Tensor<float>>&, const Var<Tensor<float>>&,
                                                    const Var<Tensor<float>>*, const Stride2d&);
TESSERA_INSTANCE template Var<Tensor<float>> conv2d_transposed(const Var<Tensor<float>>&, const Var<Tensor<float>>&,
                                                               const Var<Tensor<float>>*, const Stride2d&,
                                                               const Shape&);
TESSERA_INSTANCE template Tensor<float> detail::conv2d_finished(const Tensor<float>&, const Tensor<float>&,
                                                                const Tensor<float>*, const Stride2d&, bool,
                                                                const Tensor<float>*);
TESSERA_INSTANCE template Tensor<float> detail::conv2d_transposed_finished(const Tensor<float>&, const Tensor<float>&,
                                                                           const Tensor<float>*, const Stride2d&,
                                                                           const Shape&, bool, const Tensor<float>*);
TESSERA_INSTANCE template Var<Tensor<float>> detail::conv2d_between(const Var<Tensor<float>>&, bool,
                                                                    const Var<Tensor<float>>&,
                                                                    const Var<Tensor<float>>*, const Stride2d&, bool);
TESSERA_INSTANCE template Var<Tensor<float>> detail::conv2d_transposed_between(const Var<Tensor<float>>&, bool,
                                                                               const Var<Tensor<float>>&,
                                                                               const Var<Tensor<float>>*,
                                                                               const Stride2d&, const Shape&, bool);
#endif

}  // namespace tessera::inline TESSERA_ISA
