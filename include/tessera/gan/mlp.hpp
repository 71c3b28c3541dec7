// Bodies of fully connected layers, for points and other small objects.
#pragma once

#include <tessera/gan/networks.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// Biases in +-1/sqrt(fan in) instead of 0, as common frameworks have it: with few inputs all corners of the rectifiers
/// would else go through the origin, and the place where the data's modes differ is elsewhere.
template <class T>
void spread_bias(Linear<T>& layer, Rng& rng) {
  const double bound = 1 / std::sqrt(static_cast<double>(layer.weight.value.extent(1)));
  layer.bias->value = init::uniform<T>(layer.bias->value.shape(), bound, rng);
}
}  // namespace detail

/// [B, inputs] -> [B, out]: hidden layers with a leaky rectifier, a linear last one.
template <class T>
struct MlpMaker {
  struct Config {
    Index out = 2, width = 128, depth = 3;  // depth: hidden layers
    double slope = 0.2;
  };

  std::vector<Linear<T>> layers;
  T slope;

  MlpMaker(const Config& c, Index inputs, Rng& rng) : slope(static_cast<T>(c.slope)) {
    if (c.out < 1 || c.width < 1 || c.depth < 1) throw argument_error("MlpMaker: out, width and depth are at least 1");
    for (Index i = 0; i <= c.depth; ++i) {
      layers.emplace_back(
          typename Linear<T>::Config{.in = i == 0 ? inputs : c.width, .out = i == c.depth ? c.out : c.width}, rng);
      detail::spread_bias(layers.back(), rng);
    }
  }
  template <Value X>
  X operator()(const X& z, Seen<T>*) const {
    X h = z;
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) h = leaky_relu(layers[i](h), slope);
    return layers.back()(h);
  }
  void update(const Seen<T>&) {}
  static void members(auto& self, auto&& see) { see("layers", self.layers); }
};

/// [B, ...] -> [B, width], flattened first.
template <class T>
struct MlpFeatures {
  struct Config {
    Index in = 2, width = 128, depth = 3;  // in: numbers of one object
    double slope = 0.2;
  };

  std::vector<SpectralNorm<Linear<T>>> layers;
  Index in, width;
  T slope;

  MlpFeatures(const Config& c, bool spectral, Rng& rng) : in(c.in), width(c.width), slope(static_cast<T>(c.slope)) {
    if (c.in < 1 || c.width < 1 || c.depth < 1) throw argument_error("MlpFeatures: in, width and depth are at least 1");
    for (Index i = 0; i < c.depth; ++i) {
      layers.emplace_back(typename Linear<T>::Config{.in = i == 0 ? c.in : c.width, .out = c.width}, rng, spectral);
      detail::spread_bias(layers.back().layer, rng);
    }
  }
  Index features() const { return width; }
  template <Value X>
  X operator()(const X& x, Seen<T>*) const {
    if (x.rank() < 1 || x.size() != x.extent(0) * in)
      throw shape_error("MlpFeatures: objects of " + std::to_string(in) + " numbers wanted, shape is " +
                        x.shape().to_string());
    X h = reshape(x, {x.extent(0), in});
    for (const auto& layer : layers) h = leaky_relu(layer(h), slope);
    return h;
  }
  void update(const Seen<T>&) {}
  static void members(auto& self, auto&& see) { see("layers", self.layers); }
};

template <class T>
using MlpGenerator = OneShot<T, MlpMaker<T>>;
template <class T>
using MlpCritic = ProjectionCritic<T, MlpFeatures<T>>;

}  // namespace tessera::inline TESSERA_ISA
