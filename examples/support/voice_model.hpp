// What examples/train_speak trains and examples/speak speaks with: a WaveNet whose frames say which syllable is spoken,
// in which tone, by whom, and how far along it is.
//
//   frame:  what the syllable is made of (initial, medial, final, tone) and the speaker as learned vectors, beside the
//           place in time as 13 numbers; two layers make the frame's features from these
#pragma once

#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autoregressive/wavenet_decoder.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/unit/companding.hpp>
#include "examples/support/zhuyin.hpp"

namespace tessera::examples {

inline constexpr Index voice_rate = 16000, voice_hop = 80;  // samples a second, and a frame of 5 ms
inline constexpr int voice_speaker_count = 2;

/// What is known of each frame: ids [B, F] of each part, and the place in time.
struct VoiceFrames {
  static constexpr Index places = 13;
  std::array<Tensor<std::int32_t>, 5> parts;  // initial, medial, final, tone, speaker
  Tensor<float> place;                        // [B, F, places]

  VoiceFrames(Index batch, Index frames) : place(Shape{batch, frames, places}) {
    for (auto& p : parts) p = Tensor<std::int32_t>(Shape{batch, frames});
  }

  /// Row b: frames first ... of a syllable that is `total` frames long.
  void set(Index b, const Syllable& s, int speaker, Index first, Index total) {
    const Index frames = place.extent(1);
    const int values[] = {s.initial, s.medial, s.final, s.tone, speaker};
    for (std::size_t k = 0; k < parts.size(); ++k) {
      std::int32_t* to = parts[k].data() + b * frames;
      for (Index f = 0; f < frames; ++f) to[f] = values[k];
    }
    float* to = place.data() + b * frames * places;
    for (Index f = 0; f < frames; ++f) {
      const double at = static_cast<double>(first + f) + 0.5, all = static_cast<double>(total), p = at / all;
      for (int k = 1; k <= 8; ++k) *to++ = static_cast<float>(std::cos(std::numbers::pi * k * p));
      for (const double fade : {4.0, 16.0}) {  // frames: how near the beginning and the end are
        *to++ = static_cast<float>(std::exp(-at / fade));
        *to++ = static_cast<float>(std::exp(-(all - at) / fade));
      }
      *to++ = static_cast<float>(all / 100);
    }
  }
};

template <class T>
struct VoiceNet {
  struct Config {
    Index residual = 64, skip = 128, cycles = 2, depth = 9, features = 64;

    WaveNetConfig wavenet() const {
      return {.residual = residual,
              .skip = skip,
              .cycles = cycles,
              .depth = depth,
              .condition = features,
              .hop = voice_hop,
              .start = Compander().silence()};
    }
    /// Every field with its name, for files.
    static void fields(auto& self, auto&& see) {
      see("residual", self.residual);
      see("skip", self.skip);
      see("cycles", self.cycles);
      see("depth", self.depth);
      see("features", self.features);
    }
  };

  Config config;
  Embedding<T> initial, medial, final, tone, speaker;
  Linear<T> first, second;
  WaveNet<T> wavenet;
  Buffer<float> durations{Tensor<float>(Shape{voice_speaker_count, 6}, 80.0F)};  // mean frames of a speaker's tone

  VoiceNet(const Config& c, Rng& rng)
      : config(c),
        initial({.count = Syllable::counts[0], .width = 16, .deviation = 0.5}, rng),
        medial({.count = Syllable::counts[1], .width = 8, .deviation = 0.5}, rng),
        final({.count = Syllable::counts[2], .width = 16, .deviation = 0.5}, rng),
        tone({.count = Syllable::counts[3], .width = 8, .deviation = 0.5}, rng),
        speaker({.count = voice_speaker_count, .width = 8, .deviation = 0.5}, rng),
        first({.in = 16 + 8 + 16 + 8 + 8 + VoiceFrames::places, .out = 2 * c.features}, rng),
        second({.in = 2 * c.features, .out = c.features}, rng),
        wavenet(c.wavenet(), rng) {}

  /// [B, F, features]
  Tensor<T> features(const VoiceFrames& frames) const {
    return features(
        frames, [](const Tensor<std::int32_t>& ids) { return ids; }, frames.place);
  }
  template <class V>
  Var<V> features(Tape<V>& tape, const VoiceFrames& frames) const {
    return features(
        frames, [&](const Tensor<std::int32_t>& ids) { return tape.ids(ids); }, tape.constant(frames.place));
  }

  /// How long a syllable usually is, in frames.
  Index usual_frames(const Syllable& s, int who) const {
    return static_cast<Index>(durations.value[who * 6 + s.tone] + 0.5F);
  }

  static void members(auto& self, auto&& see) {
    see("initial", self.initial);
    see("medial", self.medial);
    see("final", self.final);
    see("tone", self.tone);
    see("speaker", self.speaker);
    see("first", self.first);
    see("second", self.second);
    see("wavenet", self.wavenet);
    see("durations", self.durations);
  }

 private:
  template <class AsIds, Value X>
  X features(const VoiceFrames& f, const AsIds& ids, const X& place) const {
    const X all = concat({initial(ids(f.parts[0])), medial(ids(f.parts[1])), final(ids(f.parts[2])),
                          tone(ids(f.parts[3])), speaker(ids(f.parts[4])), place},
                         -1);
    return second(silu(first(all)));
  }
};

inline constexpr std::string_view voice_format = "tessera.voice.1";

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
  if (text("format") != voice_format) throw_io(file.source(), "format", quoted(voice_format), quoted(text("format")));
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
  return net;
}

}  // namespace tessera::examples
