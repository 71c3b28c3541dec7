// Units that are independent given a latent: a variational autoencoder.
#include <tessera/train/loop.hpp>
#include <tessera/vae/vae.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

namespace {
/// A token from the decoder's share of each of its values: drawn, as each unit is independent given z.
Tensor<float> drawn_tokens(const Tensor<float>& shares, const ModalForm& f, const Noise& noise) {
  Tensor<float> points(shares.shape(), -1.f);
  float* to = points.data();
  for (Index i = 0; i < shares.size() / f.values; ++i) {
    const std::span<const float> each(shares.data() + i * f.values, static_cast<std::size_t>(f.values));
    to[i * f.values + noise.categorical(each, static_cast<std::uint64_t>(i))] = 1;
  }
  return points;
}
}  // namespace

Drawn draw_latent(const StrategyTask& task) {
  const ModalForm f = form_of(task.set);
  const bool discrete = is_discrete(task.set);
  Rng rng(task.seed);
  MlpVae<float> vae({.item = {f.numbers},
                     .hidden = discrete ? std::vector<Index>{64} : std::vector<Index>{128, 128},
                     .latent = 4,
                     .likelihood = {.kind = discrete ? Likelihood::Kind::bernoulli : Likelihood::Kind::gaussian}},
                    rng);
  const Index steps = task.steps(discrete ? 4000 : 6000);
  train(vae,
        [&](auto& tape, const auto& net, const TrainStep& at) {
          Tensor<float> x = modal_points(task.set, 256, at.noise.fork(0));
          x = discrete ? x * 0.5f + 0.5f : x * 2.f;  // shares of white, or about the latent's deviation
          return elbo(net, tape.constant(x), at.noise.fork(1), {.warmup = steps / 2}, at.step).loss;
        },
        adam(3e-3), {.steps = steps, .clip_norm = 10, .schedule = {.decay = Decay::cosine}, .seed = task.seed});
  const Noise noise = Noise{task.seed}.fork(5);
  const Tensor<float> h = vae.decoded(vae.prior(noise, task.count));
  const Likelihood& likelihood = vae.config.likelihood;
  if (task.set == Modal::sentence) return {drawn_tokens(likelihood.mean(h), f, noise), 1};
  const Tensor<float> x = likelihood.sample(h, noise);
  return {discrete ? x * 2.f - 1.f : x * 0.5f, 1};
}

}  // namespace tessera::examples
