// Ogg Vorbis sound, decoded by libvorbisfile, the format's reference decoder.
#pragma once

#include <string>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

struct OggSound {
  Tensor<float> samples;  // [T, C]
  Index rate = 0;         // Hz
};

/// The first stream of a file of at most 64 MiB and 10 minutes. Throws io_error.
OggSound read_ogg(const std::string& path);

/// The mean of the channels: [T, C] -> [T].
Tensor<float> to_mono(const Tensor<float>& sound);

}  // namespace tessera::examples
