// The geometry of a convolution, shared by every way of computing it. Pictures are channels-last, [batch, height,
// width, channels]; weights are [kernel_h, kernel_w, in_channels / groups, out_channels]. One dimension is height 1.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/epilogue.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

struct ConvShape {
  Index batch = 1, height = 1, width = 1, in_channels = 1, out_channels = 1;
  Index kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  Index dilation_h = 1, dilation_w = 1, groups = 1;

  Index out_height() const { return extent(height + pad_top + pad_bottom, kernel_h, stride_h, dilation_h); }
  Index out_width() const { return extent(width + pad_left + pad_right, kernel_w, stride_w, dilation_w); }

  Index group_in() const { return in_channels / groups; }
  Index group_out() const { return out_channels / groups; }
  Index taps() const { return kernel_h * kernel_w; }
  Index weights() const { return taps() * group_in() * out_channels; }

  /// Positions of a kernel within a padded extent; none when it does not fit.
  static Index extent(Index padded, Index kernel, Index stride, Index dilation) {
    const Index room = padded - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
};

/// What a convolution does to its sums on their way out: adds bias and residual; then, where asked, takes the greater
/// of that and 0 (a relu that follows); then lets it through where `gate` is above 0 (the adjoint of a relu in front).
template <class T>
struct ConvAddends {
  const T* bias = nullptr;      // [out_channels], or none
  Index bias_step = 0;          // from picture to picture: out_channels where each has a bias of its own
  const T* residual = nullptr;  // of y's shape and perhaps y itself, or none
  bool rectify = false;
  const T* gate = nullptr;  // of y's shape, or none

  bool last() const { return rectify || gate; }
  /// The same for numbers that begin so many after y's first.
  ConvAddends at(Index offset) const {
    return {bias, bias_step, residual ? residual + offset : nullptr, rectify, gate ? gate + offset : nullptr};
  }
  /// relu and gate of `lanes` numbers, the first of them y's number `at`.
  [[gnu::always_inline]] Pack<T> finish(Pack<T> x, Index at, Index lanes) const {
    if (rectify) x = max(Pack<T>(T(0)), x);  // in this order NaN stays NaN
    if (gate) x = select(load_lanes<T>(gate + at, lanes) > Pack<T>(T(0)), x, x * Pack<T>(T(0)));
    return x;
  }
  T finish_one(T x, Index at) const {
    if (rectify) x = T(0) > x ? T(0) : x;
    return !gate || gate[at] > T(0) ? x : x * T(0);
  }
};

}  // namespace tessera::inline TESSERA_ISA::kernel
