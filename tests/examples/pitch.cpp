#include "examples/support/pitch.hpp"

#include <cmath>
#include <numbers>

#include <tessera/core/noise.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr Index rate = 16000, hop = 80;

/// A voice whose pitch goes from one frequency to another, and the angle of its fundamental at every sample. Harmonics
/// first ... 12, the k-th 1 / k high and a little late.
struct Voice {
  Tensor<float> sound;
  std::vector<double> angle;

  Voice(double from, double to, double seconds, int first = 1, double noise = 0) {
    const auto n = static_cast<Index>(seconds * static_cast<double>(rate));
    sound = Noise{3}.normal<float>({n});
    double phase = 1;
    for (Index t = 0; t < n; ++t) {
      angle.push_back(phase);
      double sum = 0;
      for (int k = first; k <= 12; ++k) sum += std::cos(k * phase - 0.3 * (k - 1)) / k;
      float& x = sound.data()[t];
      x = static_cast<float>(0.3 * sum + noise * static_cast<double>(x));
      const double along = static_cast<double>(t) / static_cast<double>(n);
      phase += 2 * std::numbers::pi * from * std::pow(to / from, along) / static_cast<double>(rate);
    }
  }
};

/// Frames, but for those near the ends, whose pitch is further than a part of 1 from what it should be.
Index wrong(const Tensor<float>& hertz, double from, double to, double off) {
  Index count = 0;
  for (Index f = 4; f < hertz.size() - 6; ++f) {
    const double along = (static_cast<double>(f) + 0.5) / static_cast<double>(hertz.size());
    count += !(std::fabs(static_cast<double>(hertz[f]) / (from * std::pow(to / from, along)) - 1) < off);
  }
  return count;
}

}  // namespace

TEST_CASE("pitch: steady voices, low and high, with and without their fundamental", "[examples][voice]") {
  for (const double hertz : {75.0, 100.0, 133.0, 220.0, 310.0, 450.0}) {
    INFO(hertz);
    CHECK(wrong(track_pitch(Voice(hertz, hertz, 0.4).sound), hertz, hertz, 0.01) == 0);
    CHECK(wrong(track_pitch(Voice(hertz, hertz, 0.4, 1, 0.05).sound), hertz, hertz, 0.02) == 0);
    if (hertz < 300) CHECK(wrong(track_pitch(Voice(hertz, hertz, 0.4, 2).sound), hertz, hertz, 0.01) == 0);
  }
}

TEST_CASE("pitch: voices that rise and fall as tones do", "[examples][voice]") {
  for (const auto& [from, to] : {std::pair{110.0, 190.0}, {190.0, 90.0}, {220.0, 400.0}, {420.0, 210.0}}) {
    INFO(from << " to " << to);
    CHECK(wrong(track_pitch(Voice(from, to, 0.3).sound), from, to, 0.03) == 0);
    CHECK(wrong(track_pitch(Voice(from, to, 0.3, 1, 0.05).sound), from, to, 0.03) == 0);
  }
}

TEST_CASE("pitch: noise and silence have none, and a voice between them is found", "[examples][voice]") {
  Tensor<float> noise = Noise{1}.normal<float>({8000});
  const Tensor<float> none = track_pitch(noise);
  Index voiced = 0;
  for (const float hertz : none.span()) voiced += hertz > 0;
  CHECK(voiced <= none.size() / 10);
  const Tensor<float> of_silence = track_pitch(Tensor<float>(Shape{8000}, 0.0F));
  for (const float hertz : of_silence.span()) CHECK(hertz == 0);

  // 0.2 s of noise, 0.2 s of voice, 0.1 s of nearly nothing
  const Voice voice(150, 150, 0.2);
  Tensor<float> both(Shape{8000}, 0.0F);
  for (Index t = 0; t < 3200; ++t) both.data()[t] = 0.1F * noise[t];
  for (Index t = 0; t < 3200; ++t) both.data()[3200 + t] = voice.sound[t];
  for (Index t = 6400; t < 8000; ++t) both.data()[t] = 1e-4F * noise[t];
  const Tensor<float> hertz = track_pitch(both);
  REQUIRE(hertz.size() == 100);
  for (Index f = 44; f < 76; ++f) CHECK(hertz[f] == Approx(150).epsilon(0.02));
  for (Index f = 84; f < 100; ++f) CHECK(hertz[f] == 0);
  Index early = 0;
  for (Index f = 0; f < 36; ++f) early += hertz[f] > 0;
  CHECK(early <= 6);
}

