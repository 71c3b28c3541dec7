// Replays what fuzzing the GGUF reader found worth keeping (tests/fuzz/gguf.cpp).
#include <tessera/io/gguf.hpp>

#include <string>

#include "tests/fuzz/gguf.hpp"
#include "tests/io/gguf_bytes.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

}  // namespace

TEST_CASE("gguf: the fuzzer's corpus is read or refused", "[io][gguf]") {
  const std::string corpus = TESSERA_FUZZ_DIR "/gguf.corpus";
  const Bytes bytes = read_file(corpus);
  const std::string_view text = as_text(bytes);
  int inputs = 0, read = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    if (line.starts_with('#')) continue;
    REQUIRE(line.size() % 2 == 0);
    Bytes input;
    for (std::size_t i = 0; i < line.size(); i += 2)
      input.push_back(static_cast<std::uint8_t>(digit(line[i]) * 16 + digit(line[i + 1])));
    ++inputs;
    read += test::use_gguf(input) ? 1 : 0;  // anything but io_error fails the test
  }
  CHECK(inputs > 50);
  CHECK(read > 5);
  CHECK(read < inputs);
  CHECK(test::use_gguf([] {
    test::GgufBytes file;
    file.tensor("a", {1}, GgufType::f16, {0x00, 0x3C});
    return file.bytes();
  }()));
}
