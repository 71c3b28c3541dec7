// One syllable, said: what examples/speak and examples/score_speak do with a voice.
#pragma once

#include <algorithm>
#include <string>

#include <tessera/generate/sequence.hpp>

#include "examples/support/voice.hpp"
#include "examples/support/voice_model.hpp"

namespace tessera::examples {

struct SayOptions {
  double temperature = 0.9, top_p = 1;
  double speed = 1;  // how much faster than the speaker usually says this tone
};

/// The index of a speaker's name. Throws argument_error.
inline int speaker_number(const std::string& name) {
  for (int i = 0; i < voice_speaker_count; ++i) {
    if (name == voice_speakers[i]) return i;
  }
  throw argument_error("--speaker is 3 or 5, not " + quoted(name, 40));
}

/// Sound [frames * hop] at voice_rate; none at all (`bool(sound)` is false) when stop() says so.
template <class Stop>
Tensor<float> say(const VoiceNet<float>& net, const WaveNetDecoder& decoder, const Syllable& syllable, int speaker,
                  const SayOptions& options, const Noise& noise, const Stop& stop) {
  const Index usual = net.usual_frames(syllable, speaker);
  const Index frames = std::max<Index>(static_cast<Index>(static_cast<double>(usual) / options.speed), 4);
  VoiceFrames given(1, frames);
  given.set(0, syllable, speaker, 0, frames);
  const Tensor<float> features = net.features(given);
  auto run = begin_sequence(
      decoder, features.reshaped({frames, features.cols()}), noise,
      {.length = frames * voice_hop, .choice = {.temperature = options.temperature, .top_p = options.top_p}});
  while (run.step()) {
    if (run.at() % 256 == 0 && stop()) return {};
  }
  return Compander().decode(run.preview());
}

}  // namespace tessera::examples
