#include "examples/support/voice.hpp"

#include <tessera/core/error.hpp>
#include <tessera/io/file.hpp>

#include "examples/support/ogg.hpp"
#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

TEST_CASE("zhuyin: syllables are read, and written again", "[examples][voice]") {
  const auto s = syllable_from_zhuyin("ㄓㄨㄤ4");
  REQUIRE(s);
  CHECK(*s == Syllable{15, 2, 11, 4});
  CHECK(to_zhuyin(*s) == "ㄓㄨㄤˋ");
  CHECK(syllable_from_zhuyin("ㄓㄨㄤˋ") == s);
  CHECK(syllable_from_zhuyin("˙ㄇㄚ") == syllable_from_zhuyin("ㄇㄚ5"));
  CHECK(syllable_from_zhuyin("ㄕ")->tone == 1);
  for (const char* wrong : {"", "4", "ma", "ㄅㄅ", "ㄚㄅ", "ㄇㄚ6", "ㄇㄚˇx"}) CHECK_FALSE(syllable_from_zhuyin(wrong));
}

TEST_CASE("pinyin: its spellings of the same sounds", "[examples][voice]") {
  const std::pair<const char*, const char*> same[] = {
      {"ni3", "ㄋㄧˇ"},    {"hao3", "ㄏㄠˇ"}, {"zhong1", "ㄓㄨㄥ"}, {"guo2", "ㄍㄨㄛˊ"},   {"shi4", "ㄕˋ"},
      {"xue2", "ㄒㄩㄝˊ"}, {"lü4", "ㄌㄩˋ"},  {"lv4", "ㄌㄩˋ"},     {"lu4", "ㄌㄨˋ"},      {"ju1", "ㄐㄩ"},
      {"yuan2", "ㄩㄢˊ"},  {"wen4", "ㄨㄣˋ"}, {"er2", "ㄦˊ"},       {"qiong2", "ㄑㄩㄥˊ"}, {"liu2", "ㄌㄧㄡˊ"},
      {"gui4", "ㄍㄨㄟˋ"}, {"ma", "ㄇㄚ˙"},   {"zi3", "ㄗˇ"},       {"SHUANG1", "ㄕㄨㄤ"}, {"yi1", "ㄧ"},
      {"wu3", "ㄨˇ"},      {"weng1", "ㄨㄥ"}, {"chun1", "ㄔㄨㄣ"},  {"jun1", "ㄐㄩㄣ"}};
  for (const auto& [pinyin, zhuyin] : same) {
    INFO(pinyin);
    REQUIRE(syllable_from_pinyin(pinyin));
    CHECK(to_zhuyin(*syllable_from_pinyin(pinyin)) == zhuyin);
  }
  for (const char* wrong : {"", "3", "x", "zhv4", "hello", "ma33", "bü1x"}) CHECK_FALSE(syllable_from_pinyin(wrong));
  const auto words = read_syllables(" ni3  ㄏㄠˇ\n");
  REQUIRE(words.size() == 2);
  CHECK(to_zhuyin(words[1]) == "ㄏㄠˇ");
  CHECK_THROWS_WITH(read_syllables("ni3 abc"), Catch::Matchers::StartsWith("\"abc\" is no syllable"));
}

TEST_CASE("voices: what gcin-voice installs is read whole, and cut", "[examples][voice]") {
  std::vector<VoiceClip> clips;
  try {
    clips = read_voices({.most = 40});
  } catch (const io_error& e) {
    WARN(std::string("passed over: ") + e.what());
    return;
  }
  REQUIRE(clips.size() == 40);
  int speakers[2] = {}, tones[6] = {};
  for (const VoiceClip& clip : clips) {
    INFO(clip.path);
    ++speakers[clip.speaker];
    ++tones[clip.syllable.tone];
    CHECK(clip.samples.size() > 16000 / 10);
    CHECK(clip.samples.size() < 16000 * 2);
    float top = 0;
    for (Index t = 0; t < clip.samples.size(); ++t) top = std::max(top, std::fabs(clip.samples[t]));
    CHECK(top == Approx(0.7F).margin(1e-5));
  }
  CHECK(speakers[0] > 5);
  CHECK(speakers[1] > 5);
  for (int tone = 1; tone <= 4; ++tone) CHECK(tones[tone] > 2);
}

TEST_CASE("voices: a missing folder says what to install, broken sound what is broken", "[examples][voice]") {
  CHECK(test::io_error_of([] { read_voices({.folder = "/nonexistent"}); }).find("apt-get install gcin-voice") !=
        std::string::npos);
  const test::Scratch scratch;
  write_file(scratch / "a.ogg", "this is no sound");
  CHECK(test::io_error_of([&] { read_ogg(scratch / "a.ogg"); }).find("Ogg Vorbis") != std::string::npos);
  Tensor<float> quiet(Shape{1600}, 0.0F);
  CHECK(trimmed_voice(quiet, 16000).size() == 1600);
  quiet.data()[800] = 0.1F;
  CHECK(trimmed_voice(quiet, 16000).size() == 5 * 160);
}
