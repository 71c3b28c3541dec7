// Every pixel's distribution over 256 levels at once, from the class alone.
#include <tessera/nonautoregressive/independent.hpp>

#include "examples/support/contestants/learn.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

Tensor<std::int32_t> as_units(const Tensor<std::uint8_t>& levels) {
  Tensor<std::int32_t> units(levels.shape());
  std::int32_t* to = units.data();
  for (Index i = 0; i < levels.size(); ++i) to[i] = levels[i];
  return units;
}

struct IndependentPixels : Contestant {
  Independent<float> net;

  explicit IndependentPixels(Independent<float> n) : net(std::move(n)) { parameters = parameter_count(net); }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    return pictures_of_levels(net.begin(labels, forks(noise, labels.size())).finish(), 255);
  }
  std::optional<double> bits(const Contest& contest) const override {
    const Tested tested(contest);
    const Tensor<float> l = net.log_prob(tested.labels, as_units(tested.pictures));
    return bits_a_pixel(-static_cast<double>(mean(l).item()));
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_independent(const Contest& contest) {
  constexpr Index batch = 32;
  Rng rng(contest.seed);
  Independent<float> net({.item = {28, 28, 1}, .values = 256, .context = 10, .hidden = {}},
                         ClassReader<float>({.classes = 10, .width = 10}, rng), rng);
  EpochSampler batches(contest.train.labels.size(), batch, contest.seed);
  Index steps = 0;
  auto done = std::make_unique<IndependentPixels>(learned(
      std::move(net), contest,
      [&](auto& tape, const auto& n, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        return independent_loss(n, tape.ids(rows_of(contest.train.labels, items)),
                                as_units(rows_of(contest.train.pictures, items)));
      },
      adam(2e-2), steps));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
