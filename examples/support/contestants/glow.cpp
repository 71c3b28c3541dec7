// Glow given the class, by its couplings and by its base distribution.
#include "examples/support/contestants/learn.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr float temperature = 0.6f;  // of the draws: likelier and less varied ones

struct GlowPixels : Contestant {
  ClassGlow net;

  explicit GlowPixels(ClassGlow n) : net(std::move(n)) {
    parameters = parameter_count(net);
    remark = "<=";
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    const Tensor<float> x = net.decode(net.prior(noise, labels.size()) * temperature, one_hot(labels));
    return clamp(x * 2.f, -1.f, 1.f);
  }
  std::optional<double> bits(const Captioned& tested, const Noise& noise) const override {
    return flow_bits(net, tested.pictures, noise, one_hot(tested.conditions));
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_glow(const Contest& contest) {
  constexpr Index batch = 32;
  Rng rng(contest.seed);
  ClassGlow flow = fashion_class_glow(4, 64, rng);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  const auto pictures = [&](const Tensor<Index>& items, const Noise& noise) {
    return for_flow(rows_of(contest.train, items), noise);
  };
  const auto context = [&](const Tensor<Index>& items) {
    return one_hot(contest.conditions_of(items, Noise{contest.seed}));
  };
  flow.initialise(pictures(batches(0), Noise{contest.seed}.fork(1)), context(batches(0)));
  Index steps = 0;
  auto done = std::make_unique<GlowPixels>(learned(
      std::move(flow), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        return flow_loss(net, tape.constant(pictures(items, at.noise)), tape.constant(context(items)));
      },
      adam(2e-3), steps));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
