// What examples/train_speak trains and examples/speak speaks with: a network that says how a syllable moves
// (voice_contour.hpp), and a WaveNet that is told so and makes the sound.
//
//   row:  what the syllable is made of (initial, medial, final, tone) and the speaker as learned vectors, the place in
//         time, log pitch, voice or none, loudness, and sines and cosines of the fundamental's turn; two layers make
//         the WaveNet's condition from these, 4,000 times a second
//
// The paper conditions on syllables and log pitch (van den Oord et al., 2016, arXiv 1609.03499, section 3.2) and leaves
// it to the WaveNet to count periods, which it learns slowly. Here it is told where in its period the voice is, as
// source-filter models are by a sine (Wang et al., 2018, arXiv 1810.11946). In training all this is measured in the
// clip, in speaking predicted.
#pragma once

#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <string_view>

#include <tessera/autoregressive/wavenet_decoder.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/unit/companding.hpp>
#include "examples/support/voice_contour.hpp"

namespace tessera::examples {

/// What is known of each row of 0.25 ms.
struct VoiceRows {
  static constexpr Index turns = 8, moves = 3 + 2 * turns;
  VoicePoints points;
  Tensor<float> moving;  // [B, N, moves]

  VoiceRows(Index batch, Index rows) : points(batch, rows), moving(Shape{batch, rows, moves}) {}

  /// Row b: rows first ... of a syllable that moves so; beyond its end the last one again.
  void set(Index b, const Syllable& s, int speaker, const VoiceContour& c, double usual, Index first) {
    constexpr double a_frame = static_cast<double>(voice_hop / voice_step);
    const Index rows = moving.extent(1), frames = c.frames();
    for (Index i = 0; i < rows; ++i) {
      const Index row = std::min(first + i, c.turn.size() - 1);
      const double at = (static_cast<double>(row) + 0.5) / a_frame;
      points.set(b * rows + i, s, speaker, at, static_cast<double>(frames));
      const double near = std::clamp(at - 0.5, 0.0, static_cast<double>(frames - 1));
      const Index f = static_cast<Index>(near), g = std::min(f + 1, frames - 1);
      const auto late = static_cast<float>(near - static_cast<double>(f));
      const auto between = [&](const Tensor<float>& x) { return (1 - late) * x[f] + late * x[g]; };
      float* to = moving.data() + (b * rows + i) * moves;
      const float voiced = between(c.voiced);
      *to++ = ContourScale::pitch(static_cast<double>(between(c.hertz)), usual);
      *to++ = voiced;
      *to++ = ContourScale::loudness(between(c.loudness));
      for (int k = 1; k <= turns; ++k) {
        *to++ = voiced * static_cast<float>(std::cos(k * c.turn[row]));
        *to++ = voiced * static_cast<float>(std::sin(k * c.turn[row]));
      }
    }
  }
};

template <class T>
struct VoiceNet {
  struct Config {
    Index residual = 64, skip = 64, cycles = 2, depth = 8, features = 64, contour = 96;

    WaveNetConfig wavenet() const {
      return {.residual = residual,
              .skip = skip,
              .cycles = cycles,
              .depth = depth,
              .condition = features,
              .hop = voice_step,
              .start = Compander().silence()};
    }
    /// Every field with its name, for files.
    static void fields(auto& self, auto&& see) {
      see("residual", self.residual);
      see("skip", self.skip);
      see("cycles", self.cycles);
      see("depth", self.depth);
      see("features", self.features);
      see("contour", self.contour);
    }
  };

  Config config;
  ContourNet<T> contour;
  PointReader<T> reader;
  Linear<T> first, second;
  WaveNet<T> wavenet;
  Buffer<float> durations{Tensor<float>(Shape{voice_speaker_count, 6}, 80.0F)};  // mean frames of a speaker's tone
  Buffer<float> pitches{Tensor<float>(Shape{voice_speaker_count}, 200.0F)};      // a speaker's usual hertz

  VoiceNet(const Config& c, Rng& rng)
      : config(c),
        contour(c.contour, rng),
        reader(rng),
        first({.in = PointReader<T>::width + VoiceRows::moves, .out = 2 * c.features}, rng),
        second({.in = 2 * c.features, .out = c.features}, rng),
        wavenet(c.wavenet(), rng) {
    make_smooth(wavenet.embedding.weight.value, rng);
    make_smooth(wavenet.last.weight.value, rng);
  }

