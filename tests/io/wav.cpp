#include <tessera/io/wav.hpp>

#include <string>

#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/io/wav_files.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr WavSample kinds[] = {WavSample::int8, WavSample::int16, WavSample::int24, WavSample::int32,
                               WavSample::float32};

std::string message(const Bytes& bytes) {
  return test::io_error_of([&] { parse_wav(bytes, "bad.wav"); });
}

}  // namespace

TEST_CASE("wav: what is written comes back, and written again it is the same bytes", "[io][wav]") {
  for (const WavSample kind : kinds) {
    for (const Index channels : {1, 2}) {
      for (const Index frames : {0, 1, 2, 7, 1000}) {
        INFO(bits_of(kind) << " bits, " << channels << " channels, " << frames << " frames");
        const auto sound = test::wave_of(frames, channels);
        const Bytes bytes = encode_wav(sound, 22050, {.sample = kind});
        const Wav read = parse_wav(bytes);
        REQUIRE(read.samples.shape() == Shape{frames, channels});
        CHECK(read.rate == 22050);
        CHECK(read.sample == kind);
        CHECK(encode_wav(read.samples, read.rate, {.sample = kind}) == bytes);
        const double step =
            kind == WavSample::float32 ? 0 : std::ldexp(1.0, kind == WavSample::int32 ? -25 : 1 - bits_of(kind));
        double worst = 0;
        for (Index i = 0; i < sound.size(); ++i)
          worst = std::max(worst, std::fabs(static_cast<double>(read.samples[i] - sound[i])));
        CHECK(worst <= step);  // half a step, and a whole one where +1 is cut to the largest level
      }
    }
  }
}

TEST_CASE("wav: the bytes of a small file, worked by hand", "[io][wav]") {
  const auto sound = Tensor<float>::from({3}, {0.0F, 0.5F, -1.0F});
  const Bytes bytes = encode_wav(sound, 8000, {.sample = WavSample::int8});
  const std::uint8_t wanted[] = {'R', 'I', 'F', 'F', 40,  0,   0,   0,   'W',  'A',  'V', 'E', 'f',  'm',  't', ' ',
                                 16,  0,   0,   0,   1,   0,   1,   0,   0x40, 0x1F, 0,   0,   0x40, 0x1F, 0,   0,
                                 1,   0,   8,   0,   'd', 'a', 't', 'a', 3,    0,    0,   0,   128,  192,  0,   0};
  CHECK(bytes == Bytes(std::begin(wanted), std::end(wanted)));
  const Bytes wide = encode_wav(Tensor<float>::from({2}, {-0.5F, 1.0F}), 8000, {.sample = WavSample::int24});
  CHECK(Bytes(wide.end() - 6, wide.end()) == Bytes{0x00, 0x00, 0xC0, 0xFF, 0xFF, 0x7F});
}

TEST_CASE("wav: files on disk, chunks of others, and the extensible form", "[io][wav]") {
  const test::Scratch scratch;
  const auto sound = test::wave_of(50, 2);
  write_wav(scratch / "a.wav", sound, 44100);
  CHECK(read_wav(scratch / "a.wav").samples.shape() == sound.shape());

  const Bytes plain = test::wav_file({.data = test::ramp(6)});
  const auto same = [&](const Bytes& other) { return same_bytes(parse_wav(other).samples, parse_wav(plain).samples); };
  CHECK(same(test::wav_file({.data = test::ramp(6),
                             .before = std::string("LIST\x03\x00\x00\x00"
                                                   "abc\0",
                                                   12)})));
  CHECK(same(test::wav_file({.data = test::ramp(6), .after = std::string("note\x02\x00\x00\x00hi", 10)})));
  CHECK(same(test::wav_file({.data = test::ramp(6), .trailing = "whatever follows the file"})));
  CHECK(same(test::wav_file({.data = test::ramp(6), .extensible = true})));
  const Wav twelve = parse_wav(test::wav_file({.data = test::ramp(6), .extensible = true, .valid_bits = 12}));
  CHECK(twelve.samples.shape() == Shape{3, 1});
  CHECK(parse_wav(test::wav_file({.bits = 8, .data = test::ramp(5), .padded = false})).samples.extent(0) == 5);
  CHECK(parse_wav(test::wav_file({})).samples.shape() == Shape{0, 1});
}