TEST_CASE("pitch: sounds too short for a frame, loud ones, broken ones", "[examples][voice]") {
  for (const Index n : {0, 1, 79, 80, 81, 400}) {
    const Tensor<float> sound(Shape{n}, 0.5F), hertz = track_pitch(sound);
    CHECK(hertz.size() == n / hop);
    CHECK(frame_loudness(sound).size() == n / hop);
    CHECK(fundamental_turn(sound, bridged_pitch(hertz, 200), hertz, 4).size() == n / hop * hop / 4);
    CHECK(fundamental_turn(bridged_pitch(hertz, 200), 4).size() == n / hop * hop / 4);
  }
  Tensor<float> loud = Voice(120, 120, 0.3).sound.clone();
  for (float& x : loud.span()) x *= 1000;
  CHECK(wrong(track_pitch(loud), 120, 120, 0.01) == 0);
  Tensor<float> broken = loud.clone();
  broken.data()[2000] = NAN;
  CHECK(track_pitch(broken).size() == broken.size() / hop);
}

TEST_CASE("pitch: gaps are bridged by lines between logarithms", "[examples][voice]") {
  const auto hertz = Tensor<float>::from({8}, {0, 100, 0, 0, 0, 1600, 0, 0});
  const Tensor<float> all = bridged_pitch(hertz, 50);
  const float wanted[] = {100, 100, 200, 400, 800, 1600, 1600, 1600};
  for (Index f = 0; f < 8; ++f) CHECK(all[f] == Approx(wanted[f]));
  const Tensor<float> bridged = bridged_pitch(Tensor<float>(Shape{3}, 0.0F), 50);
  for (const float x : bridged.span()) CHECK(x == 50);
}

TEST_CASE("the fundamental's turn is the sound's", "[examples][voice]") {
  const Voice voice(180, 120, 0.4, 1, 0.02);
  const Tensor<float> hertz = track_pitch(voice.sound), bridged = bridged_pitch(hertz, 100);
  constexpr Index step = 4;
  const Tensor<double> turn = fundamental_turn(voice.sound, bridged, hertz, step);
  REQUIRE(turn.size() == voice.sound.size() / step);
  const auto apart = [&](Index i) {
    return std::remainder(turn[i] - voice.angle[static_cast<std::size_t>(i * step + step / 2)], 2 * std::numbers::pi);
  };
  for (Index i = 200; i < turn.size() - 200; ++i) REQUIRE(std::fabs(apart(i)) < 0.25);
  // Without the sound it goes as fast, from 0.
  const Tensor<double> own = fundamental_turn(Tensor<float>(Shape{40}, 250.0F), step);
  for (Index i = 0; i < own.size(); ++i)
    REQUIRE(own[i] == Approx(2 * std::numbers::pi * 250 * (4.0 * static_cast<double>(i) + 2) / 16000).margin(1e-9));
}

TEST_CASE("loudness of frames", "[examples][voice]") {
  Tensor<float> sound(Shape{3200}, 0.0F);
  for (Index t = 0; t < 1600; ++t)
    sound.data()[t] = static_cast<float>(std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(t) / 16000));
  const Tensor<float> loudness = frame_loudness(sound);
  REQUIRE(loudness.size() == 40);
  for (Index f = 3; f < 17; ++f) CHECK(loudness[f] == Approx(-3.01).margin(0.05));
  for (Index f = 23; f < 40; ++f) CHECK(loudness[f] == -70);
}
