// The residual block of diffusion U-Nets (Ho et al., 2020, arXiv 2006.11239; scale-shift conditioning: Nichol and Dhariwal,
// 2021, arXiv 2102.09672), and the layers that change resolution.
//
//   h = conv1(silu(norm1(x)));  h = norm2(h) (1 + scale(e)) + shift(e);  y = skip(x) + conv2(silu(h))
#pragma once

#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/norm.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
inline Index groups_for(Index channels) {  // 8 channels a group where that divides, as many groups as 32 at most
  Index g = 32;
  while (g > 1 && (channels % g != 0 || channels / g < 8)) g /= 2;
  return g;
}
}  // namespace detail

template <class T>
struct ResidualBlock {
  struct Config {
    Index in = 1, out = 1;
    Index embedding = 0;  // width of the embedding (time and condition); 0: none
  };

  GroupNorm<T> norm1;
  Conv2d<T> conv1;
  std::optional<Linear<T>> modulation;  // embedding -> scale and shift
  GroupNorm<T> norm2;
  Conv2d<T> conv2;
  std::optional<Conv2d<T>> skip;  // where the number of channels changes

  ResidualBlock(Config c, Rng& rng)
      : norm1({.channels = c.in, .groups = detail::groups_for(c.in)}),
        conv1({.in = c.in, .out = c.out}, rng),
        norm2({.channels = c.out, .groups = detail::groups_for(c.out)}),
        conv2({.in = c.out, .out = c.out, .zero = true}, rng) {
    if (c.embedding > 0) modulation.emplace(typename Linear<T>::Config{.in = c.embedding, .out = 2 * c.out}, rng);
    if (c.in != c.out) skip.emplace(typename Conv2d<T>::Config{.in = c.in, .out = c.out, .kernel = 1}, rng);
  }

  template <Value X>
  X operator()(const X& x) const {
    if (modulation) throw argument_error("ResidualBlock: this block needs its embedding as a second argument");
    return finish(x, norm2.silu(conv1(norm1.silu(x))));
  }
  /// x [B, H, W, in], embedding [B, E] (already through its activation).
  template <Value X>
  X operator()(const X& x, const X& embedding) const {
    if (!modulation) throw argument_error("ResidualBlock: this block takes no embedding");
    const X h = norm2(conv1(norm1.silu(x)));
    const Index b = h.extent(0), c = h.cols();
    const X m = (*modulation)(embedding);
    const X scale = reshape(slice(m, 1, 0, c), {b, 1, 1, c}), shift = reshape(slice(m, 1, c, 2 * c), {b, 1, 1, c});
    return finish(x, silu(h * (scale + ScalarOf<X>(1)) + shift));
  }

  static void members(auto& self, auto&& see) {
    see("norm1", self.norm1);
    see("conv1", self.conv1);
    see("modulation", self.modulation);
    see("norm2", self.norm2);
    see("conv2", self.conv2);
    see("skip", self.skip);
  }

 private:
  template <Value X>
  X finish(const X& x, const X& h) const {
    return conv2.added_to(skip ? (*skip)(x) : x, h);
  }
};

/// Halves height and width by a 3 x 3 convolution of stride 2.
template <class T>
struct Downsample {
  struct Config {
    Index in = 1, out = 1;
  };
  Conv2d<T> conv;
  Downsample(Config c, Rng& rng) : conv({.in = c.in, .out = c.out, .stride = 2}, rng) {}
  template <Value X>
  X operator()(const X& x) const {
    return conv(x);
  }
  static void members(auto& self, auto&& see) { see("conv", self.conv); }
};

/// Doubles height and width: nearest neighbour, then a 3 x 3 convolution.
template <class T>
struct Upsample {
  struct Config {
    Index in = 1, out = 1;
  };
  Conv2d<T> conv;
  Upsample(Config c, Rng& rng) : conv({.in = c.in, .out = c.out}, rng) {}
  template <Value X>
  X operator()(const X& x) const {
    return conv(upsample_nearest(x, 2));
  }
  static void members(auto& self, auto&& see) { see("conv", self.conv); }
};

}  // namespace tessera::inline TESSERA_ISA
