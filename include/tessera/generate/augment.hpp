// Differentiable augmentation (Zhao et al., 2020, arXiv 2006.10738): real and made pictures alike are changed before
// the critic sees them, in both players' turns, so that a critic with few pictures can't learn them by heart; the
// maker's gradient goes through the change. Pictures are [B, H, W, C].
//
//   colour        x + b, then (x - m_C) s + m_C, then (x - m) c + m    b in +-1/2, s in [0, 2), c in [1/2, 3/2)
//   translation   by up to an eighth of the side, zeros coming in
//   cutout        a square of half the side set to zero, anywhere
// m_C is a pixel's mean over channels, m the picture's. Item i of a batch draws from noise.fork(i). Zero is mid grey
// for pictures in [-1, 1].
#pragma once

#include <tessera/autodiff/op/gather.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

struct Augment {
  bool colour = false, translation = false, cutout = false;
  explicit operator bool() const { return colour || translation || cutout; }
};

namespace detail {

/// A number for each item, as [B, 1, 1, 1]: low + (high - low) times draw `which` of the item's noise.
template <class T>
Tensor<T> item_draws(Index count, const Noise& noise, std::uint64_t which, double low, double high) {
  Tensor<T> t(Shape{count, 1, 1, 1});
  T* to = t.data();
  for (Index i = 0; i < count; ++i)
    to[i] = static_cast<T>(low + (high - low) * noise.fork(static_cast<std::uint64_t>(i)).unit(which));
  return t;
}

/// Where each pixel comes from, and whether there is anything there.
template <class T>
struct Moved {
  Tensor<std::int32_t> from;  // [B H W], a pixel's number in the batch
  Tensor<T> keep;             // [B, H, W, 1]
};
template <class T>
Moved<T> moved(const Shape& s, const Augment& policy, const Noise& noise) {
  const Index b = s[0], h = s[1], w = s[2];
  Moved<T> m{Tensor<std::int32_t>(Shape{b * h * w}), Tensor<T>(Shape{b, h, w, 1}, T(1))};
  std::int32_t* from = m.from.data();
  T* keep = m.keep.data();
  for (Index i = 0; i < b; ++i) {
    const Noise own = noise.fork(static_cast<std::uint64_t>(i));
    const auto shift = [&](Index side, std::uint64_t which) {
      const Index most = policy.translation ? (side + 4) / 8 : 0;
      return own.below(2 * most + 1, which) - most;
    };
    const Index dy = shift(h, 0), dx = shift(w, 1);
    const Index ch = h / 2, cw = w / 2;  // the hole, centred anywhere, cut off by the border
    const Index top = own.below(h + 1, 2) - ch / 2, left = own.below(w + 1, 3) - cw / 2;
    for (Index y = 0; y < h; ++y) {
      for (Index x = 0; x < w; ++x) {
        const Index at = (i * h + y) * w + x, fy = y - dy, fx = x - dx;
        const bool inside = fy >= 0 && fy < h && fx >= 0 && fx < w;
        const bool hole = policy.cutout && y >= top && y < top + ch && x >= left && x < left + cw;
        from[at] = static_cast<std::int32_t>(inside ? (i * h + fy) * w + fx : at);
        if (!inside || hole) keep[at] = T(0);
      }
    }
  }
  return m;
}

}  // namespace detail

/// Throws shape_error unless x is [B, H, W, C].
template <Value X>
X augment(const X& x, const Augment& policy, const Noise& noise) {
  using T = ScalarOf<X>;
  if (!policy) return x;
  if (x.rank() != 4)
    throw shape_error("augment: pictures [B, H, W, C] wanted, shape is " + x.shape().to_string() +
                      "; switch augmentation off for other objects");
  X y = x;
  if (policy.colour) {
    const auto draws = [&](std::uint64_t which, double low, double high) {
      return detail::item_draws<T>(x.extent(0), noise, which, low, high);
    };
    y = y + draws(0, -0.5, 0.5);
    if (x.cols() > 1) {
      const X grey = mean(y, {3}, true);
      y = (y - grey) * draws(1, 0, 2) + grey;
    }
    const X middle = mean(y, {1, 2, 3}, true);
    y = (y - middle) * draws(2, 0.5, 1.5) + middle;
  }
  if (policy.translation || policy.cutout) {
    const auto m = detail::moved<T>(x.shape(), policy, noise);
    if (policy.translation) {
      const Index c = x.cols();
      y = reshape(gather(reshape(y, {y.size() / c, c}), m.from), x.shape());
    }
    y = y * m.keep;
  }
  return y;
}

}  // namespace tessera::inline TESSERA_ISA
