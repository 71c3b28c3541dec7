// Pixels as units: a picture becomes a row of whole numbers, left to right and top to bottom, and back.
//
//   grey8    256 levels of grey            rgb332   8 bits: 3 red, 3 green, 2 blue
//   rgb565  16 bits: 5 red, 6 green, 5 blue (65,536 units)
//   rgb888  24 bits (16,777,216 units: too many for a softmax; models of these decide the three bytes one by one)
//
// A channel of n bits is level = round(p (2^n - 1) / 255), red in the highest bits. Palettes that are learned are in
// unit/colour_palette.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <tessera/core/tensor.hpp>

namespace tessera {

enum class PixelFormat { grey8, rgb332, rgb565, rgb888 };

constexpr int bits_of(PixelFormat format) {
  return format == PixelFormat::rgb565 ? 16 : format == PixelFormat::rgb888 ? 24 : 8;
}
constexpr int channels_of(PixelFormat format) { return format == PixelFormat::grey8 ? 1 : 3; }
/// How many different units there are.
constexpr std::int32_t units_of(PixelFormat format) { return std::int32_t{1} << bits_of(format); }

namespace unit_detail {

struct ChannelBits {
  int bits[3];
};
constexpr ChannelBits channel_bits(PixelFormat format) {
  return format == PixelFormat::grey8    ? ChannelBits{{8, 0, 0}}
         : format == PixelFormat::rgb332 ? ChannelBits{{3, 3, 2}}
         : format == PixelFormat::rgb565 ? ChannelBits{{5, 6, 5}}
                                         : ChannelBits{{8, 8, 8}};
}

}  // namespace unit_detail

/// Picture [..., H, W, C] of bytes -> units [..., H W] in raster order; C = 1 for grey8, else 3. Throws shape_error.
inline Tensor<std::int32_t> pixels_to_units(const Tensor<std::uint8_t>& picture, PixelFormat format) {
  const int channels = channels_of(format);
  if (picture.rank() < 3 || picture.extent(-1) != channels)
    throw shape_error("pixels_to_units: pictures [H, W, " + std::to_string(channels) + "] wanted, shape is " +
                      picture.shape().to_string());
  const unit_detail::ChannelBits layout = unit_detail::channel_bits(format);
  Tensor<std::int32_t> units(picture.shape().without(-1).without(-1).with(-1, picture.extent(-3) * picture.extent(-2)));
  const std::uint8_t* from = picture.data();
  std::int32_t* to = units.data();
  for (Index i = 0, n = units.size(); i < n; ++i) {
    std::int32_t unit = 0;
    for (int c = 0; c < channels; ++c) {
      const int top = (1 << layout.bits[c]) - 1;
      unit = unit << layout.bits[c] | (*from++ * top + 127) / 255;
    }
    to[i] = unit;
  }
  return units;
}

/// Units [..., H W] -> picture [..., H, W, C]. Throws shape_error when they are not H W, argument_error for a unit out
/// of range.
inline Tensor<std::uint8_t> units_to_pixels(const Tensor<std::int32_t>& units, Index height, Index width,
                                            PixelFormat format) {
  if (units.rank() < 1 || units.extent(-1) != height * width)
    throw shape_error("units_to_pixels: [..., " + std::to_string(height * width) + "] wanted for " +
                      std::to_string(height) + " x " + std::to_string(width) + ", shape is " +
                      units.shape().to_string());
  const int channels = channels_of(format);
  const unit_detail::ChannelBits layout = unit_detail::channel_bits(format);
  Tensor<std::uint8_t> picture(units.shape().with(-1, height).append(width).append(channels));
  const std::int32_t* from = units.data();
  std::uint8_t* to = picture.data();
  for (Index i = 0, n = units.size(); i < n; ++i) {
    std::int32_t unit = from[i];
    if (unit < 0 || unit >= units_of(format))
      throw argument_error("units_to_pixels: unit " + std::to_string(unit) + " at position " + std::to_string(i) +
                           " is not in [0, " + std::to_string(units_of(format)) + ")");
    for (int c = channels - 1; c >= 0; --c) {
      const int top = (1 << layout.bits[c]) - 1;
      to[i * channels + c] = static_cast<std::uint8_t>(((unit & top) * 255 + top / 2) / top);
      unit >>= layout.bits[c];
    }
  }
  return picture;
}

}  // namespace tessera
