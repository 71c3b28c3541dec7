// What latents are drawn from: a prior is a value with log p(z) and draws, for models that know their density exactly.
//
//   log_prob(z [B, ...]) -> [B], in nats      sample(item, noises, temperature) -> z [B, ...], row i from noises[i]
//
//   NormalPrior   N(0, 1)
//   MixturePrior  sum_k w_k N(m_k, S_k), trained with the model. A continuous map of one normal cannot tear it, so that
//                 a set in pieces is left joined by threads; a mixture is in pieces from the start. After MAF MoG
//                 (Papamakarios et al., 2017, arXiv 1705.07057, section 3), whose base has a mixture for each number
//                 given those before it; here one mixture is of whole latents, and draws take one step.
//
// Component k sees z as  u = L_k ((z - m_k) exp(-s_k)),  L_k lower triangular with ones on its diagonal (full), or the
// identity (diagonal):
//   log N(z; m_k, S_k) = -|u|^2 / 2 - sum of s_k - D log(2 pi) / 2
// A draw chooses k, solves L_k v = u for a normal u, and is m_k + v exp(s_k). Of what generate/latent.hpp does with
// latents, arcs and neighbours() suppose a normal prior; straight paths and attributes do not.
#pragma once

#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/permute.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/generate/latent.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <class P, class X = Tensor<float>>
concept Prior = Module<P> && requires(const P& p, const X& z, const Shape& item, std::span<const Noise> noises) {
  { p.log_prob(z) } -> std::same_as<X>;
  { p.sample(item, noises, 1.0) } -> std::same_as<Tensor<ScalarOf<X>>>;
};

template <class T>
struct NormalPrior {
  template <Value X>
  X log_prob(const X& z) const {
    using S = ScalarOf<X>;
    const Index items = z.extent(0), each = items == 0 ? 0 : z.size() / items;
    const X squares = sum(square(reshape(z, {items, each})), {1});
    return squares * S(-0.5) + static_cast<S>(-0.91893853320467274178 * static_cast<double>(each));  // log sqrt(2 pi)
  }
  Tensor<T> sample(const Shape& item, std::span<const Noise> noises, double temperature = 1) const {
    return detail::normal_rows<T>(noises, item) * static_cast<T>(temperature);
  }

  static void members(auto&, auto&&) {}
};

struct MixturePriorConfig {
  enum class Covariance { full, diagonal };

  Index numbers = 2;      // D: of a latent
  Index components = 16;  // K
  Covariance covariance = Covariance::diagonal;

  void check() const {
    const ConfigCheck check{"MixturePrior"};
    check.size("numbers", numbers);
    check.within("components", components, 1, 65536);
    if (covariance == Covariance::full) check.within("numbers (of a full covariance)", numbers, 1, 1024);
  }
};

template <class T>
struct MixturePrior {
  using Config = MixturePriorConfig;
  using Covariance = Config::Covariance;

  Config config;
  Parameter<T> logits;               // [K]: log w, up to a constant
  Parameter<T> mean;                 // [K, D]
  Parameter<T> log_scale;            // [K, D]: s
  std::optional<Parameter<T>> tilt;  // full: [K, D, D], L below its diagonal; the rest is not looked at

  /// Means drawn from N(0, 1), deviations 1. Throws argument_error for a config that cannot work.
  MixturePrior(const Config& c, Rng& rng)
      : config(checked(c)),
        logits{init::zeros<T>({c.components})},
        mean{init::normal<T>({c.components, c.numbers}, 1, rng)},
        log_scale{init::zeros<T>({c.components, c.numbers})} {
    if (c.covariance == Covariance::full)
      tilt.emplace(Parameter<T>{init::zeros<T>({c.components, c.numbers, c.numbers})});
  }

