// examples/speak from outside, with a tiny voice of random weights.
#ifdef TESSERA_SPEAK_PROGRAM  // the examples are built

#include <tuple>

#include <tessera/io/json.hpp>
#include <tessera/io/wav.hpp>

#include "examples/support/voice_model.hpp"
#include "tests/examples/workshop.hpp"

using namespace tessera;
using namespace tessera::examples;
using namespace test;

namespace {

Safetensors tiny_voice() {
  Rng rng(1);
  VoiceNet<float> net({.residual = 8, .skip = 8, .cycles = 1, .depth = 2, .features = 4}, rng);
  for (float& frames : net.durations.value.span()) frames = 4;
  return to_file(net);
}

struct Booth : Workshop {
  Booth() : Workshop{TESSERA_SPEAK_PROGRAM, "speak", {"--weights=voice.safetensors"}} {
    tiny_voice().write(folder / "voice.safetensors");
  }
};

}  // namespace

TEST_CASE("speak says syllables, the same way for the same seed", "[examples]") {
  const Booth b;
  const Ended ended = b.run({"ni3 hao3", "-s7", "-o", "a.wav", "--pause=0"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  REQUIRE(ended.out.empty());
  const Wav wav = read_wav(b.folder / "a.wav");
  REQUIRE(wav.samples.size() == 2 * 4 * voice_hop);
  REQUIRE(b.run({"ㄋㄧˇ", "ㄏㄠˇ", "-s7", "-o", "b.wav", "--pause=0"}).code == 0);
  REQUIRE(read_file(b.folder / "b.wav") == read_file(b.folder / "a.wav"));
  REQUIRE(b.run({"ni3 hao3", "-s8", "-o", "c.wav", "--pause=0"}).code == 0);
  REQUIRE(read_file(b.folder / "c.wav") != read_file(b.folder / "a.wav"));
}

TEST_CASE("speak says the lines of a file, each in a WAV that says how it was made", "[examples]") {
  const Booth b;
  b.put("lines.txt", "ni3 hao3\n\nma1\n");
  const Ended ended = b.run({"-f", "lines.txt", "-b2", "-s7", "-o", "%02d.wav", "--json", "--temperature=0.5"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  CHECK(ended.err.empty());
  std::vector<Json> lines;
  for (std::size_t at = 0; at < ended.out.size();) {
    const std::size_t end = ended.out.find('\n', at);
    lines.push_back(Json::parse(ended.out.substr(at, end - at), "output"));
    at = end + 1;
  }
  REQUIRE(lines.size() == 4);
  for (const auto& [i, text, seed] :
       {std::tuple{0U, "ㄋㄧˇ ㄏㄠˇ", 7}, {1U, "ㄋㄧˇ ㄏㄠˇ", 9}, {2U, "ㄇㄚ", 11}, {3U, "ㄇㄚ", 12}}) {
    CHECK(lines[i].get<std::string>("text") == text);
    CHECK(lines[i].get<Index>("seed") == seed);
    CHECK(read_wav(b.folder / lines[i].get<std::string>("file")).texts.at("INAM") == text);
  }
  REQUIRE(b.run({"--repro", "01.wav", "-o", "again.wav"}).code == 0);
  CHECK(read_file(b.folder / "again.wav") == read_file(b.folder / "01.wav"));
  REQUIRE(b.run({"--repro", "01.wav", "-o", "-"}, "/dev/null", b.folder / "out.wav").code == 0);
  CHECK(read_file(b.folder / "out.wav") == read_file(b.folder / "01.wav"));

  b.refuses({"--repro", "01.wav", "ni3"}, failed_usage, "leave out syllables");
  b.refuses({"--repro", "01.wav", "--seed=1"}, failed_usage, "leave out --seed");
  b.refuses({"-f", "lines.txt", "-o", "a.wav"}, failed_usage, "2 sounds");
  b.refuses({"-f", "lines.txt", "-o", "-"}, failed_usage, "2");
  b.refuses({"ni3", "-o", "-", "--json"}, failed_usage, "standard output");
  b.refuses({"ni3", "-o", "a.wav", "--spectrogram=a.wav"}, failed_usage, "two outputs");
  b.refuses({"-f", "missing.txt"}, failed_file, "missing.txt");
  const Wav said = read_wav(b.folder / "00.wav");
  const auto changed = [&](const char* name, const char* from, const char* to, const char* words) {
    WavTexts texts = said.texts;
    std::string& text = texts.at(name);
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), std::string(from).size(), to);
    write_wav(b.folder / "bent.wav", said.samples, said.rate, {.texts = texts});
    b.refuses({"--repro", "bent.wav"}, failed_file, words);
  };
  changed("ICMT", "Seed=7", "Seed=-1", "Seed");
  changed("ICMT", "Temperature=0.5", "Temperature=nan", "Temperature");
  changed("ICMT", "Speed=", "Sped=", "Speed is missing");
  changed("ICMT", "Speaker=5", "Speaker=6", "--speaker is 3 or 5");
  changed("ICMT", "Weights=", "Weights=x", "another voice");
  changed("INAM", "ㄋ", "\x1b[2J", "bent.wav");
  changed("INAM", "ㄋㄧˇ ㄏㄠˇ", " ", "no syllable");
  write_wav(b.folder / "other.wav", said.samples, said.rate);
  b.refuses({"--repro", "other.wav"}, failed_file, "made by speak");
}

TEST_CASE("speak refuses bad flags and what is no syllable", "[examples]") {
  const Booth b;
  const std::vector<std::string> ni = {"ni3"};
  b.refuses_values(ni, "--temperature", {"nan", "-1", "1e9", "warm"}, "temperature");
  b.refuses_values(ni, "--calm", {"0", "nan", "11"}, "calm");
  b.refuses_values(ni, "--speed", {"0", "5", "inf"}, "speed");
  b.refuses_values(ni, "--pause", {"-1", "11"}, "pause");
  b.refuses_values(ni, "--speaker", {"4", "", "x"}, "speaker");
  b.refuses_values(ni, "--seed", {"-1", "x"}, "seed");
  b.refuses({"ni3", "--no-such-option"}, failed_usage, "no-such-option");
  b.refuses({}, failed_usage, "nothing to say");
  for (const char* nothing : {"", " ", "\n\t"}) b.refuses({nothing}, failed_usage, "nothing to say");
  for (const char* bad : {"xyz", "ni9", "\xff\xfe", "caf\xe9", "\x1b[2J", "狗"}) b.refuses({bad}, failed_usage, "");
  b.refuses({std::string(100000, 'a')}, failed_usage, "");
}

TEST_CASE("speak refuses voices that are missing or broken", "[examples]") {
  Booth b;
  b.always.clear();
  b.refuses_broken("voice.safetensors", {"ni3"}, "--weights", ".safetensors");
  const auto changed = [&](const char* key, const char* value, const char* words) {
    Safetensors file = tiny_voice();
    file.metadata[key] = value;
    file.write(b.folder / "changed.safetensors");
    b.refuses({"ni3", "--weights=changed.safetensors"}, failed_file, words);
  };
  changed("format", "another", "tessera.voice.2");
  changed("format", "tessera.voice.1", "train_speak makes a new one");
  changed("config.residual", "0", "1 to 1024");
  changed("config.residual", "9", "changed.safetensors");
  changed("config.cycles", "999999999", "1 to 16");
}

TEST_CASE("speak refuses outputs it cannot write, before it speaks", "[examples]") {
  const Booth b;
  b.refuses({"ni3", "-o", "no/such/a.wav"}, failed_file, "a.wav");
  b.refuses({"ni3", "-o", "."}, failed_file, "is a folder");
  b.refuses({"ni3", "--spectrogram", "no/s.png"}, failed_file, "s.png");
  const Ended full = b.run({"ni3", "-o", "/dev/full"});
  CHECK(full.code == failed_file);
}

#endif