TEST_CASE("wav: texts come back, and what is no whole list of them is passed over", "[io][wav]") {
  const auto sound = test::wave_of(5, 1);
  const WavTexts texts = {{"ISFT", "Tessera"}, {"INAM", "\u3107\u311a\u02c7"}, {"ICMT", ""}};
  for (const WavSample kind : kinds) {
    const Bytes bytes = encode_wav(sound, 8000, {.sample = kind, .texts = texts});
    const Wav read = parse_wav(bytes);
    CHECK(read.texts == texts);
    CHECK(encode_wav(read.samples, read.rate, {.sample = kind, .texts = read.texts}) == bytes);
    CHECK(parse_wav(encode_wav(sound, 8000, {.sample = kind})).texts.empty());
  }
  // "ab" needs a byte beside its zero to end at an even place
  const Bytes bytes = encode_wav(Tensor<float>::from({1}, {0.0F}), 8000, {.texts = {{"INAM", "ab"}}});
  const std::uint8_t list[] = {'L', 'I', 'S', 'T', 16, 0, 0, 0, 'I', 'N', 'F', 'O',
                               'I', 'N', 'A', 'M', 3,  0, 0, 0, 'a', 'b', 0,   0};
  CHECK(std::equal(std::begin(list), std::end(list), bytes.begin() + 36));
  for (const unsigned size : {5U, 12U, 255U}) {  // of the text: to the list's end, beyond it, far beyond it
    Bytes bent = bytes;
    bent[36 + 16] = static_cast<std::uint8_t>(size);
    CHECK(parse_wav(bent).texts.empty());
  }
  Bytes other = bytes;
  other[36 + 8] = 'X';
  CHECK(parse_wav(other).texts.empty());
  other = bytes;
  other[36 + 16] = 4;
  CHECK(parse_wav(other).texts.at("INAM") == "ab");  // up to the first zero byte
}

TEST_CASE("wav: every broken header is refused, and says where", "[io][wav]") {
  using test::wav_file;
  CHECK(message({}) == "bad.wav: signature: expected 4 bytes at offset 0, found 0 before the end of the file");
  CHECK(message(test::as_bytes_of("OggS............")) == "bad.wav: signature: expected \"RIFF\", found \"OggS\"");
  CHECK(message(wav_file({.riff = "RIFX"})).ends_with("a big-endian WAV, which is not supported"));
  CHECK(message(wav_file({.riff = "RF64"})).ends_with("a WAV of more than 4 GiB, which is not supported"));
  CHECK(message(wav_file({.riff_size = 0})).find("RIFF size: expected that of the file less 8, found 0") !=
        std::string::npos);
  CHECK(message(wav_file({.riff_size = 0xFFFFFFFF}))
            .find("found 4294967295, the mark of a file that was never finished") != std::string::npos);
  CHECK(message(wav_file({.riff_size = 3})).ends_with("RIFF size: expected at least 4, found 3"));
  CHECK(message(wav_file({.riff_size = 5000})).ends_with("found 5000: the file is cut off"));
  CHECK(message(wav_file({.type = "AVI "})) == "bad.wav: file type: expected \"WAVE\", found \"AVI \"");
  CHECK(message(wav_file({.data = test::ramp(4), .data_size = 0}))
            .find("data: size: expected that of the samples, found 0") != std::string::npos);
  CHECK(message(wav_file({.data = test::ramp(4), .data_size = 0xFFFFFFFF})).find("data: size") != std::string::npos);
  CHECK(message(wav_file({.data = test::ramp(4), .data_size = 0xFFFFFFFE})) ==
        "bad.wav: chunk \"data\": expected 4294967294 bytes at offset 32, found 4 before the end of the file");
  CHECK(message(wav_file({.data = test::ramp(3)})) ==
        "bad.wav: data: size: expected a multiple of 2 bytes a frame, found 3");
  CHECK(message(wav_file({.format = 7})) ==
        "bad.wav: fmt: format: expected PCM or IEEE float, found mu-law (format 7), which is not supported");
  CHECK(message(wav_file({.format = 0x55})).find("MP3") != std::string::npos);
  CHECK(message(wav_file({.format = 0x1234})).find("format 4660") != std::string::npos);
  CHECK(message(wav_file({.format = 2, .extensible = true})).find("Microsoft ADPCM") != std::string::npos);
  CHECK(message(wav_file({.channels = 0})) == "bad.wav: fmt: channels: expected 1 or 2, found 0");
  CHECK(message(wav_file({.channels = 6})) == "bad.wav: fmt: channels: expected 1 or 2, found 6");
  CHECK(message(wav_file({.rate = 0})) == "bad.wav: fmt: rate: expected 1 to 10000000 Hz, found 0");
  CHECK(message(wav_file({.rate = 0xFFFFFFFF})).find("found 4294967295") != std::string::npos);
  CHECK(message(wav_file({.bits = 12})) == "bad.wav: fmt: bits a sample: expected 8, 16, 24 or 32, found 12");
  CHECK(message(wav_file({.format = 3, .bits = 64})) ==
        "bad.wav: fmt: bits a sample: expected 32 for floats, found 64");
  CHECK(message(wav_file({.extensible = true, .valid_bits = 17})).find("valid bits") != std::string::npos);
  CHECK(message(wav_file({.extensible = true, .valid_bits = 0})).find("valid bits") != std::string::npos);
  CHECK(message(wav_file({.extensible = true, .extension = 21})).find("at least 22, found 21") != std::string::npos);
  CHECK(message(wav_file({.frame = 3})) == "bad.wav: fmt: bytes a frame: expected 2, found 3");
  CHECK(message(wav_file({.bytes_a_second = 1})) == "bad.wav: fmt: bytes a second: expected 16000, found 1");
  CHECK(message(wav_file({.format_chunks = 0, .data = test::ramp(4)})) ==
        "bad.wav: chunk \"fmt \": expected it before the samples, found none");
  CHECK(message(wav_file({.format_chunks = 2})) == "bad.wav: chunk \"fmt \": expected one, found a second");
  CHECK(message(wav_file({.data_chunks = 0})) == "bad.wav: chunk \"data\": expected one, found none");
  CHECK(message(wav_file({.data_chunks = 2, .data = test::ramp(4)})) ==
        "bad.wav: chunk \"data\": expected one, found a second");
  CHECK(message(wav_file({.format_chunks = 0, .data_chunks = 0})) ==
        "bad.wav: chunk \"fmt \": expected one, found none");
  Bytes bad_number = wav_file({.format = 3, .bits = 32, .data = {0, 0, 0, 0, 0, 0, 0xC0, 0x7F}});
  CHECK(message(bad_number) == "bad.wav: data: expected finite numbers, found nan in frame 1");
  Bytes wrong_guid = wav_file({.data = test::ramp(4), .extensible = true});
  wrong_guid[20 + 30] ^= 1;
  CHECK(message(wrong_guid).find("fmt: sub-format") != std::string::npos);
}

