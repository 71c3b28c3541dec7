// The variational autoencoder (Kingma and Welling, 2013, arXiv 1312.6114; Rezende et al., 2014, arXiv 1401.4082).
//
//   z = mean(x) + deviation(x) e, e ~ N(0, 1)     log p(x) >= E log p(x | z) - KL(q(z | x) || p(z))
//
// Seen as an extractor: a caption says little of a picture, and what it leaves out has to come from somewhere. In
// training the encoder extracts it from the picture into z, and the KL term makes it pay for every nat; in generation
// nobody knows it, so z is drawn at random. The dearer z is (beta), the less is extracted, and the more the decoder has
// to average: blur.
//
//   loss = -log p(x | z) + beta min(1, (step + 1) / warmup) KL
//          beta: Higgins et al., 2017; warm-up: Bowman et al., 2015, arXiv 1511.06349. With free bits a latent
//          dimension's KL, averaged over the batch, counts only beyond `free_nats` (Kingma et al., 2016, arXiv
//          1606.04934): no gain in closing it.
//   importance_bound: log 1/k sum_i p(x, z_i) / q(z_i | x), which grows with k towards log p(x) (Burda et al., 2015,
//          arXiv 1509.00519); also a training loss.
//
// Prior::uniform: z in (-1, 1), z = tanh(a / 2) of a normal a. Then p(a) is the standard logistic distribution, the KL
// to it has no closed form, and one draw of log q(a) - log p(a), its entropy part exact, estimates it.
#pragma once

#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/generate/latent.hpp>
#include <tessera/vae/likelihood.hpp>
#include <tessera/vae/networks.hpp>

namespace tessera::inline TESSERA_ISA {

struct VaeConfig {
  enum class Prior { normal, uniform };

  Shape item = {28, 28, 1};
  std::vector<Index> hidden = {400};       // dense widths; a convolutional one has one
  std::vector<Index> channels = {32, 64};  // convolutional only
  Index latent = 20;
  Index context = 0;  // width of the condition; 0: none
  Likelihood likelihood = {};
  Prior prior = Prior::normal;

  VaeNetConfig nets() const { return {item, likelihood.parameters(), hidden, channels, latent, context}; }
};

struct ElboOptions {
  double beta = 1;
  Index warmup = 0;      // steps in which the KL's weight grows from 0 to beta
  double free_nats = 0;  // a latent dimension's KL up to here costs nothing

  /// Throws argument_error for one that makes no sense.
  void check() const {
    if (!(beta >= 0) || warmup < 0 || !(free_nats >= 0))
      throw argument_error("elbo: beta " + std::to_string(beta) + ", warmup " + std::to_string(warmup) +
                           " and free_nats " + std::to_string(free_nats) + "; wanted 0 or more of each");
  }
  double weight(Index step) const {
    return warmup > 0 && step < warmup ? beta * static_cast<double>(step + 1) / static_cast<double>(warmup) : beta;
  }
};

/// Means over the batch, in nats.
template <Value X>
struct Elbo {
  X loss;            // what is trained
  X reconstruction;  // -log p(x | z)
  X kl;              // -bound = reconstruction + kl
};

/// What an encoder says of x.
template <Value X>
struct Posterior {
  X mean, log_variance;  // [B, latent]

  /// e [B, latent]
  X draw(const Tensor<ScalarOf<X>>& e) const { return mean + exp(log_variance * ScalarOf<X>(0.5)) * e; }
};

template <class T, class Encoder, class Decoder>
struct Vae {
  using Config = VaeConfig;

  VaeConfig config;
  Encoder encoder;
  Decoder decoder;

  /// Throws argument_error for a config that cannot work.
  Vae(const VaeConfig& c, Rng& rng)
      : config(c), encoder((c.likelihood.check(), c.nets()), rng), decoder(c.nets(), rng) {}

  template <Value X>
  Posterior<X> posterior(const X& x, const X& context = {}) const {
    if (x.shape() != detail::batch_of(x.rank() == 0 ? 0 : x.extent(0), config.item))
      throw shape_error("Vae: objects " + x.shape().to_string() + " seen, [B, ...] of " + config.item.to_string() +
                        " wanted");
    const X h = encoder(x, context);
    return {slice(h, 1, 0, config.latent), slice(h, 1, config.latent, 2 * config.latent)};
  }
  template <Value X>
  X encode(const X& x, const X& context = {}) const {
    return squashed(posterior(x, context).mean);
  }
  /// The likelihood's numbers for z.
  template <Value X>
  X decoded(const X& z, const X& context = {}) const {
    return decoder(z, context);
  }
  /// The object expected for z.
  template <Value X>
  X decode(const X& z, const X& context = {}) const {
    return config.likelihood.mean(decoder(z, context));
  }
  Tensor<T> prior(std::span<const Noise> noises) const {
    if (config.prior == VaeConfig::Prior::normal) return detail::normal_rows<T>(noises, {config.latent});
    Tensor<T> z(Shape{static_cast<Index>(noises.size()), config.latent});
    T* to = z.data();
    for (const Noise& n : noises) {
      n.uniform(std::span<T>(to, static_cast<std::size_t>(config.latent)));
      for (Index i = 0; i < config.latent; ++i) to[i] = 2 * to[i] - 1;
      to += config.latent;
    }
    return z;
  }
  /// Row i from noise.fork(i).
  Tensor<T> prior(const Noise& noise, Index count) const { return prior(forks(noise, count)); }
  OneShotRun<Vae, T> begin(const Nothing&, const Noise& noise) const { return {*this, prior({&noise, 1}), {}, true}; }
  /// One object a noise; context [B, E] or empty.
  OneShotRun<Vae, T> begin(const Tensor<T>& context, std::span<const Noise> noises) const {
    return {*this, prior(noises), context};
  }

