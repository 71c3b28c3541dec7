#include <tessera/unit/pixel.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("pixels: every unit is a colour that is that unit again", "[unit][pixel]") {
  for (const PixelFormat format : {PixelFormat::grey8, PixelFormat::rgb332, PixelFormat::rgb565}) {
    const Index side = Index{1} << (bits_of(format) / 2);
    Tensor<std::int32_t> units(Shape{side * side});
    for (Index i = 0; i < units.size(); ++i) units.data()[i] = static_cast<std::int32_t>(i);
    const auto picture = units_to_pixels(units, side, side, format);
    REQUIRE(picture.shape() == Shape{side, side, channels_of(format)});
    CHECK(same_bytes(pixels_to_units(picture, format), units));
    for (int c = 0; c < channels_of(format); ++c) {  // both ends of the range are kept
      CHECK(picture[c] == 0);
      CHECK(picture[picture.size() - 1 - c] == 255);
    }
  }
}

TEST_CASE("pixels: 24 bits are exact, red in the upper byte, raster order", "[unit][pixel]") {
  Tensor<std::uint8_t> picture(Shape{2, 3, 2, 3});  // two pictures, 3 rows of 2
  for (Index i = 0; i < picture.size(); ++i) picture.data()[i] = static_cast<std::uint8_t>(i * 71);
  const auto units = pixels_to_units(picture, PixelFormat::rgb888);
  REQUIRE(units.shape() == Shape{2, 6});
  CHECK(units[1] == (picture[3] << 16 | picture[4] << 8 | picture[5]));
  CHECK(same_bytes(units_to_pixels(units, 3, 2, PixelFormat::rgb888), picture));
}

TEST_CASE("pixels: 5, 6 and 5 bits, worked by hand", "[unit][pixel]") {
  const auto picture = Tensor<std::uint8_t>::from({1, 2, 3}, {255, 0, 0, 8, 130, 255});
  const auto units = pixels_to_units(picture, PixelFormat::rgb565);
  CHECK(units[0] == 0xF800);
  CHECK(units[1] == (1 << 11 | 32 << 5 | 31));
  CHECK(pixels_to_units(picture, PixelFormat::rgb332)[1] == (0 << 5 | 4 << 2 | 3));
}

TEST_CASE("pixels: what does not fit is named", "[unit][pixel]") {
  const Tensor<std::uint8_t> picture(Shape{2, 2, 3}, 0);
  CHECK_THROWS_AS(pixels_to_units(picture, PixelFormat::grey8), shape_error);
  CHECK_THROWS_AS(units_to_pixels(Tensor<std::int32_t>(Shape{4}, 0), 2, 3, PixelFormat::grey8), shape_error);
  CHECK_THROWS_WITH(units_to_pixels(Tensor<std::int32_t>(Shape{4}, 256), 2, 2, PixelFormat::grey8),
                    "units_to_pixels: unit 256 at position 0 is not in [0, 256)");
}
