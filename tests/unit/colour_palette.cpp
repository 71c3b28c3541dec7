#include <tessera/unit/colour_palette.hpp>

#include <cmath>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

/// A smooth picture with many colours.
Tensor<std::uint8_t> rainbow(Index height, Index width) {
  Tensor<std::uint8_t> picture(Shape{height, width, 3});
  std::uint8_t* to = picture.data();
  for (Index y = 0; y < height; ++y) {
    for (Index x = 0; x < width; ++x) {
      const double u = static_cast<double>(x) / static_cast<double>(width),
                   v = static_cast<double>(y) / static_cast<double>(height);
      for (int c = 0; c < 3; ++c)
        *to++ = static_cast<std::uint8_t>(255 * v * (0.5 + 0.5 * std::cos(6.2831853 * (u + c / 3.0))));
    }
  }
  return picture;
}

double error_of(const ColourPalette& palette, const Tensor<std::uint8_t>& picture, const Tensor<std::int32_t>& units) {
  double sum = 0;
  for (Index i = 0; i < units.size(); ++i) {
    const OkLab p = ColourPalette::lab(colour_at(picture.data(), i, 3)),
                q = ColourPalette::lab(palette[static_cast<std::size_t>(units[i])]);
    sum += std::pow(static_cast<double>(p.l - q.l), 2) + std::pow(static_cast<double>(p.a - q.a), 2) +
           std::pow(static_cast<double>(p.b - q.b), 2);
  }
  return sum / static_cast<double>(units.size());
}

}  // namespace

