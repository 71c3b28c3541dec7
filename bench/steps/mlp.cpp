// A small network on points of the plane: what it costs to record, unwind and update rather than to compute.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/nn/linear.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

struct PointNet {
  static constexpr const char *name = "mlp", *unit = "step/s";
  static constexpr double items = 1;

  std::vector<Linear<float>> layers;
  Tensor<float> x = Noise{2}.normal<float>({256, 2}), y = Noise{3}.normal<float>({256, 2});
  Optimizer<float> optimizer{adam(1e-4)};

  explicit PointNet(Rng& rng) {
    for (const auto& [in, out] : {std::pair{2, 64}, {64, 64}, {64, 64}, {64, 2}})
      layers.emplace_back(Linear<float>::Config{.in = in, .out = out}, rng);
  }
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      auto h = layers[0](tape.constant(x));
      for (std::size_t i = 1; i < layers.size(); ++i) h = layers[i](silu(h));
      return mse(h, y);
    });
  }
  static void members(auto& self, auto&& see) { see("layers", self.layers); }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
  }
};

}  // namespace
Entry mlp() { return entry<PointNet>(); }
}  // namespace steps
