// WAV (RIFF WAVE; Microsoft and IBM 1991, "Multimedia Programming Interface and Data Specifications"), read and
// written: mono and stereo, 8, 16, 24, 32 bits a sample, or 32-bit floats; and what its INFO list says of it.
//
//   const Wav voice = read_wav("voice.wav");            // voice.samples [T, C] in [-1, 1], voice.rate in Hz
//   write_wav("copy.wav", voice.samples, voice.rate, {.sample = WavSample::int24, .texts = {{"ICMT", "a copy"}}});
//
// Whole numbers of n bits are v / 2^(n - 1), so that 8, 16 and 24 bits come back bit for bit when written again; of 32
// bits a float keeps the upper 25. Formats are named when they are not supported. Strict: every count has to agree with
// the others and with the file's length. A header whose sizes were never filled in (0 or 2^32 - 1, what a program
// leaves that writes into a pipe) is refused and says so, because a cut-off file looks the same. Only in INFO, which is
// no sound, what is not whole is passed over.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/io/bytes.hpp>
#include <tessera/io/file.hpp>

namespace tessera {

enum class WavSample { int8, int16, int24, int32, float32 };

constexpr int bits_of(WavSample sample) {
  constexpr int bits[] = {8, 16, 24, 32, 32};
  return bits[static_cast<int>(sample)];
}

/// The INFO list by its names of four characters: ISFT the software, INAM the title, ICMT a comment, ...
using WavTexts = std::map<std::string, std::string>;

struct Wav {
  Tensor<float> samples = {};  // [T, C], C = 1 or 2; whole numbers in [-1, 1), floats as they are
  Index rate = 0;              // Hz
  WavSample sample = WavSample::int16;
  WavTexts texts = {};  // of equal names the first
};

struct WavOptions {
  WavSample sample = WavSample::int16;
  WavTexts texts = {};
};

namespace io_detail {

inline constexpr Index highest_wav_rate = 10'000'000;
inline constexpr std::size_t most_wav_texts = 256;  // more than there are names for; of a hostile file the first

enum class WavFormat : std::uint16_t { pcm = 1, ieee_float = 3, extensible = 0xFFFE };

/// What a format's number stands for, for those who meet one that is not supported.
inline std::string wav_format_name(std::uint16_t format) {
  struct Named {
    std::uint16_t format;
    const char* name;
  };
  constexpr Named known[] = {
      {1, "PCM"},          {2, "Microsoft ADPCM"}, {3, "IEEE float"},     {6, "A-law"},    {7, "mu-law"},
      {0x11, "IMA ADPCM"}, {0x14, "G.723"},        {0x31, "GSM 6.10"},    {0x40, "G.721"}, {0x50, "MPEG layer 2"},
      {0x55, "MP3"},       {0x92, "AC-3"},         {0xFFFE, "extensible"}};
  for (const Named& k : known) {
    if (k.format == format) return std::string(k.name) + " (format " + std::to_string(format) + ")";
  }
  return "format " + std::to_string(format);
}

class WavDecoder {
 public:
  WavDecoder(std::span<const std::uint8_t> bytes, const std::string& name) : reader_(bytes, name) {}

  Wav decode() {
    open();
    bool have_format = false, have_data = false;
    std::span<const std::uint8_t> data;
    WavTexts texts;
    while (chunks_.remaining() > 0) {
      const std::string id(as_text(chunks_.take(4, "chunk name")));
      const auto size = chunks_.little<std::uint32_t>("chunk " + quoted(id) + ": size");
      if (id == "data" && (size == 0xFFFFFFFFU || (size == 0 && chunks_.remaining() > 0)))
        chunks_.fail("data: size", "that of the samples",
                     std::to_string(size) + ", the mark of a file that was never finished; convert it again");
      const auto body = chunks_.take(size, "chunk " + quoted(id));
      if (size % 2 == 1 && chunks_.remaining() > 0) chunks_.take(1, "padding");  // some leave it out at the end
      if (id == "fmt ") {
        if (have_format) chunks_.fail("chunk \"fmt \"", "one", "a second");
        read_format(body);
        have_format = true;
      } else if (id == "data") {
        if (have_data) chunks_.fail("chunk \"data\"", "one", "a second");
        if (!have_format) chunks_.fail("chunk \"fmt \"", "it before the samples", "none");
        data = body;
        have_data = true;
      } else if (id == "LIST" && as_text(body).starts_with("INFO")) {
        read_texts(as_text(body).substr(4), texts);
      }
    }
    if (!have_format) chunks_.fail("chunk \"fmt \"", "one", "none");
    if (!have_data) chunks_.fail("chunk \"data\"", "one", "none");
    if (data.size() % frame_ != 0)
      chunks_.fail("data: size", "a multiple of " + std::to_string(frame_) + " bytes a frame",
                   std::to_string(data.size()));
    return {samples_of(data), rate_, sample_, std::move(texts)};
  }