TEST_CASE("oklab: known colours, and every eighth level comes back", "[unit][pixel]") {
  // From Ottosson's page and CSS Color 4: white, and the red of sRGB.
  const OkLab white = oklab_from_rgb(255, 255, 255), red = oklab_from_rgb(255, 0, 0);
  CHECK(white.l == Approx(1).margin(1e-4));
  CHECK(std::fabs(white.a) < 1e-4F);
  CHECK(red.l == Approx(0.62796).margin(1e-4));
  CHECK(red.a == Approx(0.22486).margin(1e-4));
  CHECK(red.b == Approx(0.12585).margin(1e-4));
  int wrong = 0;
  for (int r = 0; r < 256; r += 5) {
    for (int g = 0; g < 256; g += 5) {
      for (int b = 0; b < 256; b += 5) {
        const auto byte = [](int v) { return static_cast<std::uint8_t>(v); };
        const auto back = rgb_from_oklab(oklab_from_rgb(byte(r), byte(g), byte(b)));
        wrong += back[0] != r || back[1] != g || back[2] != b;
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("palette: pictures of few colours come back exactly", "[unit][pixel]") {
  Tensor<std::uint8_t> picture(Shape{4, 5, 3});
  for (Index i = 0; i < 20; ++i) {
    picture.data()[3 * i] = static_cast<std::uint8_t>(i % 7 * 30);
    picture.data()[3 * i + 1] = static_cast<std::uint8_t>(i % 2 * 200);
    picture.data()[3 * i + 2] = 9;
  }
  const auto palette = learn_palette(picture, 16, Noise{1});
  REQUIRE(palette.size() == 14);
  for (const bool dither : {false, true}) {
    const auto units = palette.encode(picture, dither);
    REQUIRE(units.shape() == Shape{20});
    CHECK(same_bytes(palette.decode(units, 4, 5), picture));
  }
  const ColourPalette again(palette.tensor());
  CHECK(std::equal(again.colours().begin(), again.colours().end(), palette.colours().begin(), palette.colours().end()));
}

TEST_CASE("palette: twice the colours, about a quarter less error each time", "[unit][pixel]") {
  const auto picture = rainbow(64, 64);
  double before = 1;
  for (const Index colours : {2, 4, 8, 16, 32, 64, 128, 256, 512}) {
    const auto palette = learn_palette(picture, colours, Noise{1});
    CHECK(palette.size() <= colours);
    CHECK(palette.size() > colours * 9 / 10);
    const auto units = palette.encode(picture);
    const double error = error_of(palette, picture, units);
    INFO(colours << " colours: " << error << " after " << before);
    CHECK(error < 0.75 * before);
    before = error;
    int wrong = 0;  // the fast search is the plain one
    for (Index i = 0; i < units.size(); i += 7) wrong += units[i] != palette.nearest(colour_at(picture.data(), i, 3));
    CHECK(wrong == 0);
  }
}

TEST_CASE("palette: every colour is the mean of what is near it", "[unit][pixel]") {
  // Lloyd's fixed point, and better than median cut, which does not look at distances.
  const auto picture = rainbow(48, 48);
  const auto palette = learn_palette(picture, 16, Noise{3}, {.rounds = 200});
  const auto units = palette.encode(picture);
  std::vector<double> sum(16), count(16);
  for (Index i = 0; i < units.size(); ++i) {
    sum[static_cast<std::size_t>(units[i])] +=
        static_cast<double>(ColourPalette::lab(colour_at(picture.data(), i, 3)).l);
    ++count[static_cast<std::size_t>(units[i])];
  }
  for (std::size_t c = 0; c < 16; ++c) {
    REQUIRE(count[c] > 0);
    CHECK(sum[c] / count[c] == Approx(ColourPalette::lab(palette[c]).l).margin(0.006));
  }
  std::vector<Colour> pixels, cut;
  for (Index i = 0; i < units.size(); ++i) pixels.push_back(colour_at(picture.data(), i, 3));
  const Palette median = choose_palette(pixels, 16);
  for (std::size_t i = 0; i < median.size(); ++i) cut.push_back(median[i]);
  const ColourPalette other(cut);
  CHECK(error_of(palette, picture, units) < 0.9 * error_of(other, picture, other.encode(picture)));
}

TEST_CASE("palette: the seed decides, dark comes first", "[unit][pixel]") {
  const auto picture = rainbow(32, 32);
  const auto a = learn_palette(picture, 32, Noise{5}), b = learn_palette(picture, 32, Noise{5}),
             c = learn_palette(picture, 32, Noise{6});
  CHECK(same_bytes(a.tensor(), b.tensor()));
  CHECK_FALSE(same_bytes(a.tensor(), c.tensor()));
  for (std::size_t i = 1; i < 32; ++i) CHECK(ColourPalette::lab(a[i - 1]).l <= ColourPalette::lab(a[i]).l);
}

TEST_CASE("palette: dithering keeps the mean that rounding loses", "[unit][pixel]") {
  const ColourPalette black_and_white({colour_of(0, 0, 0), colour_of(255, 255, 255)});
  const Tensor<std::uint8_t> grey(Shape{64, 64, 3}, 60);
  const double wanted = static_cast<double>(oklab_from_rgb(60, 60, 60).l);
  const auto lightness = [&](bool dither) {
    const auto units = black_and_white.encode(grey, dither);
    double white = 0;
    for (Index i = 0; i < units.size(); ++i) white += units[i];
    return white / static_cast<double>(units.size());
  };
  CHECK(lightness(false) == 0);
  CHECK(lightness(true) == Approx(wanted).margin(0.01));
}

TEST_CASE("palette: more than 65,536 colours are learned from too", "[unit][pixel]") {
  Tensor<std::uint8_t> picture(Shape{320, 320, 3});
  for (Index i = 0; i < 320 * 320; ++i) {
    picture.data()[3 * i] = static_cast<std::uint8_t>(i);
    picture.data()[3 * i + 1] = static_cast<std::uint8_t>(i >> 8);
    picture.data()[3 * i + 2] = static_cast<std::uint8_t>(i * 31 >> 4);
  }
  const auto palette = learn_palette(picture, 64, Noise{1});
  CHECK(palette.size() == 64);
  CHECK(error_of(palette, picture, palette.encode(picture)) < 0.006);
}

TEST_CASE("palette: what makes no sense is named", "[unit][pixel]") {
  const auto picture = rainbow(4, 4);
  CHECK_THROWS_AS(learn_palette(picture, 1, Noise{1}), argument_error);
  CHECK_THROWS_AS(learn_palette(picture, 513, Noise{1}), argument_error);
  CHECK_THROWS_AS(learn_palette(Tensor<std::uint8_t>(Shape{4, 4, 1}, 0), 4, Noise{1}), shape_error);
  CHECK_THROWS_AS(learn_palette(Tensor<std::uint8_t>(Shape{0, 4, 3}), 4, Noise{1}), argument_error);
  CHECK_THROWS_AS(ColourPalette(std::vector<Colour>{}), argument_error);
  CHECK_THROWS_AS(ColourPalette().encode(picture), argument_error);
  const auto palette = learn_palette(picture, 4, Noise{1});
  CHECK_THROWS_AS(palette.decode(Tensor<std::int32_t>(Shape{4}, 4), 2, 2), argument_error);
  CHECK_THROWS_AS(palette.decode(Tensor<std::int32_t>(Shape{4}, 0), 2, 3), shape_error);
}
