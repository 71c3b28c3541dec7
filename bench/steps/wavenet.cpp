// WaveNet (van den Oord et al., 2016, arXiv 1609.03499): two stacks of ten dilated layers, 64 channels, 64 to the skips, on
// 16,000 samples of 8 bits.
#include <tessera/autodiff/op/gated_residual.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/linear.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index length = 16000, width = 64, levels = 256;

struct WaveNet {
  static constexpr const char *name = "wavenet", *unit = "sample/s";
  static constexpr double items = length;

  Embedding<float> level;
  std::vector<Conv1d<float>> gates;
  std::vector<Linear<float>> outputs;  // to the next layer, and to the skips
  Linear<float> last1, last2;
  Tensor<std::int32_t> x = draw({1, length}, levels, Noise{2}), y = draw({1, length}, levels, Noise{3});
  Optimizer<float> optimizer{adamw(1e-4)};

  explicit WaveNet(Rng& rng)
      : level({.count = levels, .width = width, .deviation = 1}, rng),
        last1({.in = width, .out = width}, rng),
        last2({.in = width, .out = levels}, rng) {
    for (int i = 0; i < 20; ++i) {
      gates.emplace_back(
          Conv1d<float>::Config{
              .in = width, .out = 2 * width, .kernel = 2, .dilation = Index{1} << i % 10, .causal = true},
          rng);
      outputs.emplace_back(Linear<float>::Config{.in = width, .out = 2 * width}, rng);
    }
  }
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      auto h = level(tape.ids(x));
      decltype(h) skips;
      for (std::size_t i = 0; i < gates.size(); ++i) {
        auto next = gated_residual(h, std::move(skips), lift(h, gates[i].weight), lift(h, *gates[i].bias),
                                   lift(h, outputs[i].weight), lift(h, *outputs[i].bias),
                                   {.dilation = gates[i].geometry.dilation, .skip = width});
        h = std::move(next.x);
        skips = std::move(next.skip);
      }
      return cross_entropy(last2(relu(last1(relu(skips)))), y);
    });
  }
  static void members(auto& self, auto&& see) {
    see("level", self.level);
    see("gates", self.gates);
    see("outputs", self.outputs);
    see("last1", self.last1);
    see("last2", self.last2);
  }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
  }
};

}  // namespace
Entry wavenet() { return entry<WaveNet>(); }
}  // namespace steps
