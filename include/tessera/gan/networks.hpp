// The frame of a GAN's two networks; bodies (mlp.hpp, dcgan.hpp, residual.hpp) go into it.
//
//   OneShot<T, Body>           x = body([z, e(y)])                   noise z and what the condition y says
//   ProjectionCritic<T, Body>  s = w phi(x) + b + <e(y), phi(x)>     phi = body; Miyato and Koyama, 2018,
//                                                                    arXiv 1802.05637
//
// A maker's body is made from (config, inputs, rng) and maps [B, inputs] to objects; a critic's is made from (config,
// rng), maps objects to [B, features()]. Both take a pointer to what batch norms see: null in evaluation.
#pragma once

#include <tessera/gan/condition_reader.hpp>
#include <tessera/gan/minibatch_deviation.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// norms[i](x) in evaluation; in training by the batch, noting what was seen. No norms: x.
template <class T, Value X>
X normed(const std::vector<BatchNorm<T>>& norms, std::size_t i, const X& x, Seen<T>* seen) {
  if (norms.empty()) return x;
  if (!seen) return norms[i](x);
  seen->emplace_back();
  return norms[i].train(x, seen->back());
}
/// `seen` holds one entry a norm for every call.
template <class T>
void update_norms(std::vector<BatchNorm<T>>& norms, const Seen<T>& seen) {
  for (std::size_t i = 0; i < seen.size() && !norms.empty(); ++i) norms[i % norms.size()].update(seen[i]);
}
template <class Layer>
void normal_weights(Layer& layer, double deviation, Rng& rng) {
  using T = typename decltype(layer.weight.value)::Scalar;
  layer.weight.value = init::normal<T>(layer.weight.value.shape(), deviation, rng);
}
}  // namespace detail

template <class T, class Body>
struct OneShot {
  using Number = T;
  using Scalar = T;

  struct Config {
    Index noise = 64;      // numbers drawn; 0: none, to see what becomes of a generator that has nothing to draw from
    bool uniform = false;  // in [-1, 1) instead of normal
    ConditionConfig condition = {};
    typename Body::Config body = {};
  };

  Config config;
  ConditionReader<T> reader;
  Body body;

  /// Throws argument_error for less than no noise.
  OneShot(const Config& c, Rng& rng)
      : config(c), reader(c.condition, 1, rng), body(c.body, checked_width(c) + reader.width(), rng) {}

  /// [count, noise]; item i draws from noise.fork(i). Without noise [count, 1] of zeros.
  Tensor<T> prior(const Noise& noise, Index count) const {
    if (config.noise == 0) return Tensor<T>(Shape{count, 1}, T(0));
    Tensor<T> z(Shape{count, config.noise});
    const auto width = static_cast<std::size_t>(config.noise);
    const auto row = z.span();
    for (Index i = 0; i < count; ++i) {
      const auto part = row.subspan(static_cast<std::size_t>(i) * width, width);
      const Noise own = noise.fork(static_cast<std::uint64_t>(i));
      if (config.uniform) {
        own.uniform(part);
        for (T& v : part) v = 2 * v - 1;
      } else {
        own.normal(part);
      }
    }
    return z;
  }

  /// z [B, noise], condition as the config has it -> objects.
  template <Value X>
  X decode(const X& z, const Condition& condition = {}) const {
    return body(inputs(z, condition), static_cast<Seen<T>*>(nullptr));
  }
  /// In training: batch norms go by the batch.
  template <Value X>
  X decode(const X& z, const Condition& condition, Seen<T>& seen) const {
    return body(inputs(z, condition), &seen);
  }
  void update(const Seen<T>& seen) { body.update(seen); }

  static void members(auto& self, auto&& see) {
    see("reader", self.reader);
    see("body", self.body);
  }

 private:
  static Index checked_width(const Config& c) {
    if (c.noise < 0)
      throw argument_error("generator: noise of " + std::to_string(c.noise) + " numbers, wanted 0 or more");
    return c.noise > 0 ? c.noise : 1;
  }
  template <Value X>
  X inputs(const X& z, const Condition& condition) const {
    if (z.rank() != 2 || z.extent(1) != checked_width(config))
      throw shape_error("generator: noise [B, " + std::to_string(checked_width(config)) + "] wanted, shape is " +
                        z.shape().to_string());
    if (config.condition.kind == ConditionConfig::Kind::none) return z;
    return concat({z, reader(z, condition)}, 1);
  }
};

template <class T, class Body>
struct ProjectionCritic {
  using Number = T;
  using Scalar = T;

  struct Config {
    ConditionConfig condition = {};  // its width is set to the number of features
    bool spectral = false;           // spectral norm on every layer
    Index deviation_group = 0;       // items of a group of minibatch deviation; 0: none
    typename Body::Config body = {};
  };

  Config config;
  Body body;
  SpectralNorm<Linear<T>> head;  // phi -> 1
  ConditionReader<T> reader;

  ProjectionCritic(const Config& c, Rng& rng)
      : config(c),
        body(c.body, c.spectral, rng),
        head({.in = body.features() + (c.deviation_group > 0 ? 1 : 0), .out = 1}, rng, c.spectral),
        reader(with_width(c.condition, body.features()), 0.02, rng) {}

  template <Value X>
  X operator()(const X& x, const Condition& condition = {}) const {
    return judge(x, condition, nullptr);
  }
  /// In training: batch norms go by the batch.
  template <Value X>
  X operator()(const X& x, const Condition& condition, Seen<T>& seen) const {
    return judge(x, condition, &seen);
  }
  void update(const Seen<T>& seen) { body.update(seen); }

  static void members(auto& self, auto&& see) {
    see("body", self.body);
    see("head", self.head);
    see("reader", self.reader);
  }

 private:
  static ConditionConfig with_width(ConditionConfig c, Index width) {
    c.width = width;
    return c;
  }
  template <Value X>
  X judge(const X& x, const Condition& condition, Seen<T>* seen) const {
    const X phi = body(x, seen);  // [B, F]
    const X more = config.deviation_group > 0 ? minibatch_deviation(phi, config.deviation_group) : phi;
    const X s = reshape(head(more), {phi.extent(0)});
    if (config.condition.kind == ConditionConfig::Kind::none) return s;
    return s + sum(phi * reader(phi, condition), {1});
  }
};

}  // namespace tessera::inline TESSERA_ISA