 private:
  /// The outermost chunk: nothing is read beyond what it says it holds. What follows it belongs to somebody else.
  void open() {
    const std::string id(as_text(reader_.take(4, "signature")));
    if (id == "RIFX" || id == "RF64" || id == "BW64" || id == "FORM")
      reader_.fail("signature", "\"RIFF\"",
                   quoted(id) + (id == "RIFX"   ? ", a big-endian WAV, which is not supported"
                                 : id == "FORM" ? ", an AIFF or other IFF file"
                                                : ", a WAV of more than 4 GiB, which is not supported"));
    if (id != "RIFF") reader_.fail("signature", "\"RIFF\"", quoted(id));
    const auto size = reader_.little<std::uint32_t>("RIFF size");
    if (size == 0 || size == 0xFFFFFFFFU)
      reader_.fail("RIFF size", "that of the file less 8",
                   std::to_string(size) + ", the mark of a file that was never finished; convert it again");
    if (size < 4) reader_.fail("RIFF size", "at least 4", std::to_string(size));
    if (size > reader_.remaining())
      reader_.fail("RIFF size", "at most " + std::to_string(reader_.remaining()) + ", the bytes that follow",
                   std::to_string(size) + ": the file is cut off");
    reader_.expect("WAVE", "file type");
    chunks_ = ByteReader(reader_.take(size - 4, "chunks"), reader_.name());
  }

  void read_format(std::span<const std::uint8_t> body) {
    ByteReader in(body, reader_.name());
    auto format = in.little<std::uint16_t>("fmt: format");
    const auto channels = in.little<std::uint16_t>("fmt: channels");
    const auto rate = in.little<std::uint32_t>("fmt: rate");
    const auto bytes_a_second = in.little<std::uint32_t>("fmt: bytes a second");
    const auto frame = in.little<std::uint16_t>("fmt: bytes a frame");
    const auto bits = in.little<std::uint16_t>("fmt: bits a sample");
    unsigned valid_bits = bits;
    if (format == static_cast<std::uint16_t>(WavFormat::extensible)) {
      const auto extra = in.little<std::uint16_t>("fmt: size of the extension");
      if (extra < 22) in.fail("fmt: size of the extension", "at least 22", std::to_string(extra));
      valid_bits = in.little<std::uint16_t>("fmt: valid bits a sample");
      in.little<std::uint32_t>("fmt: loudspeakers");
      format = in.little<std::uint16_t>("fmt: sub-format");
      constexpr std::string_view rest("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71", 14);
      in.expect(rest, "fmt: sub-format");  // a number in the general form of an identifier
    }
    const bool is_float = format == static_cast<std::uint16_t>(WavFormat::ieee_float);
    if (format != static_cast<std::uint16_t>(WavFormat::pcm) && !is_float)
      in.fail("fmt: format", "PCM or IEEE float", wav_format_name(format) + ", which is not supported");
    if (channels != 1 && channels != 2) in.fail("fmt: channels", "1 or 2", std::to_string(channels));
    if (rate < 1 || rate > highest_wav_rate)
      in.fail("fmt: rate", "1 to " + std::to_string(highest_wav_rate) + " Hz", std::to_string(rate));
    const bool known_bits = is_float ? bits == 32 : bits == 8 || bits == 16 || bits == 24 || bits == 32;
    if (!known_bits)
      in.fail("fmt: bits a sample", is_float ? "32 for floats" : "8, 16, 24 or 32", std::to_string(bits));
    if (valid_bits < 1 || valid_bits > bits)
      in.fail("fmt: valid bits a sample", "1 to " + std::to_string(bits), std::to_string(valid_bits));
    frame_ = std::size_t{channels} * bits / 8;
    if (frame != frame_) in.fail("fmt: bytes a frame", std::to_string(frame_), std::to_string(frame));
    if (bytes_a_second != std::uint64_t{rate} * frame_)
      in.fail("fmt: bytes a second", std::to_string(std::uint64_t{rate} * frame_), std::to_string(bytes_a_second));
    channels_ = channels;
    rate_ = static_cast<Index>(rate);
    sample_ = is_float     ? WavSample::float32
              : bits == 8  ? WavSample::int8
              : bits == 16 ? WavSample::int16
              : bits == 24 ? WavSample::int24
                           : WavSample::int32;
  }

