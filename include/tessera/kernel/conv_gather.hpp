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
  bool rectify = false;  // as ConvAddends have them; the gate's first number belongs to dst's
  const T* gate = nullptr;

  Index pixels() const { return batch * rows * cols; }

  /// source[tap * count + q] for the pixels q of [first, first + count); `zeros` outside the picture.
  void sources(Index first, Index count, const T* zeros, const T** source) const {
    sources(first, count, zeros, source, count);
  }
  /// The same with `tap_step` pointers from tap to tap.
  [[gnu::noinline]] void sources(Index first, Index count, const T* zeros, const T** source, Index tap_step) const {
    Index n = first / (rows * cols), y = first / cols % rows, x = first % cols;
    const Index step = src_step_w, wide = src_width, pitch = src_pitch;
    for (Index q = 0, run; q < count; q += run) {  // the rest of a row at a time
      run = cols - x < count - q ? cols - x : count - q;
      for (Index t = 0; t < taps; ++t) {
        const Index sy = y * src_step_h + tap[t].y;
        const bool inside = sy >= 0 && sy < src_height;
        const T* row = inside ? src + (n * src_height + sy) * wide * pitch : zeros;
        const auto width = static_cast<std::uint64_t>(inside ? wide : 0);
        const T** to = source + t * tap_step + q;
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
  /// to[q * row + t * depth + k] = what tap t of pixel first + q reads, rows of `row` numbers with zeros at their ends:
  /// all taps as one deep tap.
  void side_by_side(Index first, Index count, Index row, T* to) const {
    struct Run {
      Index y, x, taps;  // neighbours in a row of the kernel are neighbours in memory
    };
    const Scratch<Run> run(taps);
    Index runs = 0;
    for (Index t = 0; t < taps; ++t) {
      const bool next = t > 0 && src_pitch == depth && tap[t].y == tap[t - 1].y && tap[t].x == tap[t - 1].x + 1;
      if (next)
        ++run[runs - 1].taps;
      else
        run[runs++] = {tap[t].y, tap[t].x, 1};
    }
    const auto copy = [](const T* from, Index n, T* at) {  // four at a time: kernels of 4 across are the most common
      Index d = 0;
      for (; d + 4 <= n; d += 4) __builtin_memcpy(at + d, from + d, 4 * sizeof(T));
      for (; d < n; ++d) at[d] = from[d];
    };
    const Index step = src_step_w, wide = src_width, pitch = src_pitch, deep = taps * depth;
    Index n = first / (rows * cols), y = first / cols % rows, x = first % cols;
    for (Index q = 0, pixels; q < count; q += pixels, to += pixels * row) {  // the rest of a row at a time
      pixels = cols - x < count - q ? cols - x : count - q;
      T* at = to;
      for (Index r = 0; r < runs; ++r) {
        const Index sy = y * src_step_h + run[r].y, length = run[r].taps, numbers = length * depth;
        const bool within = sy >= 0 && sy < src_height;
        const T* const from = src + (n * src_height + sy) * wide * pitch;
        const Index most = within ? wide - length : -1;  // where a run of taps may begin
        Index sx = x * step + run[r].x;
        T* p = at;
        for (Index i = 0; i < pixels; ++i, sx += step, p += row) {
          if (sx >= 0 && sx <= most) {
            copy(from + sx * pitch, numbers, p);
            continue;
          }
          for (Index d = 0; d < numbers; ++d) p[d] = T(0);
          for (Index t = 0; within && t < length; ++t) {
            if (sx + t < 0 || sx + t >= wide) continue;
            for (Index k = 0; k < depth; ++k) p[t * depth + k] = from[(sx + t) * pitch + k];
          }
        }
        at += numbers;
      }
      for (Index i = 0; deep < row && i < pixels; ++i) {
        for (Index d = deep; d < row; ++d) to[i * row + d] = T(0);
      }
      x = 0;
      if (++y == rows) y = 0, ++n;
    }
  }
  [[gnu::noinline]] void targets(Index first, Index count, T** target) const {
    Index n = first / (rows * cols), y = first / cols % rows, x = first % cols;
    for (Index q = 0; q < count; ++q) {
      target[q] = dst + ((n * dst_height + y * dst_step_h) * dst_width + x * dst_step_w) * dst_pitch;
      if (++x == cols) x = 0, ++y;
      if (y == rows) y = 0, ++n;
    }
  }
};

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
Gather<T> forward_gather(const ConvShape& s, const Tap* tap, const T* x, const ConvAddends<T>& add, T* y, Index group) {
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
          add.bias ? add.bias + group * s.group_out() : nullptr,
          add.rectify,
          add.gate ? add.gate + group * s.group_out() : nullptr};
}

}  // namespace tessera::inline TESSERA_ISA::kernel::detail
