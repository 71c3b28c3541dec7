// The latent models that the examples train on Fashion-MNIST and edit with: made from a few words, which stand in the
// metadata of their weights' file.
#pragma once

#include <map>
#include <string>

#include <tessera/flow/context_affine.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/flow/multiscale.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/vae/vae.hpp>

#include "examples/support/fashion.hpp"

namespace tessera::examples {

using Glow = Flow<float, MultiScale<float>>;
/// The same given the class, which also has a base distribution of its own.
using ClassGlow = Flow<float, Chain<MultiScale<float>, ContextAffine<float>>>;

struct FashionVaeSettings {
  std::string likelihood = "bernoulli";  // gaussian, logistic
  Index latent = 20, hidden = 400;
  bool classes = false, uniform = false;
};

inline VaeConfig fashion_vae(const FashionVaeSettings& s) {
  VaeConfig c{.item = {28, 28, 1}, .hidden = {s.hidden}, .latent = s.latent, .context = s.classes ? 10 : 0};
  if (s.likelihood == "gaussian")
    c.likelihood.kind = Likelihood::Kind::gaussian;
  else if (s.likelihood == "logistic")
    c.likelihood.kind = Likelihood::Kind::logistic;
  else if (s.likelihood != "bernoulli")
    throw argument_error("no likelihood is named \"" + s.likelihood + "\"; there are bernoulli, gaussian, logistic");
  c.prior = s.uniform ? VaeConfig::Prior::uniform : VaeConfig::Prior::normal;
  return c;
}
/// Pictures as a likelihood takes them: shares of white for bernoulli, [-1, 1] for the others.
inline Tensor<float> for_likelihood(const Tensor<std::uint8_t>& levels, Likelihood::Kind kind) {
  const Tensor<float> shares = in_unit_interval(levels);
  return kind == Likelihood::Kind::bernoulli ? shares : shares * 2.f - 1.f;
}

inline MultiScaleConfig fashion_scales(Index steps, Index hidden, bool mix, Index context = 0) {
  return {.height = 28,
          .width = 28,
          .channels = 1,
          .levels = 2,
          .steps = steps,
          .hidden = hidden,
          .context = context,
          .mix = mix,
          .learned_split = mix};
}
inline Glow fashion_glow(Index steps, Index hidden, bool mix, Rng& rng) {
  return Glow({.item = {28 * 28}}, MultiScale<float>(fashion_scales(steps, hidden, mix), rng));
}
inline ClassGlow fashion_class_glow(Index steps, Index hidden, Rng& rng) {
  constexpr Index classes = 10;
  return ClassGlow({.item = {28 * 28}}, Chain(MultiScale<float>(fashion_scales(steps, hidden, true, classes), rng),
                                              ContextAffine<float>({.numbers = 28 * 28, .context = classes}, rng)));
}
/// As a flow takes pictures: dequantised, in [-0.5, 0.5).
inline Tensor<float> for_flow(const Tensor<std::uint8_t>& pictures, const Noise& noise) {
  return dequantise<float>(pictures, 256, noise) + (-0.5f);
}
/// A bound of the bits a pixel of pictures [N, 28, 28, 1] of bytes; context [N, E] or empty.
template <class F>
double flow_bits(const F& flow, const Tensor<std::uint8_t>& pictures, const Noise& noise,
                 const Tensor<float>& context = {}) {
  double sum = 0;
  const Index n = pictures.extent(0), part = 100;
  for (Index i = 0; i < n; i += part) {
    const Index end = i + part < n ? i + part : n;
    const auto l = flow.log_prob(for_flow(slice(pictures, 0, i, end), noise.fork(static_cast<std::uint64_t>(i))),
                                 context ? slice(context, 0, i, end) : Tensor<float>());
    for (Index k = 0; k < l.size(); ++k) sum += static_cast<double>(l[k]);
  }
  return bits_a_dimension(sum / static_cast<double>(n), 28 * 28, 256);
}

/// A whole number from a file's metadata. Throws io_error.
inline Index number_in(const std::map<std::string, std::string>& metadata, const std::string& key,
                       const std::string& file) {
  const auto at = metadata.find(key);
  if (at == metadata.end()) throw_io(file, "metadata " + key, "a number", "nothing: another program's weights?");
  Index n = 0;
  for (const char c : at->second) {
    if (c < '0' || c > '9' || n > 100000)
      throw_io(file, "metadata " + key, "a number up to 1000000", quoted(at->second));
    n = 10 * n + (c - '0');
  }
  return n;
}

/// Grey pictures [N, H, W, 1] with values from `low` to 1 as [N, H, W, 3] of bytes.
inline Tensor<std::uint8_t> grey_to_rgb(const Tensor<float>& pictures, float low = 0) {
  const Shape s = pictures.shape();
  Tensor<std::uint8_t> out(s.with(-1, 3));
  std::uint8_t* to = out.data();
  for (Index i = 0; i < pictures.size(); ++i) {
    const float v = (pictures[i] - low) / (1 - low);
    const auto level = static_cast<std::uint8_t>(v > 0 ? (v < 1 ? v * 255 + 0.5f : 255.f) : 0.f);
    for (int c = 0; c < 3; ++c) to[3 * i + c] = level;
  }
  return out;
}

}  // namespace tessera::examples
