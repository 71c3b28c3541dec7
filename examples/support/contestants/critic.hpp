// The critic of the contestants that have one: DCGAN's, and by text its features are brought down to as many as the
// text's vector has. A reader as wide as the 2,048 features themselves would be 12 million weights for names of a few
// words, and most of the time of a step.
#pragma once

#include <tessera/gan/dcgan.hpp>

#include "examples/support/contestants/context.hpp"
#include "examples/support/contestants/learn.hpp"
#include "examples/support/gan_models.hpp"

namespace tessera::examples {

struct CriticFeatures {
  struct Config {
    DcganConfig picture;
    Index narrow = 0;  // features; 0: as many as there are
  };

  DcganFeatures<float> picture;
  std::vector<SpectralNorm<Linear<float>>> narrow;  // one or none

  CriticFeatures(const Config& c, bool spectral, Rng& rng) : picture(c.picture, spectral, rng) {
    if (c.narrow > 0)
      narrow.emplace_back(Linear<float>::Config{.in = picture.features(), .out = c.narrow}, rng, spectral);
  }
  Index features() const { return narrow.empty() ? picture.features() : narrow[0].layer.weight.value.extent(0); }

  template <Value X>
  X operator()(const X& x, Seen<float>* seen) const {
    const X phi = picture(x, seen);
    return narrow.empty() ? phi : leaky_relu(narrow[0](phi), 0.2f);
  }
  void update(const Seen<float>& seen) { picture.update(seen); }

  static void members(auto& self, auto&& see) {
    see("picture", self.picture);
    see("narrow", self.narrow);
  }
};
using PictureCritic = ProjectionCritic<float, CriticFeatures>;

/// The generator's settings, and the critic's.
inline PictureGanSettings gan_settings(const Contest& c) {
  const Shape item = picture_shape(c);
  return {.side = item[0],
          .channels = item[2],
          .start = c.text ? 4 : 7,
          .noise = c.text ? 4 : 64,  // a name leaves less open than a class
          .width = 32,
          .condition = condition_of(c, fashion_condition().width)};
}
inline PictureCritic new_critic(const Contest& c, Rng& rng) {
  const auto config = critic_config(gan_settings(c));
  return PictureCritic(
      {.condition = config.condition, .spectral = config.spectral, .body = {config.body, c.text ? text_width : 0}},
      rng);
}

}  // namespace tessera::examples
