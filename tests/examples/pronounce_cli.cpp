// examples/pronounce from outside: what it writes, and what it says and returns when something is wrong. The model is a
// tiny one of random weights, made here.
#ifdef TESSERA_PRONOUNCE_PROGRAM  // the examples are built

#include <tessera/io/json.hpp>

#include "examples/support/pronounce_model.hpp"
#include "tests/examples/program.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

/// A folder with weights in it, to run pronounce in.
struct Desk {
  test::Scratch folder;

  Desk() {
    Rng rng(1);
    const auto net = std::make_shared<Seq2Seq<float>>(
        Seq2SeqConfig{.source_units = letter_units, .target_units = phoneme_units, .width = 16, .layers = 1}, rng);
    net->head.bias->value.data()[0] = 2;  // it should come to an end
    Pronouncer(net).to_file().write(folder / "tiny.safetensors");
  }
  test::Ended pronounce(std::vector<std::string> words, const std::string& in = "/dev/null") const {
    words.insert(words.begin(), {TESSERA_PRONOUNCE_PROGRAM, "--weights=tiny.safetensors"});
    return test::Program(words, folder.path(), in).end();
  }
};

std::size_t lines(const std::string& text) {
  std::size_t n = 0;
  for (const char c : text) n += c == '\n' ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("pronounce writes a line a pronunciation, or JSON a word", "[examples]") {
  const Desk desk;
  const test::Ended plain = desk.pronounce({"tessera", "o'clock", "--count", "3"});
  CHECK(plain.code == 0);
  CHECK(lines(plain.out) == 6);
  CHECK(plain.out.starts_with("tessera "));
  CHECK(plain.out.find("\no'clock(3) ") != std::string::npos);
  CHECK(plain.err.empty());
  CHECK(desk.pronounce({"tessera", "o'clock", "--count", "3"}).out == plain.out);

  CHECK(desk.pronounce({"tessera", "o'clock", "--count", "3", "-o", "said.txt"}).out.empty());
  CHECK(as_text(read_file(desk.folder / "said.txt")) == plain.out);

  const test::Ended json = desk.pronounce({"tessera", "--count", "2", "--json"});
  CHECK(json.code == 0);
  const Json line = Json::parse(json.out, "output");
  CHECK(line.get<std::string>("word") == "tessera");

  write_file(desk.folder / "words.txt", as_bytes("one two\n\n  three\n"));
  CHECK(lines(desk.pronounce({"--file", "words.txt"}).out) == 3);
  CHECK(desk.pronounce({"--file", "-"}, desk.folder / "words.txt").out == desk.pronounce({"one", "two", "three"}).out);
}

TEST_CASE("pronounce says what is wrong, and returns 2 for usage and 3 for files", "[examples]") {
  const Desk desk;
  const auto refused = [&](const std::vector<std::string>& words, int code) {
    const test::Ended e = desk.pronounce(words);
    INFO(e.err);
    CHECK(e.code == code);
    CHECK(lines(e.err) == 1);
    CHECK(e.err.starts_with("pronounce: "));
    CHECK(e.out.empty());
  };
  refused({}, 2);
  refused({"caf\xC3\xA9"}, 2);
  refused({"\x1B[31m"}, 2);
  refused({std::string(33, 'a')}, 2);
  refused({"a", "--beam", "0"}, 2);
  refused({"a", "--beam", "2", "--count", "3"}, 2);
  refused({"--file", "nothing.txt"}, 3);
  write_file(desk.folder / "broken.safetensors", as_bytes("not one"));
  refused({"a", "--weights", "broken.safetensors"}, 3);
  refused({"a", "--weights", "nothing.safetensors"}, 3);
}

#endif
