// DCGAN given the class or the text, against a projection critic under spectral norm. Given a text the critic is also
// shown real pictures under others' texts, to reject (Reed et al., 2016, arXiv 1605.05396); the same without is another
// contestant.
#include <tessera/gan/gan.hpp>

#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

using Maker = DcganGenerator<float>;

struct GanPixels : Contestant {
  Maker net;

  explicit GanPixels(Maker n) : net(std::move(n)) { parameters = parameter_count(net); }

  Tensor<float> draw(const Tensor<std::int32_t>& conditions, const Noise& noise) const override {
    return generate(Gan(net), conditions, noise);
  }
};

std::unique_ptr<Contestant> learn(const Contest& contest, bool matching) {
  const Index batch = contest.text ? 32 : 64;
  // Under spectral norm a critic learns slowly: at the generator's own rate it lets a few pictures a class pass for all.
  constexpr Rates rates{.maker = 2e-3, .critic = 4e-3};
  Rng rng(contest.seed);
  Maker maker(generator_config(gan_settings(contest)), rng);
  PictureCritic critic = new_critic(contest, rng);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  const auto data = [&](const TrainStep& at) {
    const Tensor<Index> items = batches(at.batch);
    return Examples<float>{in_symmetric_interval(rows_of(contest.train, items)),
                           contest.conditions_of(items, at.noise.fork(3))};
  };
  const auto game_of = [&](Maker& m, PictureCritic& c) {
    return adversarial(m, c, {.loss = AdversarialLoss::hinge, .matching = matching});
  };
  Index rounds = 0;
  auto done = std::make_unique<GanPixels>(
      learned_against(std::move(maker), std::move(critic), contest, game_of, data, rounds, rates));
  done->steps = rounds;
  return done;
}

}  // namespace

std::unique_ptr<Contestant> learn_gan(const Contest& contest) { return learn(contest, contest.text); }
std::unique_ptr<Contestant> learn_gan_unmatched(const Contest& contest) { return learn(contest, false); }

}  // namespace tessera::examples
