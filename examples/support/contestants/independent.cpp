// Every number's distribution over its levels at once, from the class or the text alone.
#include <tessera/nonautoregressive/independent.hpp>

#include "examples/support/contestants/context.hpp"
#include "examples/support/contestants/learn.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

struct Settings {
  std::int32_t top;  // level
  double rate;
};
// A logit for each of 3,072 numbers and 256 levels would be a hundred million weights.
constexpr Settings of_classes{.top = 255, .rate = 2e-2}, of_texts{.top = 15, .rate = 2e-3};

struct IndependentPixels : Contestant {
  Independent<float, ContextReader> net;

  explicit IndependentPixels(Independent<float, ContextReader> n) : net(std::move(n)) {
    parameters = parameter_count(net);
    if (net.config.values == 16) remark = "4 bit";
  }

  std::int32_t top() const { return static_cast<std::int32_t>(net.config.values - 1); }
  Tensor<float> draw(const Tensor<std::int32_t>& conditions, const Noise& noise) const override {
    return pictures_of_levels(net.begin(conditions, forks(noise, conditions.extent(0))).finish(), top());
  }
  std::optional<double> bits(const Captioned& tested, const Noise&) const override {
    const Tensor<float> l = net.log_prob(tested.conditions, as_units(tested.pictures, top()));
    return bits_a_number(-static_cast<double>(mean(l).item()), tested);
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_independent(const Contest& contest) {
  constexpr Index batch = 32;
  const Settings s = contest.text ? of_texts : of_classes;
  Rng rng(contest.seed);
  ContextReader reader(condition_of(contest, 10), rng);
  const IndependentConfig config{
      .item = picture_shape(contest), .values = s.top + 1, .context = reader.width(), .hidden = {}};
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  Index steps = 0;
  auto done = std::make_unique<IndependentPixels>(learned(
      Independent<float, ContextReader>(config, std::move(reader), rng), contest,
      [&](auto& tape, const auto& n, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        return independent_loss(n, tape.ids(contest.conditions_of(items, at.noise)),
                                as_units(rows_of(contest.train, items), s.top));
      },
      adam(s.rate), steps));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
