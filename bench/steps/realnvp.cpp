// RealNVP (Dinh, Sohl-Dickstein and Bengio, 2016, arXiv 1605.08803) on 32 x 32 x 3: two scales of 8 affine couplings, each
// with a network of three convolutions 128 wide, batch 16.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/flow/affine.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/patch.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 16, hidden = 128;

struct Coupling {
  Conv2d<float> conv1, conv2, conv3;
  Coupling(Index c, Rng& rng)
      : conv1({.in = c / 2, .out = hidden}, rng),
        conv2({.in = hidden, .out = hidden, .kernel = 1}, rng),
        conv3({.in = hidden, .out = c, .zero = true}, rng) {}
  static void members(auto& self, auto&& see) {
    see("conv1", self.conv1);
    see("conv2", self.conv2);
    see("conv3", self.conv3);
  }
};

struct RealNvp {
  static constexpr const char *name = "realnvp", *unit = "picture/s";
  static constexpr double items = batch;

  std::vector<Coupling> couplings;
  Tensor<float> x = Noise{2}.uniform<float>({batch, 32, 32, 3});
  Optimizer<float> optimizer{adamw(1e-4)};

  explicit RealNvp(Rng& rng) {
    for (const Index channels : {12, 24}) {
      for (int i = 0; i < 8; ++i) couplings.emplace_back(channels, rng);
    }
  }
  double step() {
    return train_once(*this, optimizer, [&](auto& tape) {
      auto z = tape.constant(x);
      auto log_p = tape.constant(Tensor<float>(Shape{}, 0.f));  // of the whole batch
      for (std::size_t i = 0; i < couplings.size(); ++i) {
        if (i % 8 == 0) z = patchify(z, 2);
        const Index c = z.cols(), kept = i % 2 == 1 ? c / 2 : 0, changed = c / 2 - kept;
        const Coupling& k = couplings[i];
        const auto h = k.conv3(k.conv2.rectified(k.conv1.rectified(slice(z, 3, kept, kept + c / 2))));
        auto mapped = affine(z, h, changed, c / 2, 1.0, Direction::forward);
        z = std::move(mapped.value);
        log_p = log_p + sum(mapped.log_det);
        if (i == 7) {
          log_p = log_p - sum(square(slice(z, 3, c / 2, c))) * 0.5f;
          z = slice(z, 3, 0, c / 2);
        }
      }
      return (sum(square(z)) * 0.5f - log_p) * (1.f / batch);
    });
  }
  static void members(auto& self, auto&& see) { see("couplings", self.couplings); }
  static void data(auto& self, auto&& see) { see("x", self.x); }
};

}  // namespace
Entry realnvp() { return entry<RealNvp>(); }
}  // namespace steps
