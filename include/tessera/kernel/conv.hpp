// Convolution and its two adjoints, each by the fastest way that fits the shape.
//
//   ConvShape s{.batch = 8, .height = 32, .width = 32, .in_channels = 64, .out_channels = 64,
//               .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
//   conv(s, x, w, bias, y);               y  = x * w + bias
//   conv(s, x, w, ConvAddends<float>{.bias = bias, .residual = r}, y);    y = r + (x * w + bias), perhaps in place
//   conv(s, x, w, ConvAddends<float>{.bias = bias, .rectify = true}, y);  y = relu(x * w + bias)
//   conv_input_adjoint(s, dy, w, dx);     dx = the transposed convolution of dy
//   conv_weight_adjoint(s, x, dy, dw);
//   ConvWeights<float> kept(s, w);        for weights that stay the same over many calls:
//   conv(s, x, kept, bias, y);            the same bits as conv(s, x, w, bias, y)
//
// GFLOP/s on one core with an FMA peak of 217 (AVX-512; 32 pictures of 16x16, 96 -> 96 channels, 3x3), counted in the
// multiplications of the plain loops: plain 6, direct 188, Winograd F(4x4, 3x3) 480. See bench/kernel/conv.cpp.
#pragma once

#include <type_traits>
#include <utility>

#include <tessera/kernel/conv_direct.hpp>
#include <tessera/kernel/conv_line.hpp>
#include <tessera/kernel/conv_plain.hpp>
#include <tessera/kernel/conv_shape.hpp>
#include <tessera/kernel/depthwise.hpp>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/winograd.hpp>
#include <tessera/kernel/winograd_halving.hpp>
#include <tessera/kernel/winograd_thin.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

enum class ConvWay { plain, depthwise, product, line, direct, thin, halving, winograd2, winograd4 };

/// A kernel of one tap is a product of rows.
inline bool pointwise(const ConvShape& s) {
  return s.taps() == 1 && s.stride_h == 1 && s.stride_w == 1 && s.groups == 1 && s.pad_top == 0 && s.pad_left == 0 &&
         s.out_height() == s.height && s.out_width() == s.width && s.in_channels > 0 && s.out_channels > 0;
}

/// How a convolution (or its adjoint by the input) is computed. Never looks at the batch: an item is computed the same
/// way alone and among others. Double is for checking gradients and takes the plain loops.
template <class T>
ConvWay conv_way(const ConvShape& s, bool adjoint = false) {
  if (!std::is_same_v<T, float>) return ConvWay::plain;
  if (depthwise(s)) return ConvWay::depthwise;
  if (pointwise(s)) return ConvWay::product;
  if (winograd_thin(s)) return ConvWay::thin;
  if (winograd_halving(s, adjoint)) return ConvWay::halving;
  if (conv_line(s)) return ConvWay::line;
  const auto between = [](Index pad) { return pad >= 0 && pad <= 2; };
  const bool fits = s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
                    s.dilation_w == 1 && s.groups == 1 && between(s.pad_top) && between(s.pad_left) &&
                    between(s.pad_bottom) && between(s.pad_right) && s.in_channels >= 32 && s.out_channels >= 32;
  const Index height = adjoint ? s.height : s.out_height(), width = adjoint ? s.width : s.out_width();
  if (!fits || height * width < 9) return ConvWay::direct;
  // Multiplications by the number of tiles, those cut off by the border included: 3 to 6 pixels across may go either
  // way.
  const auto tiles = [&](Index side) { return (height + side - 1) / side * ((width + side - 1) / side); };
  return tiles(4) * 36 < tiles(2) * 16 ? ConvWay::winograd4 : ConvWay::winograd2;
}

/// Weights made ready (packed or transformed) for the convolutions of one shape, to be kept while they do not change.
template <class T>
class ConvWeights {
 public:
  ConvWeights(const ConvShape& s, const T* w) : way_(conv_way<T>(s)), shape_(s), numbers_(size(s, way_)) {
    if constexpr (std::is_same_v<T, float>) {
      switch (way_) {
        case ConvWay::winograd4:
        case ConvWay::thin:
          winograd_weights<4>(s, w, false, numbers_.data());
          return;
        case ConvWay::winograd2:
          winograd_weights<2>(s, w, false, numbers_.data());
          return;
        case ConvWay::halving:
          winograd_halving_weights(s, w, numbers_.data());
          return;
        case ConvWay::direct:
          conv_direct_weights(s, w, numbers_.data());
          return;
        default:
          break;
      }
    }
    for (Index i = 0; i < s.weights(); ++i) numbers_[i] = w[i];
  }

  /// Can they serve this shape too? Batch and, as far as the same way is best, height and width may differ.
  bool fits(const ConvShape& s) const {
    return conv_way<T>(s) == way_ && s.kernel_h == shape_.kernel_h && s.kernel_w == shape_.kernel_w &&
           s.groups == shape_.groups && s.in_channels == shape_.in_channels && s.out_channels == shape_.out_channels;
  }
  ConvWay way() const { return way_; }
  const T* data() const { return numbers_.data(); }

