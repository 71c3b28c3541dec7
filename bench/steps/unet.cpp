// The U-Net of DDPM, batch 16. The sinusoidal code of time is part of the data.
#include <tessera/autodiff/op/loss.hpp>

#include "bench/steps/step.hpp"
#include "bench/unet.hpp"

namespace steps {
namespace {

constexpr Index batch = 16;

struct Subject : bench_nets::Ddpm {
  static constexpr const char *name = "unet", *unit = "picture/s";
  static constexpr double items = batch;

  Tensor<float> x = Noise{2}.normal<float>({batch, 32, 32, 3}), y = Noise{3}.normal<float>({batch, 32, 32, 3}),
                t = Noise{4}.normal<float>({batch, Ddpm::base});
  Optimizer<float> optimizer{adamw(1e-4)};

  using Ddpm::Ddpm;
  double step() {
    return train_once(*this, optimizer,
                      [&](auto& tape) { return mse((*this)(tape.constant(x), tape.constant(t)), y); });
  }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("y", self.y);
    see("t", self.t);
  }
};

}  // namespace
Entry unet() { return entry<Subject>(); }
}  // namespace steps
