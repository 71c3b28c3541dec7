// DCGAN given the class, against a projection critic under spectral norm.
#include <tessera/gan/gan.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>

#include "examples/support/contestants/learn.hpp"
#include "examples/support/gan_models.hpp"
#include "examples/support/picture_classifier.hpp"

namespace tessera::examples {

namespace {

using Maker = DcganGenerator<float>;
using Judge = DcganCritic<float>;

struct GanPixels : Contestant {
  Maker net;

  explicit GanPixels(Maker n) : net(std::move(n)) { parameters = parameter_count(net); }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    return generate(Gan(net), labels, noise);
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_gan(const Contest& contest) {
  constexpr Index batch = 64;
  Rng rng(contest.seed);
  const PictureGanSettings settings{.width = 32, .condition = fashion_condition()};
  Maker maker(generator_config(settings), rng);
  Judge judge(critic_config(settings), rng);
  EpochSampler batches(contest.train.labels.size(), batch, contest.seed);
  const auto data = [&](const TrainStep& at) {
    const Tensor<Index> items = batches(at.batch);
    return Examples<float>{in_symmetric_interval(rows_of(contest.train.pictures, items)),
                           rows_of(contest.train.labels, items)};
  };
  const auto play = [&](Maker& m, Judge& j, Index rounds) {
    auto game = adversarial(m, j, {.loss = AdversarialLoss::hinge});
    return train(game, data,
                 {.maker = gan_adam(5e-4),
                  .critic = gan_adam(5e-4),
                  .run = {.steps = rounds,
                          .ema_decay = 0.995,
                          .schedule = {.decay = Decay::linear, .hold = rounds / 2},
                          .seed = contest.seed}});
  };
  const Index rounds = steps_within(contest.seconds, [&](Index n) {
    Maker m = maker;
    Judge j = judge;
    play(m, j, n);
  });
  auto done = std::make_unique<GanPixels>(std::move(*play(maker, judge, rounds).average));
  done->steps = rounds;
  return done;
}

}  // namespace tessera::examples
