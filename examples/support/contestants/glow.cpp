// Glow given the class, by its couplings and by its base distribution; by its likelihood alone, and with a critic of what
// it makes (Grover, Dhar and Ermon, 2017, arXiv 1705.08868; here under spectral norm, and after the likelihood has had
// its share of the time).
#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr float temperature = 0.6f;  // of the draws: likelier and less varied ones
constexpr Index batch = 32;

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

/// Draws as they are in the end, for the critic, and the likelihood of the batch, in nats a number.
struct DrawAndLikelihood {
  double weight;  // of the likelihood

  template <class T>
  Pass<Var<Tensor<T>>> operator()(Tape<Tensor<T>>& tape, const ClassGlow& net, const Examples<T>& examples,
                                  const Noise& noise, Seen<T>&) const {
    const auto context = tape.constant(one_hot(examples.condition));
    const Index count = examples.real.extent(0);
    const auto z = tape.constant(net.prior(noise, count) * temperature);
    const auto own = flow_loss(net, tape.constant(examples.real * T(0.5)), context);
    return {net.decode(z, context) * T(2),
            own * static_cast<T>(weight / static_cast<double>(examples.real.size() / count))};
  }
};

/// By its likelihood alone, for a share of the contest's time.
ClassGlow learned_glow(const Contest& contest, Index& steps, double share = 1) {
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
  return learned(
      std::move(flow), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        return flow_loss(net, tape.constant(pictures(items, at.noise)), tape.constant(context(items)));
      },
      adam(2e-3), steps, share);
}

}  // namespace

std::unique_ptr<Contestant> learn_glow(const Contest& contest) {
  Index steps = 0;
  auto done = std::make_unique<GlowPixels>(learned_glow(contest, steps));
  done->steps = steps;
  return done;
}

std::unique_ptr<Contestant> learn_glow_gan(const Contest& contest) {
  constexpr double alone = 0.5;  // of the time
  Index steps = 0, rounds = 0;
  auto done = std::make_unique<GlowPixels>(sharpened(
      learned_glow(contest, steps, alone), contest, batch, alone,
      [](const Tensor<std::uint8_t>& pictures, const Noise& noise) { return for_flow(pictures, noise) * 2.f; },
      {.loss = AdversarialLoss::hinge}, DrawAndLikelihood{0.05}, rounds));
  done->steps = steps + rounds;
  return done;
}

}  // namespace tessera::examples
