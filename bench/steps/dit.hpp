// DiT-S/2 (Peebles and Xie, 2022, arXiv 2212.09748) on 32 x 32 x 4: 12 blocks of width 384, 256 tokens, modulated by time
// and class. What is timed in training (dit.cpp) and in generation (bench/generation).
#pragma once

#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/patch.hpp>
#include <tessera/nn/transformer.hpp>
#include <vector>

namespace bench_nets {

using namespace tessera;

struct Dit {
  static constexpr Index width = 384, tokens = 256;

  Linear<float> first, time1, time2;
  Parameter<float> position;
  Embedding<float> label;
  std::vector<TransformerBlock<float>> blocks;
  LayerNorm<float> norm{{.width = width, .affine = false}};
  Linear<float> modulation, last;

  explicit Dit(Rng& rng)
      : first({.in = 16, .out = width}, rng),
        time1({.in = 256, .out = width}, rng),
        time2({.in = width, .out = width}, rng),
        position{init::normal<float>({tokens, width}, 0.02, rng)},
        label({.count = 11, .width = width}, rng),
        modulation({.in = width, .out = 2 * width, .zero = true}, rng),
        last({.in = width, .out = 16, .zero = true}, rng) {
    for (int i = 0; i < 12; ++i)
      blocks.emplace_back(
          TransformerBlock<float>::Config{
              .width = width, .heads = 6, .condition = width, .activation = Activation::gelu_tanh},
          rng);
  }
  /// patches [B, tokens, 16], codes of time [B, 256], labels [B] -> [B, 32, 32, 4]
  template <Value X, Ids I>
  X operator()(const X& patches, const X& code, const I& labels) const {
    const Index batch = patches.extent(0);
    X h = first(patches);
    h = h + lift(h, position);
    const X c = time2(silu(time1(code))) + label(labels);
    for (const auto& block : blocks) h = block.conditioned(h, c);
    const X m = modulation(silu(c));
    const X shift = reshape(slice(m, 1, 0, width), {batch, 1, width});
    const X scale = reshape(slice(m, 1, width, 2 * width), {batch, 1, width});
    const X out = last(norm(h) * (scale + 1.f) + shift);
    return unpatchify(reshape(out, {batch, 16, 16, 16}), 2);
  }
  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("time1", self.time1);
    see("time2", self.time2);
    see("position", self.position);
    see("label", self.label);
    see("blocks", self.blocks);
    see("modulation", self.modulation);
    see("last", self.last);
  }
};

}  // namespace bench_nets
