// examples/paint from outside: what it writes, and what it says and returns when something is wrong. The model is a
// tiny one of random weights, made here.
#ifdef TESSERA_PAINT_PROGRAM  // the examples are built

#include <sys/mount.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <thread>

#include <tessera/autoregressive/image_gpt_file.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/png.hpp>
#include <tessera/unit/token_learn.hpp>

#include "tests/examples/program.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;

namespace {

bool contains(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }

constexpr int failed_usage = 2, failed_file = 3, interrupted = 130;

Safetensors tiny_model(std::uint64_t seed = 1) {
  TextUNetConfig c;
  c.side = 8;
  c.widths = {16, 32};
  c.attention = {false, true};
  c.embedding = 24;
  c.text = {.vocabulary = 300, .length = 16, .width = 16, .heads = 2, .layers = 1};
  Rng rng(seed);
  auto net = std::make_shared<TextUNet<float>>(c, rng);
  testing::nudge(*net, 0.05, rng);  // the last layer starts at zero
  const std::vector<std::string> lines = {"a red heart", "a blue heart", "狗"};
  return to_file(TextToImage{c, learn_tokens(lines, 280), net});
}

Safetensors tiny_pixel_model() {
  const ImageGptConfig c{.side = 6,
                         .colours = 4,
                         .layers = 1,
                         .heads = 2,
                         .width = 16,
                         .words = 6,
                         .text = {.vocabulary = 300, .length = 8, .width = 16, .heads = 2, .layers = 1}};
  Rng rng(1);
  return to_file(ImageGpt(
      std::make_shared<ImageGptNet<float>>(c, rng),
      ColourPalette({colour_of(0, 0, 0), colour_of(255, 255, 255), colour_of(255, 0, 0), colour_of(0, 0, 255)}),
      Tokenizer()));
}

/// A folder with weights in it, to run paint in.
struct Studio {
  test::Scratch folder;

  Studio() { tiny_model().write(folder / "tiny.safetensors"); }

