// One syllable, said: what examples/speak and examples/score_speak do with a voice.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <tessera/generate/sequence.hpp>

#include "examples/support/voice.hpp"
#include "examples/support/voice_model.hpp"

namespace tessera::examples {

struct SayOptions {
  double temperature = 0.7, top_p = 1;
  double calm = 0.25;  // times the temperature, where there is a voice
  double speed = 1;    // how much faster than the speaker usually says this tone
};

/// The index of a speaker's name. Throws argument_error.
inline int speaker_number(const std::string& name) {
  for (int i = 0; i < voice_speaker_count; ++i) {
    if (name == voice_speakers[i]) return i;
  }
  throw argument_error("--speaker is 3 or 5, not " + quoted(name, 40));
}

/// A WaveNet whose logits are larger where there is a voice: noise needs every level it may have, a voice is hoarse
/// when it is drawn as boldly (Jin et al., 2018, "FFTNet").
struct CalmWaveNet {
  using Condition = Tensor<float>;
  struct State {
    WaveNetDecoder::State inner;
    Index at = 0;
    std::vector<float> scaled;
    std::span<const float> logits() const { return scaled; }
  };

  WaveNetDecoder decoder;
  Tensor<float> voiced;  // [F], 0 or 1
  float calm = 1;

  State begin(const Condition& frames) const {
    State state{decoder.begin(frames), 0, {}};
    scale(state);
    return state;
  }
  void next(State& state, Unit unit) const {
    decoder.next(state.inner, unit);
    ++state.at;
    scale(state);
  }
  Index vocabulary() const { return decoder.vocabulary(); }

 private:
  void scale(State& state) const {
    const auto logits = state.inner.logits();
    state.scaled.assign(logits.begin(), logits.end());
    if (voiced[std::min(state.at / voice_hop, voiced.size() - 1)] > 0)
      for (float& x : state.scaled) x /= calm;
  }
};

/// Sound [frames * hop] at voice_rate of a syllable that moves so; none at all (`bool(sound)` is false) when stop()
/// says so.
template <class Stop>
Tensor<float> say(const VoiceNet<float>& net, const WaveNetDecoder& decoder, const Syllable& syllable, int speaker,
                  const VoiceContour& contour, const SayOptions& options, const Noise& noise, const Stop& stop) {
  VoiceRows rows(1, contour.turn.size());
  rows.set(0, syllable, speaker, contour, net.usual_hertz(speaker), 0);
  const Tensor<float> features = net.features(rows);
  const CalmWaveNet calm{decoder, contour.voiced, static_cast<float>(options.calm)};
  auto run = begin_sequence(
      calm, features.reshaped({features.extent(1), features.cols()}), noise,
      {.length = contour.frames() * voice_hop, .choice = {.temperature = options.temperature, .top_p = options.top_p}});
  while (run.step()) {
    if (run.at() % 256 == 0 && stop()) return {};
  }
  return Compander().decode(run.preview());
}

/// The same, moving as the voice thinks it should.
template <class Stop>
Tensor<float> say(const VoiceNet<float>& net, const WaveNetDecoder& decoder, const Syllable& syllable, int speaker,
                  const SayOptions& options, const Noise& noise, const Stop& stop) {
  const auto usual = static_cast<double>(net.usual_frames(syllable, speaker));
  const Index frames = std::max<Index>(static_cast<Index>(usual / options.speed), 4);
  const VoiceContour contour = predicted_contour(net.contour, syllable, speaker, frames, net.usual_hertz(speaker));
  return say(net, decoder, syllable, speaker, contour, options, noise, stop);
}

}  // namespace tessera::examples
