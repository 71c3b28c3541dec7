// A convolutional VAE (Kingma and Welling, 2013, arXiv 1312.6114) on 28 x 28, 16 latents, batch 128.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 128, latent = 16;

struct ConvVae {
  static constexpr const char *name = "vae", *unit = "picture/s";
  static constexpr double items = batch;

  Conv2d<float> down1, down2;
  Linear<float> in1, in2, out1, out2;
  ConvTranspose2d<float> up1, up2;
  Tensor<float> x = Noise{2}.uniform<float>({batch, 28, 28, 1}), noise = Noise{3}.normal<float>({batch, latent});
  Optimizer<float> optimizer{adamw(1e-4)};

  explicit ConvVae(Rng& rng)
      : down1({.in = 1, .out = 32, .kernel = 4, .stride = 2, .padding = 1}, rng),
        down2({.in = 32, .out = 64, .kernel = 4, .stride = 2, .padding = 1}, rng),
        in1({.in = 3136, .out = 256}, rng),
        in2({.in = 256, .out = 2 * latent}, rng),
        out1({.in = latent, .out = 256}, rng),
        out2({.in = 256, .out = 3136}, rng),
        up1({.in = 64, .out = 32}, rng),
        up2({.in = 32, .out = 1}, rng) {}
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      const auto features = down2.rectified(down1.rectified(tape.constant(x))).open();
      const auto code = in2(relu(in1(reshape(features, {batch, 3136}))));
      const auto mean_ = slice(code, 1, 0, latent), log_variance = slice(code, 1, latent, 2 * latent);
      const auto z = mean_ + exp(log_variance * 0.5f) * noise;
      const auto h = reshape(relu(out2(relu(out1(z)))), {batch, 7, 7, 64});
      const auto logits = up2(up1.rectified(h));
      return bce_logits(logits, x) * 784.f + gaussian_kl(mean_, log_variance);
    });
  }
  static void members(auto& self, auto&& see) {
    see("down1", self.down1);
    see("down2", self.down2);
    see("in1", self.in1);
    see("in2", self.in2);
    see("out1", self.out1);
    see("out2", self.out2);
    see("up1", self.up1);
    see("up2", self.up2);
  }
  static void data(auto& self, auto&& see) {
    see("x", self.x);
    see("noise", self.noise);
  }
};

}  // namespace
Entry vae() { return entry<ConvVae>(); }
}  // namespace steps