TEST_CASE("wav: cut off anywhere it is refused, changed anywhere it is read or refused", "[io][wav]") {
  const auto read = [](const Bytes& bytes) { parse_wav(bytes, "x.wav"); };
  for (const WavSample kind : kinds)
    test::check_truncations(encode_wav(test::wave_of(5, 2), 8000, {.sample = kind}), read);
  test::check_truncations(
      test::wav_file({.data = test::ramp(6), .after = std::string("note\x02\x00\x00\x00hi", 10), .extensible = true}),
      read);
  CHECK(test::check_flips(encode_wav(test::wave_of(5, 2), 8000), read) > 0);
  CHECK(test::check_flips(test::wav_file({.data = test::ramp(6), .extensible = true}), read) > 0);
}

TEST_CASE("wav: what cannot be written is named", "[io][wav]") {
  CHECK_THROWS_AS(encode_wav(Tensor<float>(Shape{4, 3}, 0.0F), 8000), shape_error);
  CHECK_THROWS_AS(encode_wav(Tensor<float>(Shape{1, 4, 1}, 0.0F), 8000), shape_error);
  CHECK_THROWS_AS(encode_wav(Tensor<float>(Shape{4}, 0.0F), 0), argument_error);
  CHECK_THROWS_WITH(encode_wav(Tensor<float>::from({2, 2}, {0, 0, NAN, 0}), 8000), "write_wav: frame 1 holds nan");
  const auto one = Tensor<float>::from({1}, {0.0F});
  CHECK_THROWS_AS(encode_wav(one, 8000, {.texts = {{"Comment", "x"}}}), argument_error);
  CHECK_THROWS_AS(encode_wav(one, 8000, {.texts = {{"ICMT", std::string(1, '\0')}}}), argument_error);
  CHECK_THROWS_AS(read_wav("/nonexistent/a.wav"), io_error);
  const Bytes loud = encode_wav(Tensor<float>::from({2}, {3.0F, -3.0F}), 8000);  // clamped, not wrapped
  CHECK(Bytes(loud.end() - 4, loud.end()) == Bytes{0xFF, 0x7F, 0x00, 0x80});
}
