// Spoken Mandarin syllables from Debian's gcin-voice: about 1,200 syllables by each of two speakers, a folder a
// syllable (zhuyin; a digit for the tone, none for tone 1, and 1 for the neutral tone, as on the keyboard), a file a
// speaker.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>
#include "examples/support/zhuyin.hpp"

namespace tessera::examples {

struct VoiceClip {
  Syllable syllable = {};
  int speaker = 0;  // index into voice_speakers
  std::string path = {};
  Tensor<float> samples = {};  // [T], loudest sample 0.7, silence at both ends cut to 20 ms
  bool held_out = false;       // one in 20, by name: the same ones every time
};

/// Speaker "3" (LGPL/GPL-3, Edward Der-Hua Liu) and speaker "5" (CC-BY-3, Chu Lo).
inline constexpr const char* voice_speakers[] = {"3", "5"};

struct VoiceOptions {
  std::string folder = "/usr/share/gcin-voice/ogg";
  Index rate = 16000;
  std::size_t most = 0;  // clips, spread evenly over all; 0: all
};

/// In order of their names. Throws io_error that says what to install when there are none.
std::vector<VoiceClip> read_voices(const VoiceOptions& options = {});

/// Without the quiet beginning and end (60 dB under the loudest 10 ms), but for 20 ms; the loudest sample becomes 0.7.
Tensor<float> trimmed_voice(const Tensor<float>& sound, Index rate);

}  // namespace tessera::examples
