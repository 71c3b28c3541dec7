// Convolution and its two adjoints as plain loops: the specification, the oracle of the tests, and what runs for
// double.
//
//   y[n, oy, ox, co] = bias[co] + sum over ky, kx, ci of x[n, oy s + ky d - p, ox s + kx d - p, ci] w[ky, kx, ci, co]
//
// Each adjoint is written as a gather too (every output is one sum), so that threads never meet.
#pragma once

#include <tessera/kernel/conv_shape.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

template <class T>
void conv_plain(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  const Index oh = s.out_height(), ow = s.out_width(), ci = s.group_in(), co = s.group_out();
  parallel_for(s.batch * oh, 1, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index n = row / oh, oy = row % oh;
      for (Index ox = 0; ox < ow; ++ox) {
        T* out = y + (row * ow + ox) * s.out_channels;
        for (Index c = 0; c < s.out_channels; ++c) out[c] = bias ? bias[c] : T(0);
        for (Index tap = 0; tap < s.taps(); ++tap) {
          const Index iy = oy * s.stride_h + tap / s.kernel_w * s.dilation_h - s.pad_top;
          const Index ix = ox * s.stride_w + tap % s.kernel_w * s.dilation_w - s.pad_left;
          if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
          const T* in = x + ((n * s.height + iy) * s.width + ix) * s.in_channels;
          for (Index g = 0; g < s.groups; ++g) {
            for (Index i = 0; i < ci; ++i) {
              const T value = in[g * ci + i];
              const T* weight = w + (tap * ci + i) * s.out_channels + g * co;
              for (Index j = 0; j < co; ++j) out[g * co + j] += value * weight[j];
            }
          }
        }
      }
    }
  });
}

template <class T>
void conv_input_adjoint_plain(const ConvShape& s, const T* dy, const T* w, T* dx, const T* bias = nullptr) {
  const Index oh = s.out_height(), ow = s.out_width(), ci = s.group_in(), co = s.group_out();
  parallel_for(s.batch * s.height, 1, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index n = row / s.height, iy = row % s.height;
      for (Index ix = 0; ix < s.width; ++ix) {
        T* out = dx + (row * s.width + ix) * s.in_channels;
        for (Index c = 0; c < s.in_channels; ++c) out[c] = bias ? bias[c] : T(0);
        for (Index tap = 0; tap < s.taps(); ++tap) {
          const Index ay = iy + s.pad_top - tap / s.kernel_w * s.dilation_h;  // = oy stride
          const Index ax = ix + s.pad_left - tap % s.kernel_w * s.dilation_w;
          if (ay < 0 || ax < 0 || ay % s.stride_h != 0 || ax % s.stride_w != 0) continue;
          if (ay / s.stride_h >= oh || ax / s.stride_w >= ow) continue;
          const T* in = dy + ((n * oh + ay / s.stride_h) * ow + ax / s.stride_w) * s.out_channels;
          for (Index g = 0; g < s.groups; ++g) {
            for (Index i = 0; i < ci; ++i) {
              const T* weight = w + (tap * ci + i) * s.out_channels + g * co;
              T total = T(0);
              for (Index j = 0; j < co; ++j) total += in[g * co + j] * weight[j];
              out[g * ci + i] += total;
            }
          }
        }
      }
    }
  });
}

template <class T>
void conv_weight_adjoint_plain(const ConvShape& s, const T* x, const T* dy, T* dw) {
  const Index oh = s.out_height(), ow = s.out_width(), ci = s.group_in(), co = s.group_out();
  parallel_for(s.taps() * ci, 1, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index tap = row / ci, i = row % ci;
      T* out = dw + row * s.out_channels;
      for (Index c = 0; c < s.out_channels; ++c) out[c] = T(0);
      for (Index n = 0; n < s.batch; ++n) {
        for (Index oy = 0; oy < oh; ++oy) {
          const Index iy = oy * s.stride_h + tap / s.kernel_w * s.dilation_h - s.pad_top;
          if (iy < 0 || iy >= s.height) continue;
          for (Index ox = 0; ox < ow; ++ox) {
            const Index ix = ox * s.stride_w + tap % s.kernel_w * s.dilation_w - s.pad_left;
            if (ix < 0 || ix >= s.width) continue;
            const T* in = x + ((n * s.height + iy) * s.width + ix) * s.in_channels + i;
            const T* d = dy + ((n * oh + oy) * ow + ox) * s.out_channels;
            for (Index g = 0; g < s.groups; ++g) {
              for (Index j = 0; j < co; ++j) out[g * co + j] += in[g * ci] * d[g * co + j];
            }
          }
        }
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
