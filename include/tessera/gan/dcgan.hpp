// DCGAN (Radford, Metz and Chintala, 2015, arXiv 1511.06434): 4 x 4 convolutions of stride 2, transposed in the
// generator.
//
//   generator   linear -> [start, start, C_0], then the side doubles until it is reached; batch norm and ReLU between,
//               tanh at the end
//   critic      the side halves down to start; leaky ReLU 0.2, batch norm but for the first layer (not with gradient
//               penalties)
// Channels are `width` at the largest hidden resolution and double as the side halves. Weights start as N(0, 0.02^2).
#pragma once

#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/gan/networks.hpp>

namespace tessera::inline TESSERA_ISA {

struct DcganConfig {
  Index side = 32, channels = 3;  // of the pictures
  Index start = 4;                // side of the smallest maps: side = start 2^levels
  Index width = 64;
  bool norm = true;  // batch norms
};

namespace detail {
/// Throws argument_error unless the side is the start doubled at least once.
inline Index levels_of(const char* who, Index side, Index start, Index width, Index channels) {
  Index levels = 0, s = start;
  for (; s > 0 && s < side; s *= 2) ++levels;
  if (s != side || levels < 1)
    throw argument_error(std::string(who) + ": a side of " + std::to_string(side) + " is not " + std::to_string(start) +
                         " doubled some times; for 28 take start 7, for 32 or 64 start 4");
  if (width < 1 || channels < 1 || width > (Index{1} << 20) >> levels)
    throw argument_error(std::string(who) + ": width " + std::to_string(width) + " and " + std::to_string(channels) +
                         " channels make no network of " + std::to_string(levels) + " levels");
  return levels;
}
}  // namespace detail

template <class T>
struct DcganMaker {
  using Config = DcganConfig;

  Linear<T> first;  // [start start C, inputs]
  std::vector<BatchNorm<T>> norms;
  std::vector<ConvTranspose2d<T>> ups;
  Index start, top;  // of the first maps: side and channels

  DcganMaker(const Config& c, Index inputs, Rng& rng)
      : DcganMaker(c, inputs, detail::levels_of("DcganMaker", c.side, c.start, c.width, c.channels), rng) {}

  template <Value X>
  X operator()(const X& z, Seen<T>* seen) const {
    X h = reshape(first(z), {z.extent(0), start, start, top});
    for (std::size_t i = 0; i < ups.size(); ++i) h = ups[i](relu(detail::normed(norms, i, h, seen)));
    return tanh(h);
  }
  void update(const Seen<T>& seen) { detail::update_norms(norms, seen); }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("norms", self.norms);
    see("ups", self.ups);
  }

 private:
  DcganMaker(const Config& c, Index inputs, Index levels, Rng& rng)
      : first({.in = inputs, .out = c.start * c.start * (c.width << (levels - 1)), .bias = !c.norm}, rng),
        start(c.start),
        top(c.width << (levels - 1)) {
    detail::normal_weights(first, 0.02, rng);
    for (Index i = 0; i < levels; ++i) {
      const Index in = top >> i;
      const bool last = i + 1 == levels;
      if (c.norm) norms.emplace_back(typename BatchNorm<T>::Config{.channels = in});
      ups.emplace_back(
          typename ConvTranspose2d<T>::Config{.in = in, .out = last ? c.channels : in / 2, .bias = last || !c.norm},
          rng);
      detail::normal_weights(ups.back(), 0.02, rng);
    }
  }
};

template <class T>
struct DcganFeatures {
  using Config = DcganConfig;

  std::vector<SpectralNorm<Conv2d<T>>> downs;
  std::vector<BatchNorm<T>> norms;  // after all but the first
  Index side, channels, count;

  DcganFeatures(const Config& c, bool spectral, Rng& rng) : side(c.side), channels(c.channels) {
    const Index levels = detail::levels_of("DcganFeatures", c.side, c.start, c.width, c.channels);
    for (Index i = 0; i < levels; ++i) {
      const Index out = c.width << i;
      downs.emplace_back(typename Conv2d<T>::Config{.in = i == 0 ? c.channels : out / 2,
                                                    .out = out,
                                                    .kernel = 4,
                                                    .stride = 2,
                                                    .padding = 1,
                                                    .bias = i == 0 || !c.norm},
                         rng, spectral);
      if (!spectral) detail::normal_weights(downs.back().layer, 0.02, rng);
      if (c.norm && i > 0) norms.emplace_back(typename BatchNorm<T>::Config{.channels = out});
    }
    count = c.start * c.start * (c.width << (levels - 1));
  }
  Index features() const { return count; }

  /// [B, side, side, channels] -> [B, features]
  template <Value X>
  X operator()(const X& x, Seen<T>* seen) const {
    if (x.rank() != 4 || x.shape() != Shape{x.extent(0), side, side, channels})
      throw shape_error("DcganFeatures: pictures [B, " + std::to_string(side) + ", " + std::to_string(side) + ", " +
                        std::to_string(channels) + "] wanted, shape is " + x.shape().to_string());
    X h = x;
    for (std::size_t i = 0; i < downs.size(); ++i) {
      h = downs[i](h);
      if (i > 0) h = detail::normed(norms, i - 1, h, seen);
      h = leaky_relu(h, T(0.2));
    }
    return reshape(h, {x.extent(0), count});
  }
  void update(const Seen<T>& seen) { detail::update_norms(norms, seen); }

  static void members(auto& self, auto&& see) {
    see("downs", self.downs);
    see("norms", self.norms);
  }
};

template <class T>
using DcganGenerator = OneShot<T, DcganMaker<T>>;
template <class T>
using DcganCritic = ProjectionCritic<T, DcganFeatures<T>>;

}  // namespace tessera::inline TESSERA_ISA
