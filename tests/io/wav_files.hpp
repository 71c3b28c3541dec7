// WAV files made by hand, right but for what a test changes.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>

namespace test {

struct WavParts {
  std::string riff = "RIFF";
  std::optional<std::uint32_t> riff_size = {};
  std::string type = "WAVE";
  int format_chunks = 1;
  std::uint16_t format = 1, channels = 1;
  std::uint32_t rate = 8000;
  std::uint16_t bits = 16;
  std::optional<std::uint32_t> bytes_a_second = {};
  std::optional<std::uint16_t> frame = {};
  int data_chunks = 1;
  tessera::Bytes data = {};
  std::optional<std::uint32_t> data_size = {};
  bool padded = true;
  std::string before = {}, after = {}, trailing = {};  // chunks before and after the samples; what follows the file
  bool extensible = false;
  std::uint16_t extension = 22;
  std::optional<std::uint16_t> valid_bits = {};
};

inline tessera::Bytes as_bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

inline tessera::Bytes wav_file(const WavParts& p) {
  using namespace tessera;
  Bytes chunks = as_bytes_of(p.type);
  for (int i = 0; i < p.format_chunks; ++i) {
    append(chunks, "fmt ");
    append_little(chunks, static_cast<std::uint32_t>(p.extensible ? 40 : 16));
    append_little(chunks, static_cast<std::uint16_t>(p.extensible ? 0xFFFE : p.format));
    append_little(chunks, p.channels);
    append_little(chunks, p.rate);
    const auto frame = static_cast<std::uint16_t>(p.channels * p.bits / 8);
    append_little(chunks, p.bytes_a_second.value_or(p.rate * frame));
    append_little(chunks, p.frame.value_or(frame));
    append_little(chunks, p.bits);
    if (p.extensible) {
      append_little(chunks, p.extension);
      append_little(chunks, p.valid_bits.value_or(p.bits));
      append_little(chunks, std::uint32_t{4});
      append_little(chunks, p.format);
      append(chunks, std::string_view("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71", 14));
    }
  }
  append(chunks, p.before);
  for (int i = 0; i < p.data_chunks; ++i) {
    append(chunks, "data");
    append_little(chunks, p.data_size.value_or(static_cast<std::uint32_t>(p.data.size())));
    append(chunks, p.data);
    if (p.padded && p.data.size() % 2 == 1) chunks.push_back(0);
  }
  append(chunks, p.after);
  Bytes out = as_bytes_of(p.riff);
  append_little(out, p.riff_size.value_or(static_cast<std::uint32_t>(chunks.size())));
  append(out, chunks);
  append(out, p.trailing);
  return out;
}

/// 1, 2, 3, ...
inline tessera::Bytes ramp(std::size_t count) {
  tessera::Bytes bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);
  return bytes;
}

/// Two tones, both ends of the range among the samples.
inline tessera::Tensor<float> wave_of(tessera::Index frames, tessera::Index channels) {
  tessera::Tensor<float> sound(tessera::Shape{frames, channels});
  float* to = sound.data();
  for (tessera::Index i = 0; i < sound.size(); ++i)
    to[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i * i % 97)));
  if (sound.size() > 1) to[0] = -1, to[1] = 1;
  return sound;
}

}  // namespace test
