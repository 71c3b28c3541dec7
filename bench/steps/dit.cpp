// DiT-S/2 (Peebles and Xie, 2022, arXiv 2212.09748) on 32 x 32 x 4: 12 blocks of width 384, 256 tokens, modulated by time
// and class, batch 8. The sinusoidal code of time is part of the data.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/patch.hpp>
#include <tessera/nn/transformer.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 8, width = 384, tokens = 256;

struct Dit {
  static constexpr const char *name = "dit", *unit = "picture/s";
  static constexpr double items = batch;

  Linear<float> first, time1, time2;
  Parameter<float> position;
  Embedding<float> label;
  std::vector<TransformerBlock<float>> blocks;
  LayerNorm<float> norm{{.width = width, .affine = false}};
  Linear<float> modulation, last;
  Tensor<float> x = Noise{2}.normal<float>({batch, 32, 32, 4}), y = Noise{3}.normal<float>({batch, 32, 32, 4}),
                t = Noise{4}.normal<float>({batch, 256});
  Tensor<std::int32_t> labels = draw({batch}, 10, Noise{5});
  Optimizer<float> optimizer{adamw(1e-4)};

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
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      const auto patches = patchify(x, 2);
      auto h = first(tape.constant(patches.reshaped({batch, tokens, 16})));
      h = h + lift(h, position);
      const auto c = time2(silu(time1(tape.constant(t)))) + label(tape.ids(labels));
      for (const auto& block : blocks) h = block.conditioned(h, c);
      const auto m = modulation(silu(c));
      const auto shift = reshape(slice(m, 1, 0, width), {batch, 1, width});
      const auto scale = reshape(slice(m, 1, width, 2 * width), {batch, 1, width});
      const auto out = last(norm(h) * (scale + 1.f) + shift);
      return mse(unpatchify(reshape(out, {batch, 16, 16, 16}), 2), y);
    });
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
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
    see("t", self.t);
    see("labels", self.labels);
  }
};

}  // namespace
Entry dit() { return entry<Dit>(); }
}  // namespace steps