 private:
  static Index size(const ConvShape& s, ConvWay way) {
    if constexpr (std::is_same_v<T, float>) {
      if (way == ConvWay::winograd4 || way == ConvWay::thin) return winograd_packed<4, T>(s, false);
      if (way == ConvWay::winograd2) return winograd_packed<2, T>(s, false);
      if (way == ConvWay::halving) return winograd_halving_packed<T>(s);
      if (way == ConvWay::direct) return conv_direct_packed<T>(s);
    }
    return s.weights();
  }

  ConvWay way_;
  ConvShape shape_;
  Scratch<T> numbers_;
};

namespace detail {

/// Bias, relu and gate of the numbers of a product with `columns` of them a row.
template <class T>
struct FinishConv {
  ConvAddends<T> add;
  Index columns;
  [[gnu::always_inline]] Pack<T> operator()(Pack<T> x, Index row, Index col, Index lanes) const {
    if (add.bias) x = x + load_lanes<T>(add.bias + col, lanes);
    return add.finish(x, row * columns + col, lanes);
  }
};

/// y = x w for rows x, and one bias for all, relu and gate.
template <class T>
void finished_product(Index rows, Index out, Index in, const T* x, View<T> w, const ConvAddends<T>& add, T* y) {
  if (add.last())
    gemm<T>(rows, out, in, {x, in, 1}, w, y, out, false, FinishConv<T>{add, out});
  else if (add.bias)
    gemm<T>(rows, out, in, {x, in, 1}, w, y, out, false, AddBias<T>{add.bias});
  else
    gemm<T>(rows, out, in, {x, in, 1}, w, y, out);
}

/// relu and gate in a pass of their own, for ways that have no place for them.
template <class T>
void finish_conv(Index n, const ConvAddends<T>& add, T* y) {
  using P = Pack<T>;
  if (add.rectify) map(n, y, y, [](P x) { return max(P(T(0)), x); });
  if (add.gate) zip(n, y, add.gate, y, [](P x, P g) { return select(g > P(T(0)), x, x * P(T(0))); });
}

}  // namespace detail

/// y = x * w + bias, from kept weights that fit the shape.
template <class T>
void conv(const ConvShape& s, const T* x, const ConvWeights<T>& w, const std::type_identity_t<T>* bias, T* y) {
  if (s.batch == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    switch (w.way()) {
      case ConvWay::winograd4:
        return winograd<4>(s, false, x, w.data(), bias, y);
      case ConvWay::winograd2:
        return winograd<2>(s, false, x, w.data(), bias, y);
      case ConvWay::halving:
        return conv_winograd_halving(s, x, w.data(), static_cast<const T*>(nullptr), ConvAddends<T>{bias}, y);
      case ConvWay::direct:
        return conv_direct(s, x, w.data(), ConvAddends<T>{bias}, y);
      case ConvWay::thin:
        if constexpr (winograd_thin_pays) return conv_winograd_thin(s, false, x, w.data(), ConvAddends<T>{bias}, y);
        break;
      case ConvWay::line:
        return conv_line_forward(s, x, w.data(), bias, y);
      case ConvWay::product:
        return detail::finished_product(s.batch * s.height * s.width, s.out_channels, s.in_channels, x,
                                        View<T>{w.data(), s.out_channels, 1}, ConvAddends<T>{bias}, y);
      case ConvWay::depthwise:
        return conv_depthwise(s, x, w.data(), bias, y);
      case ConvWay::plain:
        break;
    }
  }
  conv_plain(s, x, w.data(), bias, y);
}

namespace detail {

/// The ways whose last step does all there is to do. False: it is another way.
template <class T>
bool conv_finished(const ConvShape& s, const T* x, const T* w, const ConvAddends<T>& add, T* y) {
  const T* const none = nullptr;
  const bool plain = add.bias_step == 0 && !add.residual;
  switch (conv_way<T>(s)) {
    case ConvWay::winograd4:
      winograd<4>(s, false, x, none, w, add, y);
      return true;
    case ConvWay::winograd2:
      winograd<2>(s, false, x, none, w, add, y);
      return true;
    case ConvWay::halving:
      conv_winograd_halving(s, x, none, w, add, y);
      return true;
    case ConvWay::thin:
      if constexpr (winograd_thin_pays) {
        const ConvWeights<T> u(s, w);
        conv_winograd_thin(s, false, x, u.data(), add, y);
        return true;
      }
      return false;
    case ConvWay::product:
      if (plain)
        finished_product(s.batch * s.height * s.width, s.out_channels, s.in_channels, x, View<T>{w, s.out_channels, 1},
                         add, y);
      return plain;
    case ConvWay::direct:
      if (plain) conv_direct_once(s, x, w, add, y);
      return plain;
    default:
      return false;
  }
}

}  // namespace detail

/// y = x * w + bias; bias may be nullptr.
template <class T>
void conv(const ConvShape& s, const T* x, const T* w, const std::type_identity_t<T>* bias, T* y) {
  if (s.batch == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (detail::conv_finished(s, x, w, ConvAddends<T>{bias}, y)) return;
  }
  conv(s, x, ConvWeights<T>(s, w), bias, y);
}

