// Depthwise convolution: as many groups as channels, each with one output. Channels lie in lanes; there is nothing to
// reuse, so these are plain loops over packs. Weights are [kernel_h, kernel_w, 1, channels].
#pragma once

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

inline bool depthwise(const ConvShape& s) { return s.groups > 1 && s.group_in() == 1 && s.group_out() == 1; }

template <class T>
void conv_depthwise(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  using namespace detail;
  const Index oh = s.out_height(), ow = s.out_width(), channels = s.in_channels;
  parallel_for(s.batch * oh, 1, [&](Index row, Index) {
    for (Index ox = 0; ox < ow; ++ox) {
      for (Index c = 0; c < channels; c += lanes_of<T>) {
        const Index left = channels - c;
        Pack<T> total = bias ? load_left(bias + c, left) : Pack<T>(T(0));
        for (Index t = 0; t < s.taps(); ++t) {
          const Index iy = row % oh * s.stride_h + t / s.kernel_w * s.dilation_h - s.pad_top;
          const Index ix = ox * s.stride_w + t % s.kernel_w * s.dilation_w - s.pad_left;
          if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
          const T* from = x + ((row / oh * s.height + iy) * s.width + ix) * channels + c;
          total = fma(load_left(from, left), load_left(w + t * channels + c, left), total);
        }
        store_left(y + (row * ow + ox) * channels + c, total, left);
      }
    }
  });
}

template <class T>
void conv_input_adjoint_depthwise(const ConvShape& s, const T* dy, const T* w, T* dx, const T* bias = nullptr) {
  using namespace detail;
  const Index oh = s.out_height(), ow = s.out_width(), channels = s.in_channels;
  parallel_for(s.batch * s.height, 1, [&](Index row, Index) {
    for (Index ix = 0; ix < s.width; ++ix) {
      for (Index c = 0; c < channels; c += lanes_of<T>) {
        const Index left = channels - c;
        Pack<T> total = bias ? load_left(bias + c, left) : Pack<T>(T(0));
        for (Index t = 0; t < s.taps(); ++t) {
          const Index ay = row % s.height + s.pad_top - t / s.kernel_w * s.dilation_h;
          const Index ax = ix + s.pad_left - t % s.kernel_w * s.dilation_w;
          if (ay < 0 || ax < 0 || ay % s.stride_h != 0 || ax % s.stride_w != 0) continue;
          if (ay / s.stride_h >= oh || ax / s.stride_w >= ow) continue;
          const T* from = dy + ((row / s.height * oh + ay / s.stride_h) * ow + ax / s.stride_w) * channels + c;
          total = fma(load_left(from, left), load_left(w + t * channels + c, left), total);
        }
        store_left(dx + (row * s.width + ix) * channels + c, total, left);
      }
    }
  });
}

/// Sums each row of a picture by itself, then adds the rows in order.
template <class T>
void conv_weight_adjoint_depthwise(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const Index oh = s.out_height(), ow = s.out_width(), channels = s.in_channels;
  parallel_for(s.taps(), 1, [&](Index t, Index) {
    for (Index c = 0; c < channels; ++c) dw[t * channels + c] = T(0);
    for (Index row = 0; row < s.batch * oh; ++row) {
      const Index iy = row % oh * s.stride_h + t / s.kernel_w * s.dilation_h - s.pad_top;
      if (iy < 0 || iy >= s.height) continue;
      const T* from = x + (row / oh * s.height + iy) * s.width * channels;
      for (Index c = 0; c < channels; c += lanes_of<T>) {
        const Index left = channels - c;
        Pack<T> total(T(0));
        for (Index ox = 0; ox < ow; ++ox) {
          const Index ix = ox * s.stride_w + t % s.kernel_w * s.dilation_w - s.pad_left;
          if (ix < 0 || ix >= s.width) continue;
          total = fma(load_left(from + ix * channels + c, left), load_left(dy + (row * ow + ox) * channels + c, left),
                      total);
        }
        T* to = dw + t * channels + c;
        store_left(to, load_left(to, left) + total, left);
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
