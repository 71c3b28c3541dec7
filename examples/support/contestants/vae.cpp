// A convolutional VAE given the class, by itself and with a critic of what it makes of the prior's draws (VAE-GAN after
// Larsen et al., 2015, arXiv 1512.09300; here the pixels' likelihood stays, and the critic sees draws only).
#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index batch = 64, latent = 32;
// The class is worth 2.3 nats of 2,000 a picture: at beta 1 the latent says it too, and then the decoder does not listen
// to what was asked for.
constexpr double beta = 4;
using Net = ConvVae<float>;

Net new_vae(const Contest& contest) {
  Rng rng(contest.seed);
  return Net(fashion_vae({.likelihood = "logistic", .latent = latent, .hidden = 256, .classes = true}), rng);
}

struct VaePixels : Contestant {
  Net net;

  explicit VaePixels(Net n) : net(std::move(n)) {
    parameters = parameter_count(net);
    remark = "<=";
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    return clamp(net.decode(net.prior(noise, labels.size()), one_hot(labels)), -1.f, 1.f);
  }
  std::optional<double> bits(const Contest& contest) const override {
    const Tested tested(contest);
    const Tensor<float> x = for_likelihood(tested.pictures, Likelihood::Kind::logistic);
    double nats = 0;
    for (Index at = 0; at < contest.tested; at += 100) {
      const Index end = std::min(at + 100, contest.tested);
      const Tensor<float> bound =
          importance_bound(net, slice(x, 0, at, end), 20, Noise{contest.seed}.fork(static_cast<std::uint64_t>(at)),
                           one_hot(slice(tested.labels, 0, at, end)));
      nats -= static_cast<double>(sum(bound).item()) / static_cast<double>(contest.tested);
    }
    return bits_a_pixel(nats);
  }
};

/// Draws from the prior for the critic, and the bound of the batch, in nats a pixel.
struct DrawAndBound {
  double weight;  // of the bound

  template <class T, class Model>
  Pass<Var<Tensor<T>>> operator()(Tape<Tensor<T>>& tape, const Model& model, const Examples<T>& examples,
                                  const Noise& noise, Seen<T>&) const {
    const auto context = tape.constant(one_hot(examples.condition));
    const auto z = tape.constant(model.prior(noise.fork(0), examples.real.extent(0)));
    const auto own = elbo(model, tape.constant(examples.real), noise.fork(1), {}, 0, context).loss;
    return {model.decode(z, context), own * static_cast<T>(weight / (28 * 28))};
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_vae(const Contest& contest) {
  EpochSampler batches(contest.train.labels.size(), batch, contest.seed);
  Index steps = 0;
  auto done = std::make_unique<VaePixels>(learned(
      new_vae(contest), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        const auto x =
            tape.constant(for_likelihood(rows_of(contest.train.pictures, items), Likelihood::Kind::logistic));
        const auto context = tape.constant(one_hot(rows_of(contest.train.labels, items)));
        return elbo(net, x, at.noise, {.beta = beta}, at.step, context).loss;
      },
      adam(2e-3), steps));
  done->steps = steps;
  return done;
}

std::unique_ptr<Contestant> learn_vae_gan(const Contest& contest) {
  Net vae = new_vae(contest);
  Rng rng(contest.seed + 1);
  DcganCritic<float> critic(critic_config({.width = 32, .condition = fashion_condition()}), rng);
  EpochSampler batches(contest.train.labels.size(), batch, contest.seed);
  const auto data = [&](const TrainStep& at) {
    const Tensor<Index> items = batches(at.batch);
    return Examples<float>{for_likelihood(rows_of(contest.train.pictures, items), Likelihood::Kind::logistic),
                           rows_of(contest.train.labels, items)};
  };
  const auto game_of = [](Net& net, DcganCritic<float>& judge) {
    return adversarial(net, judge, {.loss = AdversarialLoss::hinge}, DrawAndBound{0.05});
  };
  Index rounds = 0;
  auto done =
      std::make_unique<VaePixels>(learned_against(std::move(vae), std::move(critic), contest, game_of, data, rounds));
  done->steps = rounds;
  return done;
}

}  // namespace tessera::examples