  /// Name, size, text with a zero byte at its end, each at an even place.
  static void read_texts(std::string_view list, WavTexts& texts) {
    while (list.size() >= 8 && texts.size() < most_wav_texts) {
      const auto size = load_little<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(list.data()) + 4);
      if (size > list.size() - 8) return;
      const std::string_view text = list.substr(8, size);
      texts.emplace(list.substr(0, 4), text.substr(0, text.find('\0')));
      list.remove_prefix(std::min<std::size_t>(8 + std::size_t{size} + size % 2, list.size()));
    }
  }

  Tensor<float> samples_of(std::span<const std::uint8_t> data) const {
    Tensor<float> samples(Shape{static_cast<Index>(data.size() / frame_), channels_});
    float* to = samples.data();
    const std::uint8_t* from = data.data();
    const Index count = samples.size();
    switch (sample_) {
      case WavSample::int8:
        for (Index i = 0; i < count; ++i) to[i] = static_cast<float>(static_cast<int>(from[i]) - 128) * 0x1p-7F;
        break;
      case WavSample::int16:
        for (Index i = 0; i < count; ++i)
          to[i] = static_cast<float>(load_little<std::int16_t>(from + 2 * i)) * 0x1p-15F;
        break;
      case WavSample::int24:
        for (Index i = 0; i < count; ++i) {
          const auto* p = from + 3 * i;
          const std::uint32_t upper = std::uint32_t{p[0]} << 8 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 24;
          to[i] = static_cast<float>(static_cast<std::int32_t>(upper)) * 0x1p-31F;
        }
        break;
      case WavSample::int32:
        for (Index i = 0; i < count; ++i)
          to[i] = static_cast<float>(load_little<std::int32_t>(from + 4 * i)) * 0x1p-31F;
        break;
      case WavSample::float32:
        for (Index i = 0; i < count; ++i) {
          to[i] = load_little<float>(from + 4 * i);
          if (!std::isfinite(to[i]))
            reader_.fail("data", "finite numbers",
                         std::to_string(to[i]) + " in frame " + std::to_string(i / channels_));
        }
        break;
    }
    return samples;
  }

  ByteReader reader_, chunks_{{}, {}};
  std::size_t frame_ = 1;  // bytes
  Index channels_ = 1, rate_ = 0;
  WavSample sample_ = WavSample::int16;
};

/// The nearest of 2^bits whole numbers; what is outside [-1, 1) is clamped.
inline std::int32_t wav_level(float sample, int bits) {
  const double top = std::ldexp(1.0, bits - 1), level = std::nearbyint(static_cast<double>(sample) * top);
  return static_cast<std::int32_t>(level < -top ? -top : level > top - 1 ? top - 1 : level);
}

/// The chunk LIST INFO; nothing for no texts.
inline Bytes wav_info(const WavTexts& texts) {
  Bytes list;
  for (const auto& [name, text] : texts) {
    if (name.size() != 4)
      throw argument_error("write_wav: names of texts have four characters, as ICMT; " + quoted(name, 40) + " has " +
                           std::to_string(name.size()));
    if (text.find('\0') != std::string::npos)
      throw argument_error("write_wav: the text of " + quoted(name) + " has a zero byte, which would end it");
    append(list, name);
    append_little(list, static_cast<std::uint32_t>(text.size() + 1));
    append(list, text);
    list.resize(list.size() + 1 + (text.size() + 1) % 2);
  }
  if (list.empty()) return {};
  Bytes chunk;
  append(chunk, "LIST");
  append_little(chunk, static_cast<std::uint32_t>(4 + list.size()));
  append(chunk, "INFO");
  chunk.insert(chunk.end(), list.begin(), list.end());
  return chunk;
}

}  // namespace io_detail

