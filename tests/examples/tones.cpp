#include "examples/support/tones.hpp"

#include <numbers>

#include <tessera/autodiff/op/slice.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

/// A pulse-like voice whose pitch goes from one frequency to another: ten harmonics, falling by 1 / k.
Tensor<float> glide(double from, double to, double seconds, Index rate) {
  const Index n = static_cast<Index>(seconds * static_cast<double>(rate));
  Tensor<float> sound(Shape{n});
  double phase = 0;
  for (Index t = 0; t < n; ++t) {
    const double along = static_cast<double>(t) / static_cast<double>(n);
    phase += 2 * std::numbers::pi * from * std::pow(to / from, along) / static_cast<double>(rate);
    double sum = 0;
    for (int k = 1; k <= 10; ++k) sum += std::sin(k * phase) / k;
    sound.data()[t] = static_cast<float>(0.3 * sum);
  }
  return sound;
}

/// The row of the loudest band at one time: where the voice is.
Index loudest(const Tensor<float>& picture, Index time) {
  Index best = 0;
  for (Index y = 1; y < tone_side; ++y) {
    if (picture[time * tone_side + y] > picture[time * tone_side + best]) best = y;
  }
  return best;
}

}  // namespace

TEST_CASE("a tone's picture: levels from -1 to 1, and the lines go where the voice goes", "[examples][voice]") {
  const Tensor<float> up = tone_picture(glide(150, 300, 0.5, 16000), 16000);
  REQUIRE(up.shape() == Shape{tone_side, tone_side});
  float low = 1, high = -1;
  for (Index i = 0; i < up.size(); ++i) low = std::min(low, up[i]), high = std::max(high, up[i]);
  CHECK(low >= -1);
  CHECK(high == 1);
  // 150 Hz is 13.2 bands above 70 Hz, 300 Hz 25.2; a fifth of the way: an octave of 12 bands climbed by a fifth
  CHECK(std::abs(loudest(up, 10) - 16) <= 1);
  CHECK(std::abs(loudest(up, 38) - 23) <= 1);
  const Tensor<float> down = tone_picture(glide(300, 150, 0.5, 16000), 16000);
  CHECK(std::abs(loudest(down, 10) - 23) <= 1);
}

TEST_CASE("a tone's picture: how long a syllable is does not show", "[examples][voice]") {
  const Tensor<float> quick = tone_picture(glide(150, 300, 0.3, 16000), 16000),
                      slow = tone_picture(glide(150, 300, 0.6, 16000), 16000);
  for (const Index time : {8, 16, 24, 32, 40}) CHECK(std::abs(loudest(quick, time) - loudest(slow, time)) <= 1);
}

TEST_CASE("a tone's picture: sounds too short for a frame, silence", "[examples][voice]") {
  for (const Index n : {0, 1, 79, 80, 500}) {
    const Tensor<float> picture = tone_picture(Tensor<float>(Shape{n}, 0.0F), 16000);
    for (Index i = 0; i < picture.size(); ++i) REQUIRE((picture[i] >= -1 && picture[i] <= 1));
  }
}

TEST_CASE("a varied picture is the same one, moved", "[examples][voice]") {
  const Tensor<float> before = tone_picture(glide(150, 300, 0.5, 16000), 16000);
  bool moved = false;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Tensor<float> after = before.clone();
    vary_tone_picture(after.data(), Noise{seed});
    const Index up = loudest(after, 20) - loudest(before, 20);
    CHECK(std::abs(up) <= 5);
    // Within the edges every number is that of a pixel at most 3 bands and 2 times away.
    Index found = 0;
    for (Index x = 2; x < tone_side - 2; ++x) found += std::abs(loudest(after, x) - loudest(before, x) - up) <= 2;
    CHECK(found >= tone_side - 6);
    moved = moved || !same_bytes(after, before);
  }
  CHECK(moved);
}

TEST_CASE("the tone classifier: shapes, and a name for every parameter", "[examples][voice]") {
  Rng rng{1};
  const ToneClassifier<float> net(rng);
  const auto x = Noise{2}.normal<float>({3, tone_side, tone_side, 1});
  const Tensor<float> all = net(x);
  CHECK(all.shape() == Shape{3, tone_count});
  const Tensor<float> second = net(slice(x, 0, 1, 2));
  for (Index c = 0; c < tone_count; ++c) CHECK(second[c] == all[tone_count + c]);
}