  test::Ended paint(std::vector<std::string> words, const std::string& in = "/dev/null",
                    const std::string& out = "") const {
    return start(std::move(words), in, out).end();
  }
  test::Program start(std::vector<std::string> words, const std::string& in = "/dev/null",
                      const std::string& out = "") const {
    words.insert(words.begin(), {TESSERA_PAINT_PROGRAM, "--weights=tiny.safetensors"});
    return {words, folder.path(), in, out};
  }
  Bytes file(const std::string& name) const { return read_file(folder / name); }
  void put(const std::string& name, std::string_view text) const { write_file(folder / name, text); }
  void put(const std::string& name, const Bytes& bytes) const { write_file(folder / name, bytes); }
  bool has(const std::string& name) const {
    const auto names = folder.names();
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  /// Runs it and expects the exit code, one line on standard error that holds `words`, nothing else, and no new file.
  void refuses(const std::vector<std::string>& command, int code, const std::string& words,
               const std::string& in = "/dev/null", const std::string& out = "") const {
    auto before = folder.names(), after = before;
    const test::Ended ended = paint(command, in, out);
    after = folder.names();
    INFO(printable(command.back()) << " -> " << ended.code << " " << printable(ended.err, 1000));
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    CHECK(ended.code == code);
    CHECK(ended.out.empty());
    CHECK(ended.err.starts_with("paint: "));
    CHECK(contains(ended.err, words));
    CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
    CHECK(ended.err.find('\x1b') == std::string::npos);
    CHECK(before == after);
  }
};

}  // namespace

TEST_CASE("paint writes a picture, and the same one for the same seed", "[examples]") {
  const Studio s;
  const auto ended = s.paint({"a red heart", "--seed", "7", "--steps", "3"});
  REQUIRE(ended.code == 0);
  REQUIRE(ended.out.empty());
  REQUIRE(contains(ended.err, "seed 7: a red heart"));
  const Png png = parse_png(s.file("paint.png"));
  REQUIRE(png.pixels.shape() == Shape{8, 8, 3});
  REQUIRE(png.texts.at("Prompt") == "a red heart");
  REQUIRE(png.texts.at("Seed") == "7");
  REQUIRE(png.texts.at("Steps") == "3");

  SECTION("whatever the number of threads") {
    for (const char* threads : {"1", "3"}) {
      REQUIRE(s.paint({"-p", "a red heart", "-s7", "--steps=3", "-t", threads, "-o", "again.png"}).code == 0);
      REQUIRE(s.file("again.png") == s.file("paint.png"));
    }
  }
  SECTION("alone or among others") {
    REQUIRE(s.paint({"狗", "a red heart", "-b2", "-s5", "--steps=3", "-o", "of-%03d.png"}).code == 0);
    REQUIRE(s.file("of-002.png") == s.file("paint.png"));
    REQUIRE(s.file("of-003.png") != s.file("paint.png"));
    REQUIRE_FALSE(s.has("of-004.png"));
  }
  SECTION("to standard output") {
    const auto piped = s.paint({"a red heart", "-s7", "--steps=3", "-o", "-"});
    REQUIRE(piped.code == 0);
    REQUIRE(piped.out == as_text(s.file("paint.png")));
  }
  SECTION("by --repro") {
    REQUIRE(s.paint({"--repro", "paint.png", "-o", "again.png"}).code == 0);
    REQUIRE(s.file("again.png") == s.file("paint.png"));
  }
  SECTION("but not for another") {
    REQUIRE(s.paint({"a red heart", "-s8", "--steps=3", "-o", "again.png"}).code == 0);
    REQUIRE_FALSE(same_bytes(parse_png(s.file("again.png")).pixels, png.pixels));
  }
}

TEST_CASE("paint takes a model that paints pixel by pixel just so", "[examples]") {
  const Studio s;
  tiny_pixel_model().write(s.folder / "pixels.safetensors");
  const auto paint = [&](std::vector<std::string> words) {
    words.push_back("--weights=pixels.safetensors");  // the last one counts
    return s.paint(words);
  };
  REQUIRE(paint({"a red heart", "-s7", "--temperature=0.9", "--preview", "rows.gif"}).code == 0);
  const Png png = parse_png(s.file("paint.png"));
  REQUIRE(png.pixels.shape() == Shape{6, 6, 3});
  REQUIRE(png.texts.at("Model") == "image_gpt");
  REQUIRE(png.texts.at("Temperature") == "0.9");
  REQUIRE(as_text(s.file("rows.gif")).starts_with("GIF89a"));
  REQUIRE(paint({"--repro", "paint.png", "-o", "again.png"}).code == 0);
  REQUIRE(s.file("again.png") == s.file("paint.png"));
  REQUIRE(paint({"狗", "a red heart", "-s6", "--temperature=0.9", "-o", "of-%d.png"}).code == 0);
  REQUIRE(s.file("of-1.png") == s.file("paint.png"));

  const auto refuses = [&](std::vector<std::string> words, int code, const char* why) {
    const auto ended = paint(std::move(words));
    CHECK(ended.code == code);
    CHECK(contains(ended.err, why));
  };
  refuses({"x", "--steps=3"}, failed_usage, "--steps is a setting of flow models");
  refuses({"x", "--model=flow"}, failed_file, "of kind image_gpt, not flow");
  refuses({"x", "--model=clay"}, failed_usage, "flow, image_gpt");
  s.refuses({"x", "--top-p=0.5"}, failed_usage, "--top-p is a setting of image_gpt models");
}

TEST_CASE("--repro keeps every setting, and any prompt", "[examples]") {
  const Studio s;
  const std::string prompt = "狗 \x1b[31m \"quoted\"\n\tnext line é";
  REQUIRE(s.paint({prompt, "-s18446744073709551615", "--steps=4", "--cfg-scale=1.7", "--solver=heun"}).code == 0);
  REQUIRE(s.paint({"--repro", "paint.png", "-o", "again.png"}).code == 0);
  REQUIRE(s.file("again.png") == s.file("paint.png"));
}

TEST_CASE("paint names its files, its sheet and its preview", "[examples]") {
  const Studio s;
  SECTION("numbers") {
    REQUIRE(s.paint({"a", "b", "--steps=1"}).code == 0);
    REQUIRE((s.has("paint-000.png") && s.has("paint-001.png")));
    REQUIRE(s.paint({"a", "b", "--steps=1", "-o", "100%%-%d.png"}).code == 0);
    REQUIRE((s.has("100%-0.png") && s.has("100%-1.png")));
  }
  SECTION("pictures beside the pictures") {
    REQUIRE(s.paint({"a", "b", "--steps=3", "--sheet", "sheet.png", "--preview", "forming.gif"}).code == 0);
    REQUIRE(parse_png(s.file("sheet.png")).pixels.extent(1) >= 32);
    REQUIRE(as_text(s.file("forming.gif")).starts_with("GIF89a"));
  }
  SECTION("no terminal, no preview there") {
    const auto ended = s.paint({"a", "--steps=1", "--preview=terminal"});
    REQUIRE(ended.code == 0);
    REQUIRE(contains(ended.err, "warning: no preview"));
  }
  SECTION("JSON, a line a picture") {
    const auto ended = s.paint({"say \"hi\"\\\n\x1b", "狗", "--steps=2", "--json"});
    REQUIRE(ended.code == 0);
    REQUIRE(ended.err.empty());
    const std::size_t end = ended.out.find('\n');
    const Json first = Json::parse(ended.out.substr(0, end), "first"),
               second = Json::parse(ended.out.substr(end + 1), "second");
    REQUIRE(first.get<std::string>("prompt") == "say \"hi\"\\\n\x1b");
    REQUIRE(first.get<std::string>("file") == "paint-000.png");
    REQUIRE(second.get<std::int64_t>("seed") == 1);
    REQUIRE(second.get<std::int64_t>("steps") == 2);
  }
  SECTION("prompts from a file and from standard input") {
    s.put("prompts.txt", "a red heart\r\n\n  \n狗");
    REQUIRE(s.paint({"--prompts", "prompts.txt", "--steps=1"}).code == 0);
    REQUIRE((s.has("paint-001.png") && !s.has("paint-002.png")));
    REQUIRE(s.paint({"--prompts=-", "--steps=1", "-o", "in-%d.png"}, s.folder / "prompts.txt").code == 0);
    REQUIRE(s.file("in-1.png") == s.file("paint-001.png"));
  }
  SECTION("help") {
    const auto ended = s.paint({"--help"});
    REQUIRE(ended.code == 0);
    for (const char* option : {"--prompt", "--seed", "--steps", "--cfg-scale", "--batch", "--output", "--preview",
                               "--threads", "--json", "--repro"})
      REQUIRE(contains(ended.out, option));
  }
}

TEST_CASE("paint refuses bad flags", "[examples]") {
  const Studio s;
  const auto refuses = [&](const char* flag, const char* value, const char* words) {
    s.refuses({"x", std::string(flag) + "=" + value}, failed_usage, words);
    if (value[0] != '-') s.refuses({"x", flag, value}, failed_usage, words);
  };
  for (const char* steps : {"0", "-1", "1e9", "1000000000", "99999999999999999999", "1.5", "", "abc", "0x10"})
    refuses("--steps", steps, "steps");
  for (const char* seed : {"abc", "-1", "1.0", "18446744073709551616", " 1"}) refuses("--seed", seed, "seed");
  for (const char* scale : {"nan", "inf", "-inf", "-0.1", "1e300", "two"}) refuses("--cfg-scale", scale, "cfg-scale");
  refuses("--batch", "0", "batch");
  refuses("--threads", "1000", "threads");
  refuses("--solver", "magic", "euler, heun, multistep");
  refuses("--preview", "forming.png", ".gif");
  s.refuses({"x", "--no-such-option"}, failed_usage, "no-such-option");
  s.refuses({"x", "--\x1b[2Jbad"}, failed_usage, "x1b");
  s.refuses({"x", "--steps=\x1b[2J\n"}, failed_usage, "x1b");
  s.refuses({"--steps=2"}, failed_usage, "nothing to paint");
  s.refuses({"x", "--seed"}, failed_usage, "--seed");
  s.refuses({"x", "--repro", "a.png"}, failed_usage, "--repro");
  s.refuses({"--repro", "a.png", "--steps=3"}, failed_usage, "--steps");
  s.refuses({"x", "--json", "-o", "-"}, failed_usage, "standard output");
}

TEST_CASE("paint refuses outputs it cannot write, before it paints", "[examples]") {
  const Studio s;
  s.refuses({"x", "-o", "no/such/folder.png"}, failed_file, "folder.png");
  s.refuses({"x", "-o", "."}, failed_file, "is a folder");
  s.refuses({"x", "-o", "/proc/paint.png"}, failed_file, "paint.png");
  s.refuses({"x", "--sheet", "no/sheet.png"}, failed_file, "sheet.png");
  s.refuses({"x", "--preview", "no/p.gif"}, failed_file, "p.gif");
  s.refuses({"x", "-b2", "-o", "one.png"}, failed_usage, "%03d");
  s.refuses({"x", "-b2", "-o", "-"}, failed_usage, "standard output");
  s.refuses({"x", "-o", "%s%n.png"}, failed_usage, "%03d");
  s.refuses({"x", "-o", "%d-%d.png"}, failed_usage, "%03d");
  s.refuses({"x", "-o", "%999999999d.png"}, failed_usage, "%03d");
  s.refuses({"x", "-o", "same.png", "--sheet", "same.png"}, failed_usage, "same.png");
}

TEST_CASE("paint says when the disk is full, and leaves nothing half-written", "[examples]") {
  const Studio s;
  const auto full = [](const test::Ended& ended) {
    CHECK(ended.code == failed_file);
    CHECK(contains(ended.err, "No space left on device"));
  };
  full(s.paint({"x", "--steps=1", "-o", "/dev/full"}));
  full(s.paint({"x", "--steps=1", "-o", "-"}, "/dev/null", "/dev/full"));
  full(s.paint({"x", "--steps=1", "--json"}, "/dev/null", "/dev/full"));
  full(s.paint({"x", "--steps=1", "--sheet", "/dev/full"}));

  const test::Scratch disk;
  if (::geteuid() != 0 || ::mount("tmpfs", disk.path().c_str(), "tmpfs", 0, "size=4096") != 0)
    return;  // not allowed here
  write_file(disk / "filler", std::string(4096, 'x'));
  full(s.paint({"x", "--steps=1", "-o", disk / "out.png"}));
  CHECK(disk.names() == std::vector<std::string>{"filler"});
  ::umount(disk.path().c_str());
}

TEST_CASE("paint refuses prompts that are none, and takes the rest", "[examples]") {
  const Studio s;
  for (const char* empty : {"", " ", "\t\r\n "}) s.refuses({"-p", empty}, failed_usage, "empty");
  for (const char* bad : {"\xff\xfe", "caf\xe9", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"})
    s.refuses({"-p", bad}, failed_usage, "UTF-8");
  s.put("zero.txt", std::string_view("a\0b", 3));
  s.refuses({"--prompts", "zero.txt"}, failed_usage, "zero byte");
  s.put("empty.txt", "\n\n");
  s.refuses({"--prompts", "empty.txt"}, failed_file, "no prompt");
  s.refuses({"--prompts", "missing.txt"}, failed_file, "missing.txt");
  s.put("huge.txt", std::string((4 << 20) + 1, 'x'));
  s.refuses({"--prompts", "huge.txt"}, failed_file, "huge.txt");

  s.put("long.txt", std::string(1 << 20, 'x'));
  const auto ended = s.paint({"--prompts", "long.txt", "--steps=1"});
  REQUIRE(ended.code == 0);
  REQUIRE(contains(ended.err, "the model reads the first 16"));
  REQUIRE(ended.err.size() < 1000);

  const auto coloured =
      s.paint({"\x1b]0;owned\x07 \x1b[31mred\xc2\x9b"
               "2J \xe2\x80\xae",
               "--steps=1"});
  REQUIRE(coloured.code == 0);
  for (const char* raw : {"\x1b", "\x07", "\xc2\x9b", "\xe2\x80\xae"})
    REQUIRE(coloured.err.find(raw) == std::string::npos);
}

TEST_CASE("paint refuses weights that are missing, broken or another model's", "[examples]") {
  const Studio s;
  const auto refuses = [&](const char* file, const std::string& words) {
    s.refuses({"x", std::string("--weights=") + file}, failed_file, words);
  };
  refuses("missing.safetensors", "train_paint");
  refuses(".", "directory");
  const Bytes whole = s.file("tiny.safetensors");
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{500},
                                 whole.size() / 2, whole.size() - 1}) {
    s.put("cut.safetensors", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    refuses("cut.safetensors", "cut.safetensors");
  }
  s.put("text.safetensors", "Dear diary, this is no model at all.");
  refuses("text.safetensors", "text.safetensors");

  Safetensors other;
  other.put("weight", Tensor<float>(Shape{2, 3}, 0.5f));
  other.write(s.folder / "other.safetensors");
  refuses("other.safetensors", "not a picture model");

  Safetensors changed = tiny_model();
  std::size_t erased = 0;
  for (const std::string& name : changed.names()) {
    if (name.find("norm") != std::string::npos && erased < 7) changed.erase(name), ++erased;
  }
  REQUIRE(erased == 7);
  changed.write(s.folder / "changed.safetensors");
  refuses("changed.safetensors", "and 2 more differences");

  Safetensors vast = tiny_model();
  std::string& config = vast.metadata.at("config");
  config.replace(config.find("vocabulary 300"), 14, "vocabulary 999999");
  vast.write(s.folder / "vast.safetensors");
  refuses("vast.safetensors", "text.embedding.weight");
}

TEST_CASE("paint warns of weights that are not numbers, by name", "[examples]") {
  const Studio s;
  Safetensors file = tiny_model();
  Tensor<float> weight = file.get<float>("time1.weight");
  weight.data()[3] = std::numeric_limits<float>::quiet_NaN();
  file.put("time1.weight", weight, DType::f16);
  file.write(s.folder / "nan.safetensors");
  const auto ended = s.paint({"x", "--steps=2", "--weights=nan.safetensors"});
  REQUIRE(ended.code == 0);
  REQUIRE(contains(ended.err, "warning"));
  REQUIRE(contains(ended.err, "\"time1.weight\""));
}

TEST_CASE("--repro refuses what paint did not make", "[examples]") {
  const Studio s;
  REQUIRE(s.paint({"a red heart", "--steps=2"}).code == 0);
  const Bytes whole = s.file("paint.png");
  const Png png = parse_png(whole);
  const auto refuses = [&](const std::string& words) {
    s.refuses({"--repro", "in.png", "-o", "out.png"}, failed_file, words);
  };
  const auto refuses_texts = [&](const PngTexts& texts, const std::string& words) {
    s.put("in.png", encode_png(png.pixels, texts));
    refuses(words);
  };
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 23) {
    s.put("in.png", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    refuses("in.png");
  }
  s.put("in.png", "GIF89a, or is it");
  refuses("in.png");
  refuses_texts({}, "is missing");
  const auto with = [&](const char* key, const std::string& text) {
    PngTexts texts = png.texts;
    texts[key] = text;
    return texts;
  };
  for (const char* steps : {"0", "-1", "1e9", "abc", "", "3 "}) refuses_texts(with("Steps", steps), "Steps");
  for (const char* scale : {"nan", "inf", "-1", "1e300"}) refuses_texts(with("CfgScale", scale), "CfgScale");
  refuses_texts(with("Seed", "-1"), "Seed");
  refuses_texts(with("Solver", "\x1b[2Jmagic"), "euler, heun, multistep");
  refuses_texts(with("Prompt", ""), "empty");
  refuses_texts(with("Weights", "0123456789abcdef"), "other weights");

  Bytes bomb = whole;  // a header that promises 16,000 x 16,000 pixels
  const std::uint8_t large[] = {0, 0, 0x3E, 0x80, 0, 0, 0x3E, 0x80};
  std::memcpy(bomb.data() + 16, large, 8);
  Bytes checksum;
  append_big(checksum, io_detail::crc32(std::span(bomb).subspan(12, 17)));
  std::memcpy(bomb.data() + 29, checksum.data(), 4);
  s.put("in.png", bomb);
  refuses("16000 x 16000");
  std::memset(bomb.data() + 16, 0, 8);  // and one of no pixels at all
  checksum.clear();
  append_big(checksum, io_detail::crc32(std::span(bomb).subspan(12, 17)));
  std::memcpy(bomb.data() + 29, checksum.data(), 4);
  s.put("in.png", bomb);
  refuses("in.png");
  s.refuses({"--repro", "missing.png"}, failed_file, "missing.png");

  tiny_model(2).write(s.folder / "other.safetensors");
  s.refuses({"--repro", "paint.png", "-o", "out.png", "--weights=other.safetensors"}, failed_file, "other weights");
}

TEST_CASE("Ctrl-C ends the painting with nothing written", "[examples]") {
  const Studio s;
  test::Program program =
      s.start({"a red heart", "-b8", "--steps=1000", "--solver=heun", "--sheet=sheet.png", "--preview=p.gif"});
  while (program.said().find("seed 7") == std::string::npos) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  program.signal(SIGINT);
  const test::Ended ended = program.end();
  REQUIRE(ended.code == interrupted);
  REQUIRE(contains(ended.err, "interrupted"));
  REQUIRE(s.folder.names() == std::vector<std::string>{"tiny.safetensors"});
}

#endif
