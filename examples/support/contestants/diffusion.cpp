// Flow matching with a small U-Net given time and class.
#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/positions.hpp>
#include <tessera/nn/unet.hpp>

#include "examples/support/contestants/denoised.hpp"
#include "examples/support/contestants/learn.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index time_features = 64, width = 128, solver_steps = 20;

/// x [B, 28, 28, 1] at times t [B] of classes [B] -> velocity.
struct ClassUNet {
  Embedding<float> classes;
  Linear<float> time1, time2;
  UNet<float> unet;

  explicit ClassUNet(Rng& rng)
      : classes({.count = 10, .width = width, .deviation = 1}, rng),
        time1({.in = time_features, .out = width}, rng),
        time2({.in = width, .out = width}, rng),
        unet({.in = 1, .out = 1, .patch = 2, .channels = {32, 64}, .blocks = 1, .embedding = width}, rng) {}

  template <Value X>
  X operator()(const X& x, const Tensor<float>& t, const Ids auto& labels) const {
    const X when = time2(silu(time1(lift(x, sinusoids(t * 1000.f, time_features)))));
    return unet(x, when + classes(labels), X(), Tensor<std::uint8_t>());
  }
  static void members(auto& self, auto&& see) {
    see("classes", self.classes);
    see("time1", self.time1);
    see("time2", self.time2);
    see("unet", self.unet);
  }
};

struct DiffusionPixels : Contestant {
  ClassUNet net;

  explicit DiffusionPixels(ClassUNet n) : net(std::move(n)) {
    parameters = parameter_count(net);
    passes = solver_steps;
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    return denoised(detail::normal_rows<float>(forks(noise, labels.size()), {28, 28, 1}), times(solver_steps),
                    [&](const Tensor<float>& x, const Tensor<float>& t) { return net(x, t, labels); });
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_diffusion(const Contest& contest) {
  constexpr Index batch = 32;
  Rng rng(contest.seed);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  Index steps = 0;
  auto done = std::make_unique<DiffusionPixels>(learned(
      ClassUNet(rng), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        const auto b = flow_matching_batch(in_symmetric_interval(rows_of(contest.train, items)), at.noise);
        return mse(net(tape.constant(b.x), b.t, tape.ids(contest.conditions_of(items, at.noise))), b.velocity);
      },
      adam(2e-3), steps));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
