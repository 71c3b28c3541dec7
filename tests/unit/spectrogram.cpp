#include <tessera/unit/spectrogram.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr double tau = 2 * std::numbers::pi;

Tensor<float> tone(Index length, double frequency, double rate, double size = 1) {
  Tensor<float> sound(Shape{length});
  float* to = sound.data();
  for (Index t = 0; t < length; ++t)
    to[t] = static_cast<float>(size * std::cos(tau * frequency * static_cast<double>(t) / rate));
  return sound;
}

/// Numbers without a pattern.
std::vector<float> scattered(Index count) {
  std::vector<float> x;
  std::uint32_t state = 1;
  for (Index i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    x.push_back(static_cast<float>(state >> 8) / 8388608.0F - 1);
  }
  return x;
}

Index loudest(const Tensor<float>& power, Index frame) {
  Index best = 0;
  for (Index k = 0; k < power.cols(); ++k) {
    if (power[frame * power.cols() + k] > power[frame * power.cols() + best]) best = k;
  }
  return best;
}

}  // namespace

TEST_CASE("fourier: the fast transform equals its definition, and comes back", "[unit][sound]") {
  for (Index n = 4; n <= 256; n *= 2) {
    RealFourier fourier(n);
    const auto x = scattered(n);
    std::vector<std::complex<float>> spectrum(static_cast<std::size_t>(n / 2 + 1));
    fourier.forward(x, spectrum);
    double worst = 0;
    for (Index k = 0; k <= n / 2; ++k) {
      std::complex<double> sum = 0;
      for (Index t = 0; t < n; ++t)
        sum += std::polar(static_cast<double>(x[static_cast<std::size_t>(t)]),
                          -tau * static_cast<double>(k * t) / static_cast<double>(n));
      worst = std::max(worst, std::abs(sum - std::complex<double>(spectrum[static_cast<std::size_t>(k)])));
    }
    INFO(n << " samples");
    CHECK(worst < 1e-6 * static_cast<double>(n));
    std::vector<float> back(static_cast<std::size_t>(n));
    fourier.inverse(spectrum, back);
    double missed = 0;
    for (std::size_t t = 0; t < back.size(); ++t)
      missed = std::max(missed, static_cast<double>(std::fabs(back[t] - x[t])));
    CHECK(missed < 1e-6);
  }
  CHECK_THROWS_AS(RealFourier(100), argument_error);
  CHECK_THROWS_AS(RealFourier(2), argument_error);
  std::vector<float> three(3);
  std::vector<std::complex<float>> bins(5);
  CHECK_THROWS_AS(RealFourier(8).forward(three, bins), shape_error);
}

TEST_CASE("stft: a tone is in its bin, as loud as the window says", "[unit][sound]") {
  const auto s = stft(tone(8000, 1000, 8000), {.size = 256, .hop = 64});
  REQUIRE(s.frames == 126);
  REQUIRE(s.bins == 129);
  const auto p = power(s);
  for (Index m = 4; m < 120; ++m) REQUIRE(loudest(p, m) == 32);
  CHECK(p[60 * 129 + 32] == Approx(64.0 * 64.0).epsilon(1e-4));  // (sum of the window / 2)^2
  CHECK(p[60 * 129 + 80] < 1e-6F);
}

TEST_CASE("stft: the inverse gives the sound back", "[unit][sound]") {
  for (const Index length : {1, 100, 1000, 1023}) {
    const auto x = scattered(length);
    const auto sound = Tensor<float>::from({length}, x);
    const auto back = inverse_stft(stft(sound, {.size = 128, .hop = 32}));
    REQUIRE(back.shape() == sound.shape());
    double missed = 0;
    for (Index t = 0; t < length; ++t) missed = std::max(missed, static_cast<double>(std::fabs(back[t] - sound[t])));
    INFO(length << " samples");
    CHECK(missed < 1e-5);
  }
  CHECK(stft(Tensor<float>(Shape{0}), {.size = 128, .hop = 32}).frames == 1);
}

TEST_CASE("mel: the scale, the filters and their sum", "[unit][sound]") {
  CHECK(mel_from_hertz(1000) == Approx(999.99).margin(0.01));
  CHECK(hertz_from_mel(mel_from_hertz(4321)) == Approx(4321));
  const auto filters = mel_filters(513, {.rate = 16000, .bands = 40});
  REQUIRE(filters.shape() == Shape{40, 513});
  // Between the first top and the last one neighbouring triangles add up to 1.
  double worst = 0;
  for (Index k = 10; k < 470; ++k) {
    double sum = 0;
    for (Index b = 0; b < 40; ++b) sum += static_cast<double>(filters[b * 513 + k]);
    worst = std::max(worst, std::fabs(sum - 1));
  }
  CHECK(worst < 1e-5);
  CHECK_THROWS_AS(mel_filters(513, {.rate = 8000, .high = 5000}), argument_error);
  CHECK_THROWS_AS(mel_filters(513, {.low = 300, .high = 200}), argument_error);
  const auto low = mel_bands(power(stft(tone(4000, 200, 16000))), {.bands = 40}),
             high = mel_bands(power(stft(tone(4000, 6000, 16000))), {.bands = 40});
  CHECK(loudest(low, 8) < 6);
  CHECK(loudest(high, 8) > 32);
}

TEST_CASE("spectrogram: the picture has frequency upwards and time to the right", "[unit][sound]") {
  auto sound = tone(4096, 3000, 8000);
  for (Index t = 0; t < 2048; ++t) sound.data()[t] = 0;
  const auto p = power(stft(sound, {.size = 64, .hop = 64}));
  const auto picture = spectrogram_picture(p, {.scale = 2});
  REQUIRE(picture.shape() == Shape{66, 130, 3});
  const auto brightness = [&](Index x, Index y) { return picture[(y * 130 + x) * 3] + picture[(y * 130 + x) * 3 + 1]; };
  const Index row = 2 * (32 - 24);  // 3000 of 4000 Hz
  CHECK(brightness(100, row) > 480);
  CHECK(brightness(20, row) == 0);
  CHECK(brightness(100, 60) == 0);
  CHECK_THROWS_AS(spectrogram_picture(Tensor<float>(Shape{3}, 1.0F)), shape_error);
  const auto silent = spectrogram_picture(Tensor<float>(Shape{2, 2}, 0.0F));  // nothing is loudest: no NaN
  CHECK(silent.shape() == Shape{2, 2, 3});
  CHECK(decibels(Tensor<float>::from({3}, {1.0F, 0.01F, 0.0F}), 30)[1] == Approx(-20).margin(1e-4));
  CHECK(decibels(Tensor<float>::from({3}, {1.0F, 0.01F, 0.0F}), 30)[2] == Approx(-30).margin(1e-4));
}
