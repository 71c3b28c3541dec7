// How a syllable moves: pitch, voice or none, and loudness, frame by frame; measured in a clip, or predicted from what
// the syllable is made of, its tone, the speaker and the place in time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/linear.hpp>
#include "examples/support/pitch.hpp"
#include "examples/support/zhuyin.hpp"

namespace tessera::examples {

inline constexpr Index voice_rate = 16000, voice_hop = 80;  // samples a second, and a frame of 5 ms
inline constexpr Index voice_step = 4;  // samples from one row of the WaveNet's condition to the next
inline constexpr int voice_speaker_count = 2;
inline constexpr PitchOptions voice_pitch = {.rate = voice_rate, .hop = voice_hop};

struct VoiceContour {
  Tensor<float> hertz;     // [F], without gaps
  Tensor<float> voiced;    // [F], 0 or 1
  Tensor<float> loudness;  // [F], decibels
  Tensor<double> turn;     // [F hop / step], radians of the fundamental

  Index frames() const { return hertz.size(); }
};

/// A clip with silence added up to whole frames.
inline Tensor<float> whole_frames(const Tensor<float>& sound) {
  Tensor<float> whole(Shape{(sound.size() + voice_hop - 1) / voice_hop * voice_hop}, 0.0F);
  std::copy_n(sound.data(), sound.size(), whole.data());
  return whole;
}

/// What a clip's whole frames do. `usual` hertz where there is no voice in all of it.
inline VoiceContour contour_of(const Tensor<float>& sound, float usual) {
  const Tensor<float> track = track_pitch(sound, voice_pitch), hertz = bridged_pitch(track, usual);
  Tensor<float> voiced(track.shape());
  for (Index f = 0; f < track.size(); ++f) voiced.data()[f] = track[f] > 0 ? 1 : 0;
  return {hertz, voiced, frame_loudness(sound, voice_pitch),
          fundamental_turn(sound, hertz, track, voice_step, voice_pitch)};
}

/// Points in syllables: ids [B, N] of what each is made of, and where in it the point lies.
struct VoicePoints {
  static constexpr Index places = 13;
  std::array<Tensor<std::int32_t>, 5> parts;  // initial, medial, final, tone, speaker
  Tensor<float> place;                        // [B, N, places]

  VoicePoints(Index batch, Index points) : place(Shape{batch, points, places}) {
    for (auto& p : parts) p = Tensor<std::int32_t>(Shape{batch, points});
  }
  /// Point i of all: `at` of `total` frames into the syllable.
  void set(Index i, const Syllable& s, int speaker, double at, double total) {
    const int values[] = {s.initial, s.medial, s.final, s.tone, speaker};
    for (std::size_t k = 0; k < parts.size(); ++k) parts[k].data()[i] = values[k];
    at = std::min(at, total);
    float* to = place.data() + i * places;
    for (int k = 1; k <= 8; ++k) *to++ = static_cast<float>(std::cos(std::numbers::pi * k * at / total));
    for (const double fade : {4.0, 16.0}) {  // frames: how near the beginning and the end are
      *to++ = static_cast<float>(std::exp(-at / fade));
      *to++ = static_cast<float>(std::exp(-(total - at) / fade));
    }
    *to = static_cast<float>(total / 100);
  }
};

/// Where numbers are when nothing is recorded: what tape.ids() and tape.constant() are to a tape.
struct NoTape {
  static const Tensor<std::int32_t>& ids(const Tensor<std::int32_t>& x) { return x; }
  static const Tensor<float>& constant(const Tensor<float>& x) { return x; }
};

/// Points as vectors: [B, N, width], each part's learned one and the place.
template <class T>
struct PointReader {
  static constexpr Index widths[] = {16, 8, 16, 8, 8}, width = 56 + VoicePoints::places;
  Embedding<T> initial, medial, final, tone, speaker;