  /// a, which is unbounded, as a latent.
  template <Value X>
  X squashed(const X& a) const {
    return config.prior == VaeConfig::Prior::normal ? a : tanh(a * ScalarOf<X>(0.5));
  }

  static void members(auto& self, auto&& see) {
    see("encoder", self.encoder);
    see("decoder", self.decoder);
  }
};

template <class T>
using MlpVae = Vae<T, DenseEncoder<T>, DenseDecoder<T>>;
template <class T>
using ConvVae = Vae<T, ConvEncoder<T>, ConvDecoder<T>>;

/// [B, latent]: the KL of each dimension, or its estimate at the draw a.
template <Value X>
X kl_of_dimensions(VaeConfig::Prior prior, const Posterior<X>& q, const X& a) {
  using T = ScalarOf<X>;
  if (prior == VaeConfig::Prior::normal) return (exp(q.log_variance) + square(q.mean) - q.log_variance - T(1)) * T(0.5);
  constexpr T entropy = T(1.4189385332046727);  // of a normal: (1 + log 2 pi) / 2
  return softplus(a) * T(2) - a - q.log_variance * T(0.5) - entropy;
}

/// x on the tape or plain; item i draws from noise.fork(i).
template <class M, Value X>
Elbo<X> elbo(const M& vae, const X& x, const Noise& noise, const ElboOptions& options = {}, Index step = 0,
             const X& context = {}) {
  using T = ScalarOf<X>;
  options.check();
  const Posterior<X> q = vae.posterior(x, context);
  const Index b = x.extent(0), d = vae.config.latent;
  const X a = q.draw(detail::normal_rows<T>(forks(noise, b), {d}));
  const X reconstruction = -mean(vae.config.likelihood.log_prob(vae.decoded(vae.squashed(a), context), plain(x)));
  const X each = kl_of_dimensions(vae.config.prior, q, a);
  const X kl = sum(each) * (T(1) / static_cast<T>(b));
  const T weight = static_cast<T>(options.weight(step)), free = static_cast<T>(options.free_nats);
  if (!(free > 0)) return {reconstruction + kl * weight, reconstruction, kl};
  const X counted = maximum(mean(each, {0}), lift(kl, Tensor<T>(Shape{d}, free)));
  return {reconstruction + sum(counted) * weight, reconstruction, kl};
}

/// [B]: the bound of log p(x) with k draws, draw j from noise.fork(j). One pass of the decoder a draw: memory does not
/// grow with k on plain tensors. Throws argument_error when k < 1.
template <class M, Value X>
X importance_bound(const M& vae, const X& x, Index k, const Noise& noise, const X& context = {}) {
  using T = ScalarOf<X>;
  if (k < 1) throw argument_error("importance_bound: " + std::to_string(k) + " draws; wanted 1 or more");
  const Posterior<X> q = vae.posterior(x, context);
  const Index b = x.extent(0), d = vae.config.latent;
  const bool normal = vae.config.prior == VaeConfig::Prior::normal;
  std::vector<X> weights;
  for (Index j = 0; j < k; ++j) {
    const Tensor<T> e = detail::normal_rows<T>(forks(noise.fork(static_cast<std::uint64_t>(j)), b), {d});
    const X a = q.draw(e);
    // log p(a) - log q(a | x); of the normals' constants those of p and q cancel
    const X prior = normal ? square(a) * T(-0.5) : a - softplus(a) * T(2) + T(0.91893853320467274);
    const X ratio = prior + q.log_variance * T(0.5) + square(e) * T(0.5);
    weights.push_back(vae.config.likelihood.log_prob(vae.decoded(vae.squashed(a), context), plain(x)) +
                      sum(ratio, {1}));
  }
  return logsumexp(stack(std::span<const X>(weights), 1)) - static_cast<T>(std::log(static_cast<double>(k)));
}

}  // namespace tessera::inline TESSERA_ISA
