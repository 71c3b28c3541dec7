// The two 16-bit floats of weight files, to and from float, exactly.
//
//   F16   IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; largest 65504, smallest 2^-24
//   BF16  the upper half of a float: 1 sign, 8 exponent, 7 fraction bits
//
// Widening is exact. Narrowing rounds to nearest, ties to even; what is too large becomes infinity. A NaN stays a NaN
// and keeps the upper bits of its payload, so that every one of the 65,536 patterns survives a round trip. In plain
// integer arithmetic: file code must not depend on the instruction set, and a million weights take a few
// milliseconds.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

inline float float_from_f16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, exponent = half >> 10 & 31U, fraction = half & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);  // 112 = 127 - 15
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

inline std::uint16_t f16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000U) {
    const std::uint32_t payload = magnitude >> 13 & 0x3FFU;
    half = 0x7C00U | (payload != 0 ? payload : 0x200U);
  } else if (magnitude >= 0x477FF000U) {  // 65520, half way from the largest half to the next power of two
    half = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // 2^-14, the smallest normal half
    const std::uint32_t odd = magnitude >> 13 & 1U;
    half = (magnitude + 0xFFFU + odd - (112U << 23)) >> 13;
  } else {
    // Subnormal: a multiple of 2^-24, which is the last place of a float in [0.5, 1). Adding 0.5 does the rounding.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

inline float float_from_bf16(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

inline std::uint16_t bf16_from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    const std::uint32_t half = bits >> 16;
    return static_cast<std::uint16_t>((half & 0x7FU) != 0 ? half : half | 0x40U);
  }
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

/// The float on a double's way to 16 bits: rounded to odd, so that rounding a second time gives what rounding once
/// would have (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding
/// to odd").
inline float float_rounded_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  const auto back = static_cast<double>(nearest);
  if (back == value || value != value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  const bool away = value < 0 ? back < value : back > value;
  if (away) --bits;  // towards zero; infinity becomes the largest float
  return std::bit_cast<float>(bits | 1U);
}

}  // namespace tessera
