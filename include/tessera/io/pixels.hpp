// Pictures as models have them, float in [-1, 1], and as files have them, 8 bits: p = round(127.5 (x + 1)).
#pragma once

#include <cstdint>

#include <tessera/core/tensor.hpp>

namespace tessera {

/// Rounds to the nearest of 256 levels; what is outside [-1, 1] is clamped and NaN becomes 0 (black).
inline std::uint8_t to_8bit(float value) {
  const float level = (value + 1.0F) * 127.5F;
  if (!(level > 0.0F)) return 0;
  return level >= 255.0F ? std::uint8_t{255} : static_cast<std::uint8_t>(level + 0.5F);
}

inline float from_8bit(std::uint8_t level) { return static_cast<float>(level) / 127.5F - 1.0F; }

inline Tensor<std::uint8_t> to_8bit(const Tensor<float>& picture) {
  Tensor<std::uint8_t> levels(picture.shape());
  const float* from = picture.data();
  std::uint8_t* to = levels.data();
  for (Index i = 0, n = picture.size(); i < n; ++i) to[i] = to_8bit(from[i]);
  return levels;
}

inline Tensor<float> from_8bit(const Tensor<std::uint8_t>& levels) {
  Tensor<float> picture(levels.shape());
  const std::uint8_t* from = levels.data();
  float* to = picture.data();
  for (Index i = 0, n = levels.size(); i < n; ++i) to[i] = from_8bit(from[i]);
  return picture;
}

}  // namespace tessera
