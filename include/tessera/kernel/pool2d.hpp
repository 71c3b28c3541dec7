// Maximum and average over windows of channels-last pictures, and their adjoints. One dimension is height 1.
//
// The maximum remembers where it was found, as y * width + x within its picture; the first of equal ones wins, a NaN
// beats every number. Padding never wins a maximum; in an average it counts as zeros unless count_padding is false.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// Every window must touch the picture: padding is smaller than the kernel.
struct PoolShape {
  Index batch = 1, height = 1, width = 1, channels = 1;
  Index kernel_h = 2, kernel_w = 2, stride_h = 2, stride_w = 2;
  Index pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool count_padding = true;

  Index out_height() const { return ConvShape::extent(height + pad_top + pad_bottom, kernel_h, stride_h, 1); }
  Index out_width() const { return ConvShape::extent(width + pad_left + pad_right, kernel_w, stride_w, 1); }
};

namespace detail {

/// The part of a window that lies in the picture, and the divisor of its average.
struct PoolWindow {
  Index top, bottom, left, right, count;  // rows [top, bottom), columns [left, right)

  PoolWindow(const PoolShape& s, Index oy, Index ox)
      : top(oy * s.stride_h - s.pad_top),
        bottom(top + s.kernel_h < s.height ? top + s.kernel_h : s.height),
        left(ox * s.stride_w - s.pad_left),
        right(left + s.kernel_w < s.width ? left + s.kernel_w : s.width),
        count(s.kernel_h * s.kernel_w) {
    if (top < 0) top = 0;
    if (left < 0) left = 0;
    if (!s.count_padding) count = (bottom - top) * (right - left);
  }
};

/// body(picture, oy, ox, first number of the output pixel) for every output, rows shared by threads.
template <class Body>
void for_each_window(const PoolShape& s, const Body& body) {
  const Index oh = s.out_height(), ow = s.out_width();
  parallel_for(s.batch * oh, 4, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      for (Index ox = 0; ox < ow; ++ox) body(row / oh, row % oh, ox, (row * ow + ox) * s.channels);
    }
  });
}

}  // namespace detail

/// y = the maximum of each window; index (may be nullptr) says which pixel of the picture it is, one for each number of
/// y.
template <class T>
void pool_max(const PoolShape& s, const T* x, T* y, std::int32_t* index) {
  using namespace detail;
  constexpr int L = lanes_of<T>;
  using Int = typename Ints<T>::Int;
  for_each_window(s, [&](Index picture, Index oy, Index ox, Index to) {
    const PoolWindow window(s, oy, ox);
    for (Index c = 0; c < s.channels; c += L) {
      const Index lanes = s.channels - c < L ? s.channels - c : L;
      Pack<T> best(-std::numeric_limits<T>::infinity());
      Ints<T> where = Ints<T>::splat(static_cast<Int>(window.top * s.width + window.left));
      for (Index iy = window.top; iy < window.bottom; ++iy) {
        for (Index ix = window.left; ix < window.right; ++ix) {
          const Pack<T> v = load_left(x + ((picture * s.height + iy) * s.width + ix) * s.channels + c, lanes);
          const Mask<T> larger = v > best, strange = is_nan(v);
          const Mask<T> take{larger.v | strange.v};
          best = select(take, v, best);
          where.v = take.v ? Ints<T>::splat(static_cast<Int>(iy * s.width + ix)).v : where.v;
        }
      }
      store_left(y + to + c, best, lanes);
      if (!index) continue;
      Int part[L];
      std::memcpy(part, &where.v, sizeof part);
      for (Index i = 0; i < lanes; ++i) index[to + c + i] = static_cast<std::int32_t>(part[i]);
    }
  });
}

/// dx = dy where the maximum was found, summed over windows that share a pixel, zero elsewhere.
template <class T>
void pool_max_adjoint(const PoolShape& s, const T* dy, const std::int32_t* index, T* dx) {
  const Index in = s.height * s.width * s.channels, out = s.out_height() * s.out_width() * s.channels;
  parallel_for(s.batch, 1, [&](Index picture, Index) {
    T* to = dx + picture * in;
    for (Index i = 0; i < in; ++i) to[i] = T(0);
    for (Index o = picture * out, c = 0; o < (picture + 1) * out; ++o, c = c + 1 == s.channels ? 0 : c + 1) {
      to[index[o] * s.channels + c] += dy[o];
    }
  });
}

/// y = the mean of each window.
template <class T>
void pool_average(const PoolShape& s, const T* x, T* y) {
  using namespace detail;
  for_each_window(s, [&](Index picture, Index oy, Index ox, Index to) {
    const PoolWindow window(s, oy, ox);
    const Pack<T> share(T(1) / static_cast<T>(window.count));
    for (Index c = 0; c < s.channels; c += lanes_of<T>) {
      Pack<T> total(T(0));
      for (Index iy = window.top; iy < window.bottom; ++iy) {
        for (Index ix = window.left; ix < window.right; ++ix) {
          total += load_left(x + ((picture * s.height + iy) * s.width + ix) * s.channels + c, s.channels - c);
        }
      }
      store_left(y + to + c, total * share, s.channels - c);
    }
  });
}

/// dx = every output's gradient, shared out over its window.
template <class T>
void pool_average_adjoint(const PoolShape& s, const T* dy, T* dx) {
  using namespace detail;
  const Index oh = s.out_height(), ow = s.out_width(), in = s.height * s.width * s.channels;
  parallel_for(s.batch, 1, [&](Index picture, Index) {
    for (Index i = 0; i < in; ++i) dx[picture * in + i] = T(0);
    for (Index o = 0; o < oh * ow; ++o) {
      const PoolWindow window(s, o / ow, o % ow);
      const Pack<T> share(T(1) / static_cast<T>(window.count));
      for (Index c = 0; c < s.channels; c += lanes_of<T>) {
        const Index left = s.channels - c;
        const Pack<T> part = load_left(dy + (picture * oh * ow + o) * s.channels + c, left) * share;
        for (Index iy = window.top; iy < window.bottom; ++iy) {
          for (Index ix = window.left; ix < window.right; ++ix) {
            T* to = dx + picture * in + (iy * s.width + ix) * s.channels + c;
            store_left(to, load_left(to, left) + part, left);
          }
        }
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
