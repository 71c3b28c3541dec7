#include <tessera/unit/resample.hpp>

#include <cmath>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr double tau = 2 * std::numbers::pi;

Tensor<float> tone(Index length, double frequency, double rate) {
  Tensor<float> sound(Shape{length});
  float* to = sound.data();
  for (Index t = 0; t < length; ++t)
    to[t] = static_cast<float>(0.5 * std::sin(tau * frequency * static_cast<double>(t) / rate + 0.3));
  return sound;
}

/// Largest sample away from the ends, where the filter runs into silence.
double peak(const Tensor<float>& sound, Index margin) {
  double top = 0;
  for (Index t = margin; t < sound.size() - margin; ++t) top = std::max(top, std::fabs(static_cast<double>(sound[t])));
  return top;
}

double decibel(double ratio) { return 20 * std::log10(ratio + 1e-30); }

}  // namespace

TEST_CASE("resampling: tones in the pass band come through, same phase, to 90 dB", "[unit][sound]") {
  for (const Index from : {8000, 16000, 22050, 44100, 48000}) {
    for (const Index to : {8000, 16000, 22050, 44100, 48000}) {
      const Index low = std::min(from, to), length = from / 4;
      for (const double part : {0.02, 0.45, 0.89}) {  // of the lower Nyquist frequency
        const double frequency = part * static_cast<double>(low) / 2;
        const auto made = resample(tone(length, frequency, static_cast<double>(from)), from, to);
        REQUIRE(made.size() == (length * to + from - 1) / from);
        const auto wanted = tone(made.size(), frequency, static_cast<double>(to));
        Tensor<float> missed(made.shape());
        for (Index t = 0; t < made.size(); ++t) missed.data()[t] = made[t] - wanted[t];
        INFO(from << " to " << to << ", " << frequency << " Hz");
        CHECK(decibel(peak(missed, made.size() / 4) / 0.5) < -90);
      }
    }
  }
}

TEST_CASE("resampling: tones that the lower rate cannot hold are 90 dB down", "[unit][sound]") {
  for (const auto& [from, to] : {std::pair<Index, Index>{48000, 44100}, {44100, 16000}, {22050, 8000}, {48000, 8000}}) {
    for (const double part : {1.001, 1.05, 1.13, 1.31}) {  // of the new Nyquist frequency
      const double frequency = part * static_cast<double>(to) / 2;
      if (frequency >= static_cast<double>(from) / 2) continue;
      const auto made = resample(tone(from / 2, frequency, static_cast<double>(from)), from, to);
      INFO(from << " to " << to << ", " << frequency << " Hz");
      CHECK(decibel(peak(made, made.size() / 4) / 0.5) < -90);
    }
  }
}

TEST_CASE("resampling: images of a tone are 90 dB down when the rate goes up", "[unit][sound]") {
  // All of the energy that is not in the tone itself: subtract the tone, fitted by least squares.
  const Index from = 8000, to = 44100;
  const double frequency = 3400;
  const auto made = resample(tone(4000, frequency, 8000), from, to);
  const Index margin = made.size() / 4;
  double ss = 0, cc = 0, sc = 0, ys = 0, yc = 0;
  const auto angle = [&](Index t) { return tau * frequency * static_cast<double>(t) / static_cast<double>(to); };
  for (Index t = margin; t < made.size() - margin; ++t) {
    const double s = std::sin(angle(t)), c = std::cos(angle(t)), y = static_cast<double>(made[t]);
    ss += s * s, cc += c * c, sc += s * c, ys += y * s, yc += y * c;
  }
  const double a = (ys * cc - yc * sc) / (ss * cc - sc * sc), b = (yc * ss - ys * sc) / (ss * cc - sc * sc);
  CHECK(std::hypot(a, b) == Approx(0.5).epsilon(2e-5));
  double worst = 0;
  for (Index t = margin; t < made.size() - margin; ++t)
    worst = std::max(worst, std::fabs(static_cast<double>(made[t]) - a * std::sin(angle(t)) - b * std::cos(angle(t))));
  CHECK(decibel(worst / 0.5) < -90);
}

TEST_CASE("resampling: any ratio, with many phases and with few", "[unit][sound]") {
  for (const auto& [from, to] :
       {std::pair<Index, Index>{44100, 44101}, {16000, 15999}, {1, 3}, {7, 2}, {10007, 30011}}) {
    const Index length = 3000;
    const double frequency = 0.1 * static_cast<double>(std::min(from, to));
    const auto made = resample(tone(length, frequency, static_cast<double>(from)), from, to);
    const auto wanted = tone(made.size(), frequency, static_cast<double>(to));
    double worst = 0;
    for (Index t = made.size() / 3; t < made.size() * 2 / 3; ++t)
      worst = std::max(worst, std::fabs(static_cast<double>(made[t] - wanted[t])));
    INFO(from << " to " << to);
    CHECK(worst < 2e-5);
  }
}

TEST_CASE("resampling: channels are apart, a constant stays, nothing stays nothing", "[unit][sound]") {
  Tensor<float> stereo(Shape{2000, 2}, 0.0F);
  const auto left = tone(2000, 300, 16000);
  for (Index t = 0; t < 2000; ++t) stereo.data()[2 * t] = left[t], stereo.data()[2 * t + 1] = 0.25F;
  const auto made = resample(stereo, 16000, 22050);
  const auto alone = resample(left, 16000, 22050);
  REQUIRE(made.shape() == Shape{alone.size(), 2});
  int wrong = 0;
  for (Index t = 0; t < alone.size(); ++t) wrong += made[2 * t] != alone[t];
  CHECK(wrong == 0);
  CHECK(made[2 * 1400 + 1] == Approx(0.25).margin(1e-7));
  CHECK(resample(Tensor<float>(Shape{0}), 8000, 16000).size() == 0);
  CHECK(same_bytes(resample(left, 8000, 8000), left));
}

TEST_CASE("resampling: rates and options out of range are named", "[unit][sound]") {
  const Tensor<float> sound(Shape{10}, 0.0F);
  CHECK_THROWS_AS(resample(sound, 0, 8000), argument_error);
  CHECK_THROWS_AS(resample(sound, 8000, -1), argument_error);
  CHECK_THROWS_AS(resample(sound, 8000, 16000, {.pass_band = 1}), argument_error);
  CHECK_THROWS_AS(resample(sound, 8000, 16000, {.stop_band = 5}), argument_error);
  CHECK_THROWS_AS(resample(Tensor<float>(Shape{2, 2, 2}), 8000, 16000), shape_error);
}
