// What makes one sound of examples/speak, as it is stored in its WAV and read back by --repro.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tessera/io/wav.hpp>

#include "examples/support/voice_run.hpp"
#include "examples/support/zhuyin.hpp"

namespace tessera::examples {

struct SpeakJob {
  std::vector<Syllable> syllables = {};
  std::uint64_t seed = 0;  // of the first; the next one has seed + 1
  int speaker = 0;
  SayOptions how = {};
  double pause = 0.06;       // seconds
  bool whole = false;        // weights of 32 bits, not 16
  std::string weights = {};  // fingerprint

  /// "ㄋㄧˇ ㄏㄠˇ"
  std::string text() const;
  /// The WAV's INFO list.
  WavTexts texts() const;
};

/// The settings stored in a WAV of ours. Throws io_error for any other file, naming what is missing or out of range.
SpeakJob read_speak_job(const std::string& path);

}  // namespace tessera::examples
