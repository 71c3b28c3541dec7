// A convolutional VAE given the class or the text, by itself and with a critic of what it makes of the prior's draws
// (VAE-GAN after Larsen et al., 2015, arXiv 1512.09300; here the pixels' likelihood stays, the critic sees draws only,
// and it joins in when the VAE has learned for a while).
#include <tessera/generate/conditioned.hpp>

#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

struct Settings {
  Index batch, latent, hidden;
  std::vector<Index> channels;
  // What is asked for is worth a few nats of some thousand a picture: at beta 1 the latent says it too, and then the
  // decoder does not listen to what was asked for.
  double beta;
};
Settings settings_of(const Contest& contest) {
  if (contest.text) return {.batch = 32, .latent = 32, .hidden = 512, .channels = {32, 64, 128}, .beta = 20};
  return {.batch = 64, .latent = 32, .hidden = 256, .channels = {32, 64}, .beta = 4};
}

using Net = Conditioned<ConvVae<float>, ContextReader>;

Net new_vae(const Contest& contest) {
  Rng rng(contest.seed);
  const Settings s = settings_of(contest);
  ContextReader reader = ContextReader::plain_classes(contest, rng);
  const VaeConfig config{.item = picture_shape(contest),
                         .hidden = {s.hidden},
                         .channels = s.channels,
                         .latent = s.latent,
                         .context = reader.width(),
                         .likelihood = {.kind = Likelihood::Kind::logistic}};
  return Net(ConvVae<float>(config, rng), std::move(reader));
}
Tensor<float> numbers(const Tensor<std::uint8_t>& pictures) {
  return for_likelihood(pictures, Likelihood::Kind::logistic);
}

struct VaePixels : Contestant {
  Net net;

  explicit VaePixels(Net n) : net(std::move(n)) {
    parameters = parameter_count(net);
    remark = "<=";
  }

  Tensor<float> draw(const Tensor<std::int32_t>& conditions, const Noise& noise) const override {
    return clamp(net.decode(net.model.prior(noise, conditions.extent(0)), conditions), -1.f, 1.f);
  }
  std::optional<double> bits(const Captioned& tested, const Noise& noise) const override {
    const Tensor<float> x = numbers(tested.pictures);
    const Index n = x.extent(0);
    double nats = 0;
    for (Index at = 0; at < n; at += 100) {
      const Index end = std::min(at + 100, n);
      const Tensor<float> bound =
          importance_bound(net.model, slice(x, 0, at, end), 20, noise.fork(static_cast<std::uint64_t>(at)),
                           net.context(slice(tested.conditions, 0, at, end)));
      nats -= static_cast<double>(sum(bound).item()) / static_cast<double>(n);
    }
    return bits_a_number(nats, tested);
  }
};

/// Draws from the prior for the critic, and the bound of the batch, in nats a number.
struct DrawAndBound {
  double weight;  // of the bound

  template <class T>
  Pass<Var<Tensor<T>>> operator()(Tape<Tensor<T>>& tape, const Net& net, const Examples<T>& examples,
                                  const Noise& noise, Seen<T>&) const {
    const auto context = net.context(tape.ids(examples.condition));
    const Index count = examples.real.extent(0);
    const auto z = tape.constant(net.model.prior(noise.fork(0), count));
    const auto own = elbo(net.model, tape.constant(examples.real), noise.fork(1), {}, 0, context).loss;
    return {net.model.decode(z, context),
            own * static_cast<T>(weight / static_cast<double>(examples.real.size() / count))};
  }
};

/// A VAE by its bound alone, for a share of the contest's time.
Net learned_vae(const Contest& contest, Index& steps, double share = 1) {
  const Settings s = settings_of(contest);
  EpochSampler batches(contest.train.extent(0), s.batch, contest.seed);
  return learned(
      new_vae(contest), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        const auto x = tape.constant(numbers(rows_of(contest.train, items)));
        const auto context = net.context(tape.ids(contest.conditions_of(items, at.noise.fork(3))));
        return elbo(net.model, x, at.noise, {.beta = s.beta}, at.step, context).loss;
      },
      adam(2e-3), steps, share);
}

}  // namespace

std::unique_ptr<Contestant> learn_vae(const Contest& contest) {
  Index steps = 0;
  auto done = std::make_unique<VaePixels>(learned_vae(contest, steps));
  done->steps = steps;
  return done;
}

// The critic comes when the decoder listens to its latent already: from the first step on, it is pleased by one picture
// a class, and the latent is forgotten.
std::unique_ptr<Contestant> learn_vae_gan(const Contest& contest) {
  constexpr double alone = 0.25;  // of the time
  Index steps = 0, rounds = 0;
  auto done = std::make_unique<VaePixels>(sharpened(
      learned_vae(contest, steps, alone), contest, settings_of(contest).batch, alone,
      [](const Tensor<std::uint8_t>& pictures, const Noise&) { return numbers(pictures); },
      {.loss = AdversarialLoss::hinge, .matching = contest.text}, DrawAndBound{0.05}, rounds));
  done->steps = steps + rounds;
  return done;
}

}  // namespace tessera::examples
