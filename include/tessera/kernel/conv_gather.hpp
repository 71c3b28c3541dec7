// What all the direct ways of convolving share: for every output pixel and every tap of the kernel, where that tap's
// input pixel begins in memory, or a row of zeros where it falls into the padding.
//
// Stride, dilation, padding and the number of dimensions are all in this table. The adjoint by the input (the
// transposed convolution) is the same map: its outputs fall into stride_h x stride_w phases, each of which sees a fixed
// set of taps.
#pragma once

#include <tessera/kernel/conv_shape.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/scratch.hpp>

namespace tessera::inline TESSERA_ISA::kernel::detail {

/// Where a tap reads, relative to the pixel's own place in the source, and which of the kernel's weights it has.
struct Tap {
  Index y, x, weight;
};

/// dst(p) = bias + sum over taps of src(tap, p)[0, depth) W[tap], for the pixels p of a batch x rows x cols grid.
template <class T>
struct Gather {
  Index batch, rows, cols;
  const T* src;
  Index src_height, src_width, src_pitch, src_step_h,
      src_step_w;  // pixel (y, x) reads (y step_h + tap.y, x step_w + tap.x)
  T* dst;
  Index dst_height, dst_width, dst_pitch, dst_step_h, dst_step_w;  // and writes (y step_h, x step_w)
  const Tap* tap;
  Index taps, depth, columns;
  const T* bias;

  Index pixels() const { return batch * rows * cols; }

  /// source[tap * count + q] for the pixels q of [first, first + count); `zeros` outside the picture.
  void sources(Index first, Index count, const T* zeros, const T** source) const {
    Index n = first / (rows * cols), y = first / cols % rows, x = first % cols;
    const Index step = src_step_w, wide = src_width, pitch = src_pitch;
    for (Index q = 0, run; q < count; q += run) {  // the rest of a row at a time
      run = cols - x < count - q ? cols - x : count - q;
      for (Index t = 0; t < taps; ++t) {
        const Index sy = y * src_step_h + tap[t].y;
        const bool inside = sy >= 0 && sy < src_height;
        const T* row = inside ? src + (n * src_height + sy) * wide * pitch : zeros;
        const auto width = static_cast<std::uint64_t>(inside ? wide : 0);
        const T** to = source + t * count + q;
        Index at = x * step + tap[t].x;
        for (Index i = 0; i < run; ++i, at += step) {
          to[i] =
              static_cast<std::uint64_t>(at) < width ? row + at * pitch : zeros;  // a negative `at` is a large number
        }
      }
      x = 0;
      if (++y == rows) y = 0, ++n;
    }
  }
  void targets(Index first, Index count, T** target) const {
    Index n = first / (rows * cols), y = first / cols % rows, x = first % cols;
    for (Index q = 0; q < count; ++q) {
      target[q] = dst + ((n * dst_height + y * dst_step_h) * dst_width + x * dst_step_w) * dst_pitch;
      if (++x == cols) x = 0, ++y;
      if (y == rows) y = 0, ++n;
    }
  }
};

template <class T>
[[gnu::always_inline]] inline Pack<T> load_left(const T* p, Index left) {
  return left >= lanes_of<T> ? Pack<T>::load(p) : load_some<T>(p, left);
}
template <class T>
[[gnu::always_inline]] inline void store_left(T* p, Pack<T> value, Index left) {
  if (left >= lanes_of<T>)
    value.store(p);
  else
    store_some<T>(p, value, left);
}

inline Index round_up(Index n, Index to) { return (n + to - 1) / to * to; }

inline constexpr Index adjoint_chunk = 1024;  // pixels whose table is kept by a weight adjoint
inline constexpr Index adjoint_block =
    128;  // pixels (or tiles) that are summed in registers, before they join the others

inline void forward_taps(const ConvShape& s, Tap* tap) {
  for (Index t = 0; t < s.taps(); ++t) {
    tap[t] = {t / s.kernel_w * s.dilation_h - s.pad_top, t % s.kernel_w * s.dilation_w - s.pad_left, t};
  }
}

template <class T>
Gather<T> forward_gather(const ConvShape& s, const Tap* tap, const T* x, const T* bias, T* y, Index group) {
  const Index oh = s.out_height(), ow = s.out_width();
  return {s.batch,
          oh,
          ow,
          x + group * s.group_in(),
          s.height,
          s.width,
          s.in_channels,
          s.stride_h,
          s.stride_w,
          y ? y + group * s.group_out() : nullptr,
          oh,
          ow,
          s.out_channels,
          1,
          1,
          tap,
          s.taps(),
          s.group_in(),
          s.group_out(),
          bias ? bias + group * s.group_out() : nullptr};
}

}  // namespace tessera::inline TESSERA_ISA::kernel::detail