/// The file's bytes for sound [T] or [T, C], C = 1 or 2. Throws shape_error, argument_error (rate, texts, more than
/// 4 GiB) or number_error (a sample that is NaN or infinite).
inline Bytes encode_wav(const Tensor<float>& samples, Index rate, const WavOptions& options = {}) {
  const Index channels = samples.rank() == 2 ? samples.extent(1) : 1;
  if ((samples.rank() != 1 && samples.rank() != 2) || (channels != 1 && channels != 2))
    throw shape_error("write_wav: sound [T] or [T, C] with C = 1 or 2 wanted, shape is " + samples.shape().to_string());
  if (rate < 1 || rate > io_detail::highest_wav_rate)
    throw argument_error("write_wav: rate " + std::to_string(rate) + " is not in [1, " +
                         std::to_string(io_detail::highest_wav_rate) + "] Hz");
  const bool is_float = options.sample == WavSample::float32;
  const int bits = bits_of(options.sample), width = bits / 8;
  const std::uint64_t size = static_cast<std::uint64_t>(samples.size()) * static_cast<std::uint64_t>(width);
  const Bytes info = io_detail::wav_info(options.texts);
  if (size + info.size() > 0xFFFFFF00U)
    throw argument_error("write_wav: " + std::to_string(size + info.size()) +
                         " bytes of samples and texts; a WAV holds less than 4 GiB");
  for (Index i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i]))
      throw number_error("write_wav: frame " + std::to_string(i / channels) + " holds " + std::to_string(samples[i]));
  }

  // A format other than PCM has the size of an extension (0) and says how many frames there are.
  const std::uint32_t format_size = is_float ? 18 : 16, fact_size = is_float ? 12 : 0;
  const auto padding = static_cast<std::uint32_t>(size % 2);
  Bytes out;
  out.reserve(static_cast<std::size_t>(size) + info.size() + 64);
  append(out, "RIFF");
  append_little(out, static_cast<std::uint32_t>(4 + 8 + format_size + fact_size + info.size() + 8 + size + padding));
  append(out, "WAVEfmt ");
  append_little(out, format_size);
  append_little(out,
                static_cast<std::uint16_t>(is_float ? io_detail::WavFormat::ieee_float : io_detail::WavFormat::pcm));
  append_little(out, static_cast<std::uint16_t>(channels));
  append_little(out, static_cast<std::uint32_t>(rate));
  append_little(out, static_cast<std::uint32_t>(rate * channels * width));
  append_little(out, static_cast<std::uint16_t>(channels * width));
  append_little(out, static_cast<std::uint16_t>(bits));
  if (is_float) {
    append_little(out, std::uint16_t{0});
    append(out, "fact");
    append_little(out, std::uint32_t{4});
    append_little(out, static_cast<std::uint32_t>(samples.size() / channels));
  }
  out.insert(out.end(), info.begin(), info.end());
  append(out, "data");
  append_little(out, static_cast<std::uint32_t>(size));
  const std::size_t at = out.size();
  out.resize(at + static_cast<std::size_t>(size) + padding);
  std::uint8_t* to = out.data() + at;
  for (Index i = 0; i < samples.size(); ++i, to += width) {
    if (is_float) {
      store_little(to, samples[i]);
      continue;
    }
    auto level = static_cast<std::uint32_t>(io_detail::wav_level(samples[i], bits));
    if (bits == 8) level += 128;  // bytes alone are unsigned
    for (int byte = 0; byte < width; ++byte) to[byte] = static_cast<std::uint8_t>(level >> (8 * byte));
  }
  return out;
}

inline void write_wav(const std::string& path, const Tensor<float>& samples, Index rate,
                      const WavOptions& options = {}) {
  write_file(path, encode_wav(samples, rate, options));
}

/// `name` stands for the file in errors. Throws io_error.
inline Wav parse_wav(std::span<const std::uint8_t> bytes, const std::string& name = "WAV") {
  return io_detail::WavDecoder(bytes, name).decode();
}

inline Wav read_wav(const std::string& path) { return parse_wav(read_file(path), path); }

}  // namespace tessera