  explicit PointReader(Rng& rng)
      : initial({.count = Syllable::counts[0], .width = widths[0], .deviation = 0.5}, rng),
        medial({.count = Syllable::counts[1], .width = widths[1], .deviation = 0.5}, rng),
        final({.count = Syllable::counts[2], .width = widths[2], .deviation = 0.5}, rng),
        tone({.count = Syllable::counts[3], .width = widths[3], .deviation = 0.5}, rng),
        speaker({.count = voice_speaker_count, .width = widths[4], .deviation = 0.5}, rng) {}

  template <class On>
  auto operator()(On& on, const VoicePoints& p) const {
    return concat({initial(on.ids(p.parts[0])), medial(on.ids(p.parts[1])), final(on.ids(p.parts[2])),
                   tone(on.ids(p.parts[3])), speaker(on.ids(p.parts[4])), on.constant(p.place)},
                  -1);
  }
  static void members(auto& self, auto&& see) {
    see("initial", self.initial);
    see("medial", self.medial);
    see("final", self.final);
    see("tone", self.tone);
    see("speaker", self.speaker);
  }
};

/// A contour's numbers as networks read and write them: about 1 in size.
struct ContourScale {
  static float pitch(double hertz, double usual) { return static_cast<float>(std::log(hertz / usual) / 0.25); }
  static double hertz(float pitch, double usual) {
    return usual * std::exp(0.25 * std::clamp(static_cast<double>(pitch), -5.0, 5.0));
  }
  static float loudness(float decibels) { return (decibels + 30) / 15; }
  static float decibels(float loudness) { return std::clamp(15 * loudness - 30, -70.0F, 0.0F); }
};

/// Pitch, voice and loudness of each point, by least squares.
template <class T>
struct ContourNet {
  PointReader<T> reader;
  Linear<T> first, second, last;

  ContourNet(Index hidden, Rng& rng)
      : reader(rng),
        first({.in = PointReader<T>::width, .out = hidden}, rng),
        second({.in = hidden, .out = hidden}, rng),
        last({.in = hidden, .out = 3}, rng) {}

  /// [B, N, 3]: ContourScale's pitch, voiced, ContourScale's loudness.
  template <class On>
  auto operator()(On& on, const VoicePoints& p) const {
    return last(silu(second(silu(first(reader(on, p))))));
  }
  static void members(auto& self, auto&& see) {
    see("reader", self.reader);
    see("first", self.first);
    see("second", self.second);
    see("last", self.last);
  }
};

/// What the points' numbers should be; where there is no voice, any pitch is right.
struct ContourTargets {
  Tensor<float> values, weights;  // [B, N, 3]

  ContourTargets(Index batch, Index points) : values(Shape{batch, points, 3}), weights(values.shape(), 1.0F) {}
  void set(Index i, const VoiceContour& c, Index frame, double usual) {
    float* to = values.data() + 3 * i;
    to[0] = ContourScale::pitch(static_cast<double>(c.hertz[frame]), usual);
    to[1] = c.voiced[frame];
    to[2] = ContourScale::loudness(c.loudness[frame]);
    weights.data()[3 * i] = c.voiced[frame];
  }
  template <Value X>
  X loss(const X& predicted) const {
    return mean(square(predicted - values) * weights);
  }
};

/// The contour of a syllable that is spoken in so many frames.
inline VoiceContour predicted_contour(const ContourNet<float>& net, const Syllable& syllable, int speaker, Index frames,
                                      double usual) {
  VoicePoints points(1, frames);
  for (Index f = 0; f < frames; ++f)
    points.set(f, syllable, speaker, static_cast<double>(f) + 0.5, static_cast<double>(frames));
  NoTape none;
  const Tensor<float> y = net(none, points);
  VoiceContour c{Tensor<float>(Shape{frames}), Tensor<float>(Shape{frames}), Tensor<float>(Shape{frames}), {}};
  for (Index f = 0; f < frames; ++f) {
    c.hertz.data()[f] = static_cast<float>(ContourScale::hertz(y[3 * f], usual));
    c.voiced.data()[f] = y[3 * f + 1] > 0.5F ? 1 : 0;
    c.loudness.data()[f] = ContourScale::decibels(y[3 * f + 2]);
  }
  c.turn = fundamental_turn(c.hertz, voice_step, voice_pitch);
  return c;
}

}  // namespace tessera::examples
