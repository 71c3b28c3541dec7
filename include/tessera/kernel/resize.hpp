// Pictures at another size, channels-last, and the adjoints.
//
// Nearest: y[o] = x[floor(o in / out)]. Bilinear: between the pixels around (o + 1/2) in / out - 1/2, with the border
// repeated (half-pixel centres: PyTorch's align_corners=False, OpenCV's INTER_LINEAR). Neither smooths when shrinking.
#pragma once

#include <cstring>

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

struct ResizeShape {
  Index batch = 1, height = 1, width = 1, channels = 1, out_height = 1, out_width = 1;
};

template <class T>
void resize_nearest(const ResizeShape& s, const T* x, T* y) {
  parallel_for(s.batch * s.out_height, 4, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index picture = row / s.out_height, iy = row % s.out_height * s.height / s.out_height;
      const T* from = x + (picture * s.height + iy) * s.width * s.channels;
      T* to = y + row * s.out_width * s.channels;
      for (Index ox = 0; ox < s.out_width; ++ox, to += s.channels) {
        std::memcpy(to, from + ox * s.width / s.out_width * s.channels,
                    static_cast<std::size_t>(s.channels) * sizeof(T));
      }
    }
  });
}

/// dx[i] = the sum of dy over the outputs that showed pixel i: a rectangle.
template <class T>
void resize_nearest_adjoint(const ResizeShape& s, const T* dy, T* dx) {
  using namespace detail;
  const auto first = [](Index i, Index in, Index out) {
    return (i * out + in - 1) / in;
  };  // least o with floor(o in / out) >= i
  parallel_for(s.batch * s.height, 4, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Index picture = row / s.height, iy = row % s.height;
      const Index top = first(iy, s.height, s.out_height), bottom = first(iy + 1, s.height, s.out_height);
      for (Index ix = 0; ix < s.width; ++ix) {
        const Index left = first(ix, s.width, s.out_width), right = first(ix + 1, s.width, s.out_width);
        for (Index c = 0; c < s.channels; c += lanes_of<T>) {
          Pack<T> total(T(0));
          for (Index oy = top; oy < bottom; ++oy) {
            for (Index ox = left; ox < right; ++ox) {
              total +=
                  load_left(dy + ((picture * s.out_height + oy) * s.out_width + ox) * s.channels + c, s.channels - c);
            }
          }
          store_left(dx + (row * s.width + ix) * s.channels + c, total, s.channels - c);
        }
      }
    }
  });
}

namespace detail {

/// An output's two neighbours along one axis and how far it lies from the first to the second.
template <class T>
struct Between {
  Index low, high;
  T part;

  Between(Index o, Index in, Index out) {
    const double at = (static_cast<double>(o) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    low = at > 0 ? static_cast<Index>(at) : 0;
    if (low > in - 1) low = in - 1;
    high = low + 1 < in ? low + 1 : low;
    part = at > 0 ? static_cast<T>(at - static_cast<double>(low)) : T(0);
  }
};

}  // namespace detail

template <class T>
void resize_bilinear(const ResizeShape& s, const T* x, T* y) {
  using namespace detail;
  parallel_for(s.batch * s.out_height, 4, [&](Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const Between<T> v(row % s.out_height, s.height, s.out_height);
      const T* picture = x + row / s.out_height * s.height * s.width * s.channels;
      const T* low = picture + v.low * s.width * s.channels;
      const T* high = picture + v.high * s.width * s.channels;
      for (Index ox = 0; ox < s.out_width; ++ox) {
        const Between<T> h(ox, s.width, s.out_width);
        for (Index c = 0; c < s.channels; c += lanes_of<T>) {
          const Index left = s.channels - c;
          const auto across = [&](const T* line) {
            const Pack<T> a = load_left(line + h.low * s.channels + c, left),
                          b = load_left(line + h.high * s.channels + c, left);
            return fma(Pack<T>(h.part), b - a, a);
          };
          const Pack<T> a = across(low), b = across(high);
          store_left(y + (row * s.out_width + ox) * s.channels + c, fma(Pack<T>(v.part), b - a, a), left);
        }
      }
    }
  });
}

template <class T>
void resize_bilinear_adjoint(const ResizeShape& s, const T* dy, T* dx) {
  using namespace detail;
  const Index in = s.height * s.width * s.channels;
  parallel_for(s.batch, 1, [&](Index picture, Index) {
    T* to = dx + picture * in;
    for (Index i = 0; i < in; ++i) to[i] = T(0);
    for (Index oy = 0; oy < s.out_height; ++oy) {
      const Between<T> v(oy, s.height, s.out_height);
      for (Index ox = 0; ox < s.out_width; ++ox) {
        const Between<T> h(ox, s.width, s.out_width);
        const T* from = dy + ((picture * s.out_height + oy) * s.out_width + ox) * s.channels;
        const auto add = [&](Index iy, Index ix, T weight) {
          T* pixel = to + (iy * s.width + ix) * s.channels;
          for (Index c = 0; c < s.channels; c += lanes_of<T>) {
            const Index left = s.channels - c;
            store_left(pixel + c, fma(Pack<T>(weight), load_left(from + c, left), load_left(pixel + c, left)), left);
          }
        };
        add(v.low, h.low, (1 - v.part) * (1 - h.part));
        add(v.low, h.high, (1 - v.part) * h.part);
        add(v.high, h.low, v.part * (1 - h.part));
        add(v.high, h.high, v.part * h.part);
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
