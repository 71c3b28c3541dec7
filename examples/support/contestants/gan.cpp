// DCGAN given the class, against a projection critic under spectral norm.
#include <tessera/gan/gan.hpp>

#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

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
  const auto game_of = [](Maker& m, Judge& j) { return adversarial(m, j, {.loss = AdversarialLoss::hinge}); };
  Index rounds = 0;
  auto done =
      std::make_unique<GanPixels>(learned_against(std::move(maker), std::move(judge), contest, game_of, data, rounds));
  done->steps = rounds;
  return done;
}

}  // namespace tessera::examples
