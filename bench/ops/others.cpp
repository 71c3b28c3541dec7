// Random numbers, and one step of AdamW.
#include <memory>
#include <tessera/core/noise.hpp>
#include <tessera/train/optimizer.hpp>

#include "bench/ops/op.hpp"

namespace ops {
namespace {

std::span<const float> nothing() { return {}; }  // random numbers are not compared: tests do that

Op fill(bool normal) {
  const auto y = std::make_shared<Tensor<float>>(Shape{Index{1} << 20});
  Op op{normal ? "normal_1M" : "uniform_1M", "Gelem/s", 1e-9 * static_cast<double>(y->size()), {}};
  op.sides.push_back({"tessera", [=] { normal ? Noise{1}.normal(y->span()) : Noise{1}.uniform(y->span()); }, nothing});
  return op;
}

struct Weights {
  Parameter<float> w;
  static void members(auto& self, auto&& see) { see("w", self.w); }
};

/// 10 M parameters: reads x, g, m, v and writes x, m, v: 28 bytes each.
Op adamw_step() {
  const Index count = 10'000'000;
  struct State {
    Weights net;
    Gradients<float> gradients;
    Optimizer<float> optimizer{adamw(1e-3)};
  };
  const auto state = std::make_shared<State>();
  state->net.w.value = numbers({count / 1000, 1000}, 1);
  Tape<Tensor<float>> tape;
  const auto w = lift(tape.constant(state->net.w.value), state->net.w);
  tape.backward(w, numbers({count / 1000, 1000}, 2));
  state->gradients.add(state->net, tape);
  Op op{"adamw_10M", "GB/s", 28e-9 * static_cast<double>(count), {}};
  op.sides.push_back({"tessera", [=] { state->optimizer.step(state->net, state->gradients); }, nothing});
  return op;
}

}  // namespace

std::vector<Make> others() {
  return {[] { return fill(true); }, [] { return fill(false); }, adamw_step};
}

}  // namespace ops