  /// The WaveNet's condition, [B, N, features]; `on` is a tape or NoTape.
  template <class On>
  auto features(On& on, const VoiceRows& rows) const {
    return second(silu(first(concat({reader(on, rows.points), on.constant(rows.moving)}, -1))));
  }
  Tensor<T> features(const VoiceRows& rows) const {
    NoTape none;
    return features(none, rows);
  }

  /// How long a syllable usually is, in frames.
  Index usual_frames(const Syllable& s, int who) const {
    return static_cast<Index>(durations.value[who * 6 + s.tone] + 0.5F);
  }
  double usual_hertz(int who) const { return static_cast<double>(pitches.value[who]); }

  static void members(auto& self, auto&& see) {
    see("contour", self.contour);
    see("reader", self.reader);
    see("first", self.first);
    see("second", self.second);
    see("wavenet", self.wavenet);
    see("durations", self.durations);
    see("pitches", self.pitches);
  }

 private:
  /// Initial values [levels, width] of the same size that go in slow waves along the levels: levels beside each other
  /// mean nearly the same, which a table of independent vectors would first have to learn.
  static void make_smooth(Tensor<T>& table, Rng& rng) {
    constexpr Index waves = 12;
    const Index levels = table.extent(0), width = table.extent(1);
    double before = 0, after = 0;
    for (const T x : std::as_const(table).span()) before += static_cast<double>(x) * static_cast<double>(x);
    const Tensor<T> height = rng.next().template normal<T>({waves, width});
    T* to = table.data();
    for (Index l = 0; l < levels; ++l) {
      for (Index c = 0; c < width; ++c) {
        double sum = 0;
        for (Index m = 1; m <= waves; ++m)
          sum += static_cast<double>(height[(m - 1) * width + c]) / static_cast<double>(m) *
                 std::cos(std::numbers::pi * static_cast<double>(m) * (static_cast<double>(l) + 0.5) /
                          static_cast<double>(levels));
        to[l * width + c] = static_cast<T>(sum);
        after += sum * sum;
      }
    }
    const double scale = std::sqrt(before / after);
    for (T& x : table.span()) x = static_cast<T>(static_cast<double>(x) * scale);
  }
};

inline constexpr std::string_view voice_format = "tessera.voice.2";

inline Safetensors to_file(const VoiceNet<float>& net, DType stored = DType::f16) {
  Safetensors file;
  file.metadata["format"] = voice_format;
  VoiceNet<float>::Config::fields(net.config, [&](const char* name, Index value) {
    file.metadata[std::string("config.") + name] = std::to_string(value);
  });
  put(file, net, "", stored);
  return file;
}

/// Throws io_error naming file, field, expected and found.
inline std::unique_ptr<VoiceNet<float>> voice_from_file(const Safetensors& file) {
  const auto text = [&](const std::string& key) {
    const auto at = file.metadata.find(key);
    if (at == file.metadata.end())
      throw_io(file.source(), "metadata", "the key " + key, "none: this is no voice; train_speak makes one");
    return at->second;
  };
  const std::string format = text("format");
  if (format == "tessera.voice.1")
    throw_io(file.source(), "format", quoted(voice_format),
             quoted(format) + ", a voice from before it was told its pitch: train_speak makes a new one");
  if (format != voice_format) throw_io(file.source(), "format", quoted(voice_format), quoted(format, 40));
  VoiceNet<float>::Config config;
  VoiceNet<float>::Config::fields(config, [&](const char* name, Index& value) {
    const std::string key = std::string("config.") + name, digits = text(key);
    const Index most = key == "config.cycles" || key == "config.depth" ? 16 : 1024;
    value = 0;
    bool good = !digits.empty() && digits.size() < 5;
    for (const char c : digits) {
      good = good && c >= '0' && c <= '9';
      value = good ? 10 * value + (c - '0') : 0;
    }
    if (!good || value < 1 || value > most)
      throw_io(file.source(), key, "1 to " + std::to_string(most), quoted(digits, 40));
  });
  Rng rng(0);
  auto net = std::make_unique<VoiceNet<float>>(config, rng);
  get(file, *net);
  for (Index i = 0; i < net->durations.value.size(); ++i) {
    const float frames = net->durations.value[i];
    if (!(frames >= 1 && frames <= 2000))
      throw_io(file.source(), "durations", "1 to 2000 frames", std::to_string(frames));
  }
  for (Index i = 0; i < net->pitches.value.size(); ++i) {
    const float hertz = net->pitches.value[i];
    if (!(hertz >= 50 && hertz <= 600)) throw_io(file.source(), "pitches", "50 to 600 hertz", std::to_string(hertz));
  }
  return net;
}

}  // namespace tessera::examples
