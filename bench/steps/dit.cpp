// DiT-S/2 of dit.hpp, batch 8. The sinusoidal code of time is part of the data.
#include <tessera/autodiff/op/loss.hpp>

#include "bench/steps/dit.hpp"
#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 8;

struct Subject : bench_nets::Dit {
  static constexpr const char *name = "dit", *unit = "picture/s";
  static constexpr double items = batch;

  Tensor<float> x = Noise{2}.normal<float>({batch, 32, 32, 4}), y = Noise{3}.normal<float>({batch, 32, 32, 4}),
                t = Noise{4}.normal<float>({batch, 256});
  Tensor<std::int32_t> labels = draw({batch}, 10, Noise{5});
  Optimizer<float> optimizer{adamw(1e-4)};

  using Dit::Dit;
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      const auto patches = patchify(x, 2).reshaped({batch, tokens, 16});
      return mse((*this)(tape.constant(patches), tape.constant(t), tape.ids(labels)), y);
    });
  }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
    see("t", self.t);
    see("labels", self.labels);
  }
};

}  // namespace
Entry dit() { return entry<Subject>(); }
}  // namespace steps
