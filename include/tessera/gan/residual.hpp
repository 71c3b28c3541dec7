// Residual generator and critic (Miyato et al., 2018, arXiv 1802.05957, as in SNGAN's networks for 32 x 32).
//
//   up     y = enlarge(x) + conv3(relu(norm(conv3(enlarge(relu(norm(x)))))))
//   down   y = pool(x) + pool(conv3(lrelu(conv3(lrelu(x)))))      x through conv1 where the channels change
// The first block down begins without the rectifier.
// The generator ends with norm, ReLU, conv3 and tanh; the critic with a rectifier and the sum over places, so its
// features are its channels whatever the side.
#pragma once

#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/gan/dcgan.hpp>

namespace tessera::inline TESSERA_ISA {

struct ResidualGanConfig {
  Index side = 32, channels = 3;  // of the pictures
  Index start = 4;                // side of the smallest maps: side = start 2^levels
  Index width = 64;               // channels throughout
  bool norm = true;               // batch norms, in the generator only
};

template <class T>
struct ResidualMaker {
  using Config = ResidualGanConfig;

  struct Block {
    Conv2d<T> conv1, conv2;
    static void members(auto& self, auto&& see) {
      see("conv1", self.conv1);
      see("conv2", self.conv2);
    }
  };

  Linear<T> first;
  std::vector<Block> blocks;
  std::vector<BatchNorm<T>> norms;  // two a block, and the last
  Conv2d<T> last;
  Index start, width;

  ResidualMaker(const Config& c, Index inputs, Rng& rng)
      : ResidualMaker(c, inputs, detail::levels_of("ResidualMaker", c.side, c.start, c.width, c.channels), rng) {}
  template <Value X>
  X operator()(const X& z, Seen<T>* seen) const {
    X h = reshape(first(z), {z.extent(0), start, start, width});
    std::size_t n = 0;
    for (const Block& b : blocks) {
      const X inner = b.conv1(upsample_nearest(relu(detail::normed(norms, n, h, seen)), 2));
      h = upsample_nearest(h, 2) + b.conv2(relu(detail::normed(norms, n + 1, inner, seen)));
      n += 2;
    }
    return tanh(last(relu(detail::normed(norms, n, h, seen))));
  }
  void update(const Seen<T>& seen) { detail::update_norms(norms, seen); }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("blocks", self.blocks);
    see("norms", self.norms);
    see("last", self.last);
  }

 private:
  ResidualMaker(const Config& c, Index inputs, Index levels, Rng& rng)
      : first({.in = inputs, .out = c.start * c.start * c.width}, rng),
        last({.in = c.width, .out = c.channels}, rng),
        start(c.start),
        width(c.width) {
    const typename Conv2d<T>::Config conv{.in = c.width, .out = c.width};
    for (Index i = 0; i < levels; ++i) blocks.push_back({Conv2d<T>(conv, rng), Conv2d<T>(conv, rng)});
    for (Index i = 0; i < 2 * levels + 1 && c.norm; ++i)
      norms.emplace_back(typename BatchNorm<T>::Config{.channels = c.width});
  }
};

template <class T>
struct ResidualFeatures {
  using Config = ResidualGanConfig;

  struct Block {
    SpectralNorm<Conv2d<T>> conv1, conv2;
    std::optional<SpectralNorm<Conv2d<T>>> skip;  // where the channels change
    static void members(auto& self, auto&& see) {
      see("conv1", self.conv1);
      see("conv2", self.conv2);
      see("skip", self.skip);
    }
  };

  std::vector<Block> blocks;
  Index side, channels, width;

  ResidualFeatures(const Config& c, bool spectral, Rng& rng) : side(c.side), channels(c.channels), width(c.width) {
    const Index levels = detail::levels_of("ResidualFeatures", c.side, c.start, c.width, c.channels);
    using Layer = SpectralNorm<Conv2d<T>>;
    using Shape2d = typename Conv2d<T>::Config;
    for (Index i = 0; i < levels; ++i) {
      const Index in = i == 0 ? c.channels : c.width;
      Block b{Layer(Shape2d{.in = in, .out = c.width}, rng, spectral),
              Layer(Shape2d{.in = c.width, .out = c.width}, rng, spectral),
              {}};
      if (in != c.width) b.skip.emplace(Shape2d{.in = in, .out = c.width, .kernel = 1}, rng, spectral);
      blocks.push_back(std::move(b));
    }
  }
  Index features() const { return width; }

  /// [B, side, side, channels] -> [B, features]
  template <Value X>
  X operator()(const X& x, Seen<T>*) const {
    if (x.rank() != 4 || x.shape() != Shape{x.extent(0), side, side, channels})
      throw shape_error("ResidualFeatures: pictures [B, " + std::to_string(side) + ", " + std::to_string(side) + ", " +
                        std::to_string(channels) + "] wanted, shape is " + x.shape().to_string());
    constexpr T slope = T(0.2);
    X h = x;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Block& b = blocks[i];
      const X inner = b.conv2(leaky_relu(b.conv1(i == 0 ? h : leaky_relu(h, slope)), slope));
      h = average_pool(b.skip ? (*b.skip)(h) : h, 2) + average_pool(inner, 2);
    }
    return sum(leaky_relu(h, slope), {1, 2});
  }
  void update(const Seen<T>&) {}

  static void members(auto& self, auto&& see) { see("blocks", self.blocks); }
};

template <class T>
using ResidualGenerator = OneShot<T, ResidualMaker<T>>;
template <class T>
using ResidualCritic = ProjectionCritic<T, ResidualFeatures<T>>;

}  // namespace tessera::inline TESSERA_ISA