/// y = (x * w + bias) + residual, the bias perhaps each picture's own: the same bits as convolution and additions one
/// after the other. Winograd's output transform adds on its way; other ways take a picture, or a pass, more.
template <class T>
void conv(const ConvShape& s, const T* x, const T* w, const ConvAddends<T>& add, T* y) {
  if (s.batch == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (detail::conv_finished(s, x, w, add, y)) return;
  }
  ConvShape part = s;
  const Index parts = add.bias_step != 0 ? s.batch : 1;
  if (add.bias_step != 0) part.batch = 1;
  const Index in = part.batch * s.height * s.width * s.in_channels,
              out = part.batch * s.out_height() * s.out_width() * s.out_channels;
  const bool in_place = add.residual == y;
  const Scratch<T> room(in_place ? out : 0);
  for (Index i = 0; i < parts; ++i) {
    T* const to = in_place ? room.data() : y + i * out;
    conv(part, x + i * in, w, add.bias ? add.bias + i * add.bias_step : nullptr, to);
    if (!add.residual) continue;
    zip(out, to, add.residual + i * out, y + i * out, [](Pack<T> sum, Pack<T> r) { return sum + r; });
  }
  detail::finish_conv(parts * out, add, y);
}

/// dx = the gradient of <dy, conv(x)> by x, which is also the transposed convolution of dy; what is added has a bias
/// over in_channels for all pictures, and no residual.
template <class T>
void conv_input_adjoint(const ConvShape& s, const T* dy, const T* w, const ConvAddends<T>& add, T* dx) {
  if (s.batch == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    const T* const none = nullptr;
    switch (conv_way<T>(s, true)) {
      case ConvWay::winograd4:
        return winograd<4>(s, true, dy, none, w, add, dx);
      case ConvWay::winograd2:
        return winograd<2>(s, true, dy, none, w, add, dx);
      case ConvWay::halving:
        return conv_winograd_halving_input_adjoint(s, dy, w, add, dx);
      case ConvWay::direct:
        return conv_input_adjoint_direct(s, dy, w, add, dx);
      case ConvWay::thin: {
        if constexpr (winograd_thin_pays) {
          const Scratch<T> u(winograd_packed<4, T>(s, true));
          winograd_weights<4>(s, w, true, u.data());
          return conv_winograd_thin(s, true, dy, static_cast<const T*>(u.data()), add, dx);
        }
        break;
      }
      case ConvWay::product:
        return detail::finished_product(s.batch * s.height * s.width, s.in_channels, s.out_channels, dy,
                                        View<T>{w, 1, s.out_channels}, add, dx);
      case ConvWay::line:
        conv_line_input_adjoint(s, dy, w, dx, add.bias);
        return detail::finish_conv(s.batch * s.height * s.width * s.in_channels, add, dx);
      case ConvWay::depthwise:
        conv_input_adjoint_depthwise(s, dy, w, dx, add.bias);
        return detail::finish_conv(s.batch * s.height * s.width * s.in_channels, add, dx);
      case ConvWay::plain:
        break;
    }
  }
  conv_input_adjoint_plain(s, dy, w, dx, add.bias);
  detail::finish_conv(s.batch * s.height * s.width * s.in_channels, add, dx);
}
template <class T>
void conv_input_adjoint(const ConvShape& s, const T* dy, const T* w, T* dx,
                        const std::type_identity_t<T>* bias = nullptr) {
  conv_input_adjoint(s, dy, w, ConvAddends<T>{bias}, dx);
}

/// dw = the gradient of <dy, conv(x)> by w.
template <class T>
void conv_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  if (s.batch == 0) {
    for (Index i = 0; i < s.weights(); ++i) dw[i] = T(0);
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    switch (conv_way<T>(s)) {
      case ConvWay::winograd4:
        return winograd_weight_adjoint<4>(s, x, dy, dw);
      case ConvWay::winograd2:
        return winograd_weight_adjoint<2>(s, x, dy, dw);
      case ConvWay::halving:
        return conv_winograd_halving_weight_adjoint(s, x, dy, dw);
      case ConvWay::direct:
        return conv_weight_adjoint_direct(s, x, dy, dw);
      case ConvWay::thin:
        if constexpr (winograd_thin_pays) return conv_winograd_thin_weight_adjoint(s, x, dy, dw);
        break;
      case ConvWay::line:
        return conv_line_weight_adjoint(s, x, dy, dw);
      case ConvWay::product:
        return gemm<T>(s.in_channels, s.out_channels, s.batch * s.height * s.width, {x, 1, s.in_channels},
                       {dy, s.out_channels, 1}, dw, s.out_channels);
      case ConvWay::depthwise:
        return conv_weight_adjoint_depthwise(s, x, dy, dw);
      case ConvWay::plain:
        break;
    }
  }
  conv_weight_adjoint_plain(s, x, dy, dw);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
