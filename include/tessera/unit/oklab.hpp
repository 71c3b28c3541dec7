// OKLab: colours with coordinates in which equal distances look equally different (Bjorn Ottosson, 2020, "A perceptual
// color space for image processing", https://bottosson.github.io/posts/oklab/).
//
//   sRGB bytes -> linear light -> (l, m, s) = M1 rgb -> cube roots -> (L, a, b) = M2 (l', m', s')
//
// L is lightness in [0, 1], a runs from green to red, b from blue to yellow, both within about +-0.4.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace tessera {

struct OkLab {
  float l = 0, a = 0, b = 0;
};

/// sRGB's transfer curve (IEC 61966-2-1): a level in [0, 1] as the light it stands for, and back.
inline float light_from_level(float level) {
  return level <= 0.04045F ? level / 12.92F : std::pow((level + 0.055F) / 1.055F, 2.4F);
}
inline float level_from_light(float light) {
  return light <= 0.0031308F ? light * 12.92F : 1.055F * std::pow(light, 1 / 2.4F) - 0.055F;
}

namespace unit_detail {

inline const std::array<float, 256>& light_of_bytes() {
  static const std::array<float, 256> table = [] {
    std::array<float, 256> t{};
    for (int i = 0; i < 256; ++i) t[static_cast<std::size_t>(i)] = light_from_level(static_cast<float>(i) / 255.0F);
    return t;
  }();
  return table;
}

/// What lies outside sRGB is cut off.
inline std::uint8_t byte_from_light(float light) {
  const float level = level_from_light(light) * 255.0F;
  return level >= 255.0F ? std::uint8_t{255} : level > 0.0F ? static_cast<std::uint8_t>(level + 0.5F) : std::uint8_t{0};
}

}  // namespace unit_detail

inline OkLab oklab_from_rgb(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  const auto& light = unit_detail::light_of_bytes();
  const float r = light[red], g = light[green], b = light[blue];
  const float l = std::cbrt(0.4122214708F * r + 0.5363325363F * g + 0.0514459929F * b);
  const float m = std::cbrt(0.2119034982F * r + 0.6806995451F * g + 0.1073969566F * b);
  const float s = std::cbrt(0.0883024619F * r + 0.2817188376F * g + 0.6299787005F * b);
  return {0.2104542553F * l + 0.7936177850F * m - 0.0040720468F * s,
          1.9779984951F * l - 2.4285922050F * m + 0.4505937099F * s,
          0.0259040371F * l + 0.7827717662F * m - 0.8086757660F * s};
}

inline std::array<std::uint8_t, 3> rgb_from_oklab(const OkLab& c) {
  const float l = c.l + 0.3963377774F * c.a + 0.2158037573F * c.b;
  const float m = c.l - 0.1055613458F * c.a - 0.0638541728F * c.b;
  const float s = c.l - 0.0894841775F * c.a - 1.2914855480F * c.b;
  const float l3 = l * l * l, m3 = m * m * m, s3 = s * s * s;
  return {unit_detail::byte_from_light(4.0767416621F * l3 - 3.3077115913F * m3 + 0.2309699292F * s3),
          unit_detail::byte_from_light(-1.2684380046F * l3 + 2.6097574011F * m3 - 0.3413193965F * s3),
          unit_detail::byte_from_light(-0.0041960863F * l3 - 0.7034186147F * m3 + 1.7076147010F * s3)};
}

}  // namespace tessera