  template <Value X>
  X log_prob(const X& z) const {
    using S = ScalarOf<X>;
    const Index items = z.rank() == 0 ? 0 : z.extent(0), k = config.components, d = config.numbers;
    if (z.rank() < 2 || z.size() != items * d)
      throw shape_error("MixturePrior: latents [B, ...] of " + std::to_string(d) + " numbers wanted, shape is " +
                        z.shape().to_string());
    const X s = lift(z, log_scale), narrow = exp(-s), centre = lift(z, mean);
    X u;  // [B, D, K]: components innermost, so that all below goes along them
    if (tilt) {
      const X l = reshape(narrow, {k, 1, d}) * (lift(z, *tilt) * below() + lift(z, identity()));  // [K, D, D]
      const X offset = sum(l * reshape(centre, {k, 1, d}), {2});
      u = linear(reshape(z, {items, d}), reshape(permute(l, {1, 0, 2}), {d * k, d}),
                 reshape(-transpose(offset), {d * k}));
      u = reshape(u, {items, d, k});
    } else {
      u = (reshape(z, {items, d, 1}) - transpose(centre)) * transpose(narrow);
    }
    const X weight = log_softmax(lift(z, logits)) - sum(s, {1});
    return logsumexp(sum(square(u), {1}) * S(-0.5) + weight) +
           static_cast<S>(-0.91893853320467274178 * static_cast<double>(d));  // log sqrt(2 pi)
  }
  /// temperature: a factor of the deviations.
  Tensor<T> sample(const Shape& item, std::span<const Noise> noises, double temperature = 1) const {
    const Index d = config.numbers;
    if (item.size() != d)
      throw shape_error("MixturePrior: items of " + std::to_string(d) + " numbers wanted, shape is " +
                        item.to_string());
    Tensor<T> z = detail::normal_rows<T>(noises, item);
    const Tensor<float> w = logits.value.template as<float>();
    T* v = z.data();
    for (const Noise& n : noises) {
      const Index k = n.categorical_logits({w.data(), static_cast<std::size_t>(w.size())});
      const T *m = mean.value.data() + k * d, *s = log_scale.value.data() + k * d;
      if (tilt) {
        const T* l = tilt->value.data() + k * d * d;
        for (Index i = 0; i < d; ++i) {
          for (Index j = 0; j < i; ++j) v[i] -= l[i * d + j] * v[j];
        }
      }
      for (Index i = 0; i < d; ++i) v[i] = m[i] + static_cast<T>(temperature) * std::exp(s[i]) * v[i];
      v += d;
    }
    return z;
  }
  /// Starts from data: latents drawn apart from each other become the means (k-means++: Arthur and Vassilvitskii,
  /// 2007), and all deviations are those of latents from the nearest mean. Throws argument_error when there are fewer
  /// latents than components.
  void initialise(const Tensor<T>& latents, const Noise& noise = Noise{0}) {
    const Tensor<T> z = detail::as_vectors("MixturePrior", latents);
    const Index n = z.extent(0), d = config.numbers;
    if (n < config.components || z.cols() != d)
      throw argument_error("MixturePrior: latents " + latents.shape().to_string() + " for " +
                           std::to_string(config.components) + " components; wanted [N, ...] of " + std::to_string(d) +
                           " numbers, at least one for each");
    std::vector<double> distance(static_cast<std::size_t>(n), HUGE_VAL);  // squared, to the nearest mean so far
    T* to = mean.value.data();
    double all = 0;
    for (Index k = 0; k < config.components; ++k, to += d) {
      const auto draw = static_cast<std::uint64_t>(k);
      Index chosen = noise.below(n, draw);
      if (k > 0 && all > 0) {
        double at = noise.unit(draw) * all;
        for (chosen = 0; chosen + 1 < n && at >= distance[static_cast<std::size_t>(chosen)]; ++chosen)
          at -= distance[static_cast<std::size_t>(chosen)];
      }
      const T* row = z.data() + chosen * d;
      for (Index i = 0; i < d; ++i) to[i] = row[i];
      all = 0;
      for (Index r = 0; r < n; ++r) {
        double square = 0;
        for (Index i = 0; i < d; ++i) {
          const double e = static_cast<double>(z[r * d + i]) - static_cast<double>(to[i]);
          square += e * e;
        }
        double& least = distance[static_cast<std::size_t>(r)];
        least = square < least ? square : least;
        all += least;
      }
    }
    const double variance = all / static_cast<double>(n * d);
    log_scale.value = Tensor<T>(log_scale.value.shape(), static_cast<T>(0.5 * std::log(variance + 1e-6)));
  }

  static void members(auto& self, auto&& see) {
    see("logits", self.logits);
    see("mean", self.mean);
    see("log_scale", self.log_scale);
    see("tilt", self.tilt);
  }

 private:
  /// [D, D]: 1 where keep(row, column).
  template <class Keep>
  Tensor<T> marks(const Keep& keep) const {
    const Index d = config.numbers;
    Tensor<T> m(Shape{d, d});
    T* to = m.data();
    for (Index i = 0; i < d * d; ++i) to[i] = keep(i / d, i % d) ? T(1) : T(0);
    return m;
  }
  Tensor<T> below() const {
    return marks([](Index i, Index j) { return j < i; });
  }
  Tensor<T> identity() const {
    return marks([](Index i, Index j) { return i == j; });
  }
};

}  // namespace tessera::inline TESSERA_ISA
