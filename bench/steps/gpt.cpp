// GPT-2's block at 6 layers, width 384, 6 heads, 256 characters of context, batch 8.
#include <tessera/autodiff/op/gather.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/transformer.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 8, length = 256, vocabulary = 256, width = 384;

struct Gpt {
  static constexpr const char *name = "gpt", *unit = "token/s";
  static constexpr double items = batch * length;

  Embedding<float> token;
  Parameter<float> position;
  std::vector<TransformerBlock<float>> blocks;
  LayerNorm<float> norm{{.width = width}};
  Tensor<std::int32_t> x = draw({batch, length}, vocabulary, Noise{2}), y = draw({batch, length}, vocabulary, Noise{3});
  Optimizer<float> optimizer{adamw(1e-4)};

  explicit Gpt(Rng& rng)
      : token({.count = vocabulary, .width = width}, rng), position{init::normal<float>({length, width}, 0.02, rng)} {
    for (int i = 0; i < 6; ++i)
      blocks.emplace_back(TransformerBlock<float>::Config{.width = width, .heads = 6, .causal = true}, rng);
  }
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      auto h = token(tape.ids(x));
      h = h + lift(h, position);
      for (const auto& block : blocks) h = block(h);
      h = norm(h);
      return cross_entropy(linear(h, lift(h, token.weight)), y);
    });
  }
  static void members(auto& self, auto&& see) {
    see("token", self.token);
    see("position", self.position);
    see("blocks", self.blocks);
    see("norm", self.norm);
  }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
  }
};

}  // namespace
Entry gpt() { return entry<Gpt>(); }
}  // namespace steps
