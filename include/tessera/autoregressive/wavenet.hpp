// WaveNet: a model of raw sound, one sample after another (van den Oord et al., 2016, arXiv 1609.03499).
//
//   p(x) = prod_t p(x_t | x_<t, c),   x_t one of 256 mu-law levels
//   layer:  z_t = tanh(F [x_(t-d), x_t] + ...) sigmoid(G [x_(t-d), x_t] + ...),   d = 1, 2, 4, ..., 512, 1, 2, ...
//           x_t += R z_t,   skip_t += S z_t                       gates and filters are one product, so are R and S
//   logits_t = L relu(P relu(skip_t))
// With 2 x 10 layers a sample sees the 2,047 before it.
//
// The condition c is a row of features a frame, `hop` samples long, added to every layer's filter and gate through a
// matrix of the layer's own: the paper's local conditioning, with repetition for its transposed convolution. What holds
// for the whole sound (a speaker) is a feature that stays the same, which is the paper's global conditioning term for
// term. Differs from the paper: the first layer is a table of one vector a level (a convolution of width 1 over one-hot
// levels, not 2), and the last layer, whose residual output nobody reads, has none.
//
//   WaveNet<float> net({.condition = 32, .hop = 80}, rng);
//   auto loss = cross_entropy(net(tape.ids(net.delayed(units)), frames), units);    // units [B, T]
// frames are [B, T / hop, C]. Fast generation is in wavenet_decoder.hpp.
#pragma once

#include <optional>
#include <string>
#include <tessera/autodiff/op/gated_residual.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/linear.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct WaveNetConfig {
  Index classes = 256;  // levels a sample
  Index residual = 64;  // channels between layers
  Index skip = 64;      // channels of the sum that the logits are made from
  Index cycles = 2;     // times the dilations run through
  Index depth = 10;     // dilations 1, 2, ..., 2^(depth - 1)
  Index condition = 0;  // features a frame; 0: none
  Index hop = 1;        // samples a frame
  Index start = 128;    // the level before the first sample: silence

  Index layers() const { return cycles * depth; }
  Index dilation(Index layer) const { return Index{1} << (layer % depth); }
  /// Samples, counted back from the one that comes next, that it depends on.
  Index reach() const { return cycles * ((Index{1} << depth) - 1) + 1; }

  /// Throws argument_error for a field out of range.
  void check() const {
    const auto within = [](const char* name, Index x, Index low, Index high) {
      if (x < low || x > high)
        throw argument_error(std::string("WaveNet: ") + name + " is " + std::to_string(x) + ", wanted " +
                             std::to_string(low) + " to " + std::to_string(high));
    };
    within("classes", classes, 2, 65536);
    within("residual", residual, 1, 4096);
    within("skip", skip, 1, 4096);
    within("cycles", cycles, 1, 64);
    within("depth", depth, 1, 20);
    within("condition", condition, 0, 4096);
    within("hop", hop, 1, 1 << 20);
    within("start", start, 0, classes - 1);
  }
};

template <class T>
struct WaveNetLayer {
  Conv1d<T> gates;                     // R -> 2R, dilated; filters, then gates
  std::optional<Linear<T>> condition;  // C -> 2R
  std::optional<Parameter<T>> bias;    // [2R], of the gates; with a condition that one has it
  Linear<T> mix;                       // R -> [R +] S

  WaveNetLayer(const WaveNetConfig& c, Index layer, Rng& rng)
      : gates({.in = c.residual,
               .out = 2 * c.residual,
               .kernel = 2,
               .dilation = c.dilation(layer),
               .causal = true,
               .bias = false},
              rng),
        mix({.in = c.residual, .out = (layer + 1 < c.layers() ? c.residual : 0) + c.skip}, rng) {
    if (c.condition > 0)
      condition.emplace(typename Linear<T>::Config{.in = c.condition, .out = 2 * c.residual}, rng);
    else
      bias = Parameter<T>{init::zeros<T>({2 * c.residual})};
  }

  static void members(auto& self, auto&& see) {
    see("gates", self.gates);
    see("condition", self.condition);
    see("bias", self.bias);
    see("mix", self.mix);
  }
};

template <class T>
struct WaveNet {
  WaveNetConfig config;
  Embedding<T> embedding;
  std::vector<WaveNetLayer<T>> layers;
  Linear<T> post, last;

  WaveNet(const WaveNetConfig& c, Rng& rng)
      : config((c.check(), c)),
        embedding({.count = c.classes, .width = c.residual, .deviation = 0.5}, rng),
        layers(make_layers(c, rng)),
        post({.in = c.skip, .out = c.skip}, rng),
        last({.in = c.skip, .out = c.classes}, rng) {}

  /// What the network reads when these are to be predicted: the level before each, `start` before the first. [B, T]
  Tensor<std::int32_t> delayed(const Tensor<std::int32_t>& units) const {
    if (units.rank() != 2) throw shape_error("WaveNet: units [B, T] wanted, shape is " + units.shape().to_string());
    Tensor<std::int32_t> before(units.shape());
    std::int32_t* to = before.data();
    const Index length = units.extent(1);
    for (Index i = 0; i < units.size(); ++i)
      to[i] = i % length == 0 ? static_cast<std::int32_t>(config.start) : units[i - 1];
    return before;
  }

  /// ids [B, T] as delayed() gives them, frames [B, T / hop, C] -> logits [B, T, classes]. Throws shape_error.
  template <Ids I, Value X>
  X operator()(const I& ids, const X& frames) const {
    const Index batch = ids.extent(0), length = ids.extent(1), hop = config.hop;
    if (config.condition > 0 && frames.shape() != Shape{batch, length / hop, config.condition})
      throw shape_error("WaveNet: frames [" + std::to_string(batch) + ", " + std::to_string(length / hop) + ", " +
                        std::to_string(config.condition) + "] wanted for " + std::to_string(length) +
                        " samples, shape is " + frames.shape().to_string());
    if (config.condition > 0 && length % hop != 0)
      throw shape_error("WaveNet: " + std::to_string(length) + " samples are not whole frames of " +
                        std::to_string(hop));
    X x = embedding(ids);  // [B, T, R]
    X skip;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const WaveNetLayer<T>& layer = layers[i];
      const X shift =
          layer.condition ? (*layer.condition)(frames) : X(lift(x, *layer.bias));  // [B, T / hop, 2R] or [2R]
      auto y = gated_residual(x, std::move(skip), lift(x, layer.gates.weight), shift, lift(x, layer.mix.weight),
                              lift(x, *layer.mix.bias), {config.dilation(static_cast<Index>(i)), config.skip});
      x = std::move(y.x);  // none after the last layer
      skip = std::move(y.skip);
    }
    return last(relu(post(relu(skip))));
  }
  /// Without a condition.
  template <Ids I>
  auto operator()(const I& ids) const {
    if (config.condition > 0)
      throw shape_error("WaveNet: frames of " + std::to_string(config.condition) + " features wanted, none given");
    using X = decltype(embedding(ids));
    return (*this)(ids, X{});
  }

  static void members(auto& self, auto&& see) {
    see("embedding", self.embedding);
    see("layers", self.layers);
    see("post", self.post);
    see("last", self.last);
  }

 private:
  static std::vector<WaveNetLayer<T>> make_layers(const WaveNetConfig& c, Rng& rng) {
    std::vector<WaveNetLayer<T>> layers;
    layers.reserve(static_cast<std::size_t>(c.layers()));
    for (Index i = 0; i < c.layers(); ++i) layers.emplace_back(c, i, rng);
    return layers;
  }
};

}  // namespace tessera::inline TESSERA_ISA
