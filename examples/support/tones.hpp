// What tone a Mandarin syllable is spoken in, heard by a small network: it looks at a picture of the voice's lower
// harmonics over time, in which a tone is the shape of the lines. examples/score_speak measures a voice with it.
//
//   picture:  power at 48 frequencies from 70 to 1,120 Hz, 12 an octave, over the syllable cut into 48 equal times: how
//             long it is cannot be seen, and a higher voice is the same picture moved up
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/core/noise.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/unit/spectrogram.hpp>

namespace tessera::examples {

inline constexpr Index tone_side = 48, tone_count = 5;

/// Sound [T] without silent ends -> [48, 48], times by frequencies, -1 for 50 dB under the loudest to 1.
inline Tensor<float> tone_picture(const Tensor<float>& sound, Index rate) {
  constexpr double lowest = 70, octaves = 4, range = 50;
  constexpr Index size = 1024;
  const Stft s = stft(sound, {.size = size, .hop = 80});
  const Tensor<float> loudness = decibels(power(s), 1000);
  Tensor<float> picture(Shape{tone_side, tone_side});
  float* const to = picture.data();
  float top = -1e30F;
  for (Index x = 0; x < tone_side; ++x) {
    const double time = static_cast<double>(x * (s.frames - 1)) / (tone_side - 1);
    const Index m = std::min(static_cast<Index>(time), std::max<Index>(s.frames - 2, 0));
    const double late = s.frames > 1 ? time - static_cast<double>(m) : 0;
    for (Index y = 0; y < tone_side; ++y) {
      const double hertz = lowest * std::exp2(octaves * static_cast<double>(y) / tone_side);
      const double place = hertz * size / static_cast<double>(rate), high = place - std::floor(place);
      const Index k = static_cast<Index>(place);
      const auto at = [&](Index frame) {
        const float* row = loudness.data() + std::min(frame, s.frames - 1) * s.bins + k;
        return (1 - high) * static_cast<double>(row[0]) + high * static_cast<double>(row[1]);
      };
      const auto level = static_cast<float>((1 - late) * at(m) + late * at(m + 1));
      to[x * tone_side + y] = level;
      top = std::max(top, level);
    }
  }
  for (Index i = 0; i < picture.size(); ++i) to[i] = std::max(-1.0F, 1 + 2 * (to[i] - top) / static_cast<float>(range));
  return picture;
}

/// The same syllable by another voice: up to a quarter of an octave higher or lower, a little early or late.
inline void vary_tone_picture(float* picture, const Noise& noise) {
  const Index up = noise.below(7, 0) - 3, late = noise.below(5, 1) - 2;
  const std::vector<float> before(picture, picture + tone_side * tone_side);
  for (Index x = 0; x < tone_side; ++x) {
    for (Index y = 0; y < tone_side; ++y) {
      const Index from_x = std::clamp<Index>(x - late, 0, tone_side - 1);
      const Index from_y = std::clamp<Index>(y - up, 0, tone_side - 1);
      picture[x * tone_side + y] = before[static_cast<std::size_t>(from_x * tone_side + from_y)];
    }
  }
}

template <class T>
struct ToneClassifier {
  Conv2d<T> conv1, conv2, conv3;
  Linear<T> hidden, out;

  explicit ToneClassifier(Rng& rng)
      : conv1({.in = 1, .out = 16, .stride = 2}, rng),
        conv2({.in = 16, .out = 32, .stride = 2}, rng),
        conv3({.in = 32, .out = 48, .stride = 2}, rng),
        hidden({.in = 6 * 6 * 48, .out = 64}, rng),
        out({.in = 64, .out = tone_count}, rng) {}

  /// Pictures [B, 48, 48, 1] -> [B, 5]: tones 1 to 4, and the neutral one.
  template <Value X>
  X operator()(const X& x) const {
    const X h = relu(conv3(relu(conv2(relu(conv1(x))))));
    return out(relu(hidden(reshape(h, {x.extent(0), 6 * 6 * 48}))));
  }

  static void members(auto& self, auto&& see) {
    see("conv1", self.conv1);
    see("conv2", self.conv2);
    see("conv3", self.conv3);
    see("hidden", self.hidden);
    see("out", self.out);
  }
};

}  // namespace tessera::examples
