// Flow: a bijection and a prior, normal unless told otherwise, make a density that is known exactly and can be drawn
// from.
//
//   log p(x) = log p(z) + log |dz/dx|,  z = forward(x)       x = inverse(z), z ~ p(z)
//
//   Flow<float, MultiScale<float>> glow({.item = {28 * 28}}, MultiScale<float>({.levels = 2}, rng));
//   loss = flow_loss(glow, tape.constant(x));                      mean of -log p(x), in nats
//
// Pictures of whole levels are dequantised first: a density over real numbers could else be made infinite on the
// levels. With u uniform in [0, 1), E log p(y + u) is a lower bound of log P(y) (Theis et al., 2015, arXiv 1511.01844).
#pragma once

#include <tessera/flow/bijection.hpp>
#include <tessera/generate/prior.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T, class B, class Base = NormalPrior<T>>
struct Flow {
  struct Config {
    Shape item = {2};        // of a latent, without the batch axis
    double temperature = 1;  // deviation of what is decoded: below 1 likelier and less varied
  };

  B bijection;
  Base base;
  Config config;

  Flow(Config c, B b, Base p = Base()) : bijection(std::move(b)), base(std::move(p)), config(c) {
    if (!(c.temperature > 0))
      throw argument_error("Flow: temperature " + std::to_string(c.temperature) + " is not above 0");
    if constexpr (requires { base.config.numbers; }) {
      if (Shape{base.config.numbers} != c.item)
        throw argument_error("Flow: a prior of " + std::to_string(base.config.numbers) +
                             " numbers does not fit latents " + c.item.to_string() +
                             "; set the prior's `numbers` and `item` to the same");
    }
  }

  /// [B], in nats.
  template <Value X>
  X log_prob(const X& x, const X& context = {}) const {
    const Mapped<X> z = bijection.forward(x, context);
    return base.log_prob(z.value) + z.log_det;
  }
  template <Value X>
  X encode(const X& x, const X& context = {}) const {
    return bijection.forward(x, context).value;
  }
  template <Value X>
  X decode(const X& z, const X& context = {}) const {
    return bijection.inverse(z, context).value;
  }
  Tensor<T> prior(std::span<const Noise> noises) const { return base.sample(config.item, noises, config.temperature); }
  /// Row i from noise.fork(i).
  Tensor<T> prior(const Noise& noise, Index count) const { return prior(forks(noise, count)); }
  OneShotRun<Flow, T> begin(const Nothing&, const Noise& noise) const { return {*this, prior({&noise, 1}), {}, true}; }
  /// One object a noise; context [B, E] or empty.
  OneShotRun<Flow, T> begin(const Tensor<T>& context, std::span<const Noise> noises) const {
    return {*this, prior(noises), context};
  }
  /// Lets bijections that want to see data first see some, and the prior their latents.
  void initialise(const Tensor<T>& x, const Tensor<T>& context = {}) {
    const Mapped<Tensor<T>> z = detail::initialise(bijection, x, context);
    if constexpr (requires { base.initialise(z.value); }) base.initialise(z.value);
  }

  static void members(auto& self, auto&& see) {
    see("bijection", self.bijection);
    see("base", self.base);
  }
};

/// The mean of -log p(x), in nats.
template <class F, Value X>
X flow_loss(const F& flow, const X& x, const X& context = {}) {
  return -mean(flow.log_prob(x, context));
}

/// (y + u) / levels in [0, 1), u uniform: item i from noise.fork(i).
template <std::floating_point T>
Tensor<T> dequantise(const Tensor<std::uint8_t>& y, Index levels, const Noise& noise) {
  if (levels < 2 || levels > 256)
    throw argument_error("dequantise: " + std::to_string(levels) + " levels; wanted 2 to 256");
  const Index items = y.rank() == 0 ? 0 : y.extent(0), each = items == 0 ? 0 : y.size() / items;
  const T level = T(1) / static_cast<T>(levels);
  std::vector<T> most;  // of each level: y + u may round up to the next
  for (Index k = 1; k <= levels; ++k) most.push_back(std::nextafter(static_cast<T>(k) * level, T(0)));
  Tensor<T> x(y.shape());
  T* to = x.data();
  for (Index i = 0; i < items; ++i, to += each) {
    noise.fork(static_cast<std::uint64_t>(i)).uniform(std::span<T>(to, static_cast<std::size_t>(each)));
    const std::uint8_t* from = y.data() + i * each;
    for (Index k = 0; k < each; ++k) {
      if (from[k] >= levels)
        throw argument_error("dequantise: level " + std::to_string(from[k]) + " of " + std::to_string(levels));
      to[k] = std::min((static_cast<T>(from[k]) + to[k]) * level, most[from[k]]);
    }
  }
  return x;
}
/// Bits for each of `numbers` numbers that had `levels` levels, from the mean log-density of dequantise()'s output.
inline double bits_a_dimension(double log_prob, Index numbers, Index levels) {
  constexpr double log_2 = 0.69314718055994530942;
  return std::log(static_cast<double>(levels)) / log_2 - log_prob / (static_cast<double>(numbers) * log_2);
}

}  // namespace tessera::inline TESSERA_ISA
