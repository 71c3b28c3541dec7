// The GANs that the examples train on pictures: DCGAN with a projection critic under spectral norm, class or text
// conditional.
#pragma once

#include <tessera/gan/dcgan.hpp>

namespace tessera::examples {

struct PictureGanSettings {
  Index side = 28, channels = 1, start = 7;  // of the pictures, and of the smallest maps
  Index noise = 64, width = 64;
  ConditionConfig condition = {};
};

inline DcganGenerator<float>::Config generator_config(const PictureGanSettings& s) {
  return {.noise = s.noise,
          .condition = s.condition,
          .body = {.side = s.side, .channels = s.channels, .start = s.start, .width = s.width}};
}
inline DcganCritic<float>::Config critic_config(const PictureGanSettings& s) {
  return {.condition = s.condition,
          .spectral = true,
          .body = {.side = s.side, .channels = s.channels, .start = s.start, .width = s.width, .norm = false}};
}
inline ConditionConfig fashion_condition() { return {.kind = ConditionConfig::Kind::label, .count = 10, .width = 32}; }

}  // namespace tessera::examples
