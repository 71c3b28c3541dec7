#include "examples/support/ogg.hpp"

#include <vorbis/vorbisfile.h>

#include <cstring>
#include <vector>

#include <tessera/io/file.hpp>

namespace tessera::examples {

namespace {

/// A file in memory, as vorbisfile reads it.
struct Source {
  Bytes bytes;
  std::size_t at = 0;

  static std::size_t read(void* to, std::size_t size, std::size_t count, void* self) {
    auto& s = *static_cast<Source*>(self);
    const std::size_t wanted = size * count, left = s.bytes.size() - s.at, n = wanted < left ? wanted : left;
    if (n > 0) std::memcpy(to, s.bytes.data() + s.at, n);
    s.at += n;
    return size == 0 ? 0 : n / size;
  }
};

/// Closed when it goes.
struct Decoder {
  OggVorbis_File file{};
  bool open = false;
  ~Decoder() {
    if (open) ov_clear(&file);
  }
};

}  // namespace

OggSound read_ogg(const std::string& path) {
  Source source{read_file(path, std::uint64_t{64} << 20)};
  Decoder decoder;
  const ov_callbacks calls{Source::read, nullptr, nullptr, nullptr};
  if (const int code = ov_open_callbacks(&source, &decoder.file, nullptr, 0, calls); code != 0)
    throw_io(path, "file", "Ogg Vorbis sound", "an error (" + std::to_string(code) + ")");
  decoder.open = true;
  const vorbis_info* info = ov_info(&decoder.file, -1);
  const long rate = info->rate;
  const int channels = info->channels;
  if (rate < 1 || rate > 1'000'000 || channels < 1 || channels > 8)
    throw_io(path, "header", "1 to 8 channels at up to 1,000,000 Hz",
             std::to_string(channels) + " at " + std::to_string(rate));
  std::vector<float> samples;
  for (;;) {
    float** parts = nullptr;
    int stream = 0;
    const long frames = ov_read_float(&decoder.file, &parts, 4096, &stream);
    if (frames < 0) throw_io(path, "sound", "whole packets", "an error (" + std::to_string(frames) + ")");
    if (frames == 0 || stream > 0) break;
    for (long t = 0; t < frames; ++t) {
      for (int c = 0; c < channels; ++c) samples.push_back(parts[c][t]);
    }
    if (samples.size() > static_cast<std::size_t>(rate) * static_cast<std::size_t>(channels) * 600)
      throw_io(path, "sound", "at most 10 minutes", "more");
  }
  const auto length = static_cast<Index>(samples.size()) / channels;
  return {Tensor<float>::from({length, channels}, samples), static_cast<Index>(rate)};
}

Tensor<float> to_mono(const Tensor<float>& sound) {
  if (sound.rank() == 1) return sound;
  const Index channels = sound.extent(1);
  Tensor<float> mono(Shape{sound.extent(0)});
  float* to = mono.data();
  for (Index t = 0; t < mono.size(); ++t) {
    float sum = 0;
    for (Index c = 0; c < channels; ++c) sum += sound[t * channels + c];
    to[t] = sum / static_cast<float>(channels);
  }
  return mono;
}

}  // namespace tessera::examples
