// Reading a vocabulary takes at most 4 x its file + 1 MiB beside the file itself, of whatever it consists.
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/gguf_tokenizer.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include "tests/io/gguf_bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/memory.hpp"

using namespace tessera;

namespace {

constexpr std::size_t size = std::size_t{6} << 20;

/// `beside`: bytes that f itself keeps of the file.
template <class Function>
void check_memory(std::size_t file, const Function& f, std::size_t beside = 0) {
  if (const auto grown = test::peak_growth(f)) {
    INFO("a file of " << file << " bytes took " << *grown << " bytes");
    CHECK(*grown > 0);
    CHECK(*grown <= 4.0 * static_cast<double>(file) + (1 << 20) + static_cast<double>(beside));
  }
}
/// begin, as many items as there is room for, end.
template <class Item>
std::string filled(std::string text, const Item& item, const char* end) {
  for (int i = 0; text.size() < size; ++i) text += item(i);
  return text + end;
}
std::string all_bytes() {
  std::string text;
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    text += unit_detail::to_base64({&c, 1}) + " " + std::to_string(b) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("vocabularies take no more memory than four times their files", "[unit]") {
  const std::string tiktoken = filled(
      all_bytes(),
      [](int i) { return unit_detail::to_base64("t" + std::to_string(i)) + " " + std::to_string(i + 256) + "\n"; }, "");
  check_memory(tiktoken.size(), [&] { bpe_by_rank(parse_tiktoken(tiktoken, "big"), Split::cl100k); });

  const auto entry = [](int i) { return (i > 0 ? ",\"t" : "\"t") + std::to_string(i) + "\":" + std::to_string(i); };
  const std::string encoder = filled("{", entry, "}");
  check_memory(encoder.size(), [&] { parse_gpt2(encoder, "encoder.json", "#version: 0.2\n", "vocab.bpe"); });
  const std::string json = filled(R"({"model": {"type": "BPE", "vocab": {)", entry, R"(}, "merges": []}})");
  check_memory(json.size(), [&] { parse_tokenizer_json(json, "tokenizer.json"); });
  const std::string merges =
      filled(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a a")", [](int) { return ",\"a a\""; }, "]}}");
  check_memory(merges.size(), [&] { parse_tokenizer_json(merges, "tokenizer.json"); });
  const std::string junk = filled(R"({"x": [[])", [](int) { return ",[]"; }, "]}");
  check_memory(junk.size(), [&] { parse_tokenizer_json(junk, "tokenizer.json"); });

  std::vector<std::string> texts;
  std::vector<std::int32_t> types;
  std::vector<float> scores;
  for (int i = 0; i < 300000; ++i) {
    texts.push_back("t" + std::to_string(i));
    types.push_back(1);
    scores.push_back(-static_cast<float>(i));
  }
  test::GgufBytes file;
  file.text("tokenizer.ggml.model", "llama");
  file.texts("tokenizer.ggml.tokens", texts);
  file.numbers("tokenizer.ggml.token_type", GgufKind::i32, types);
  file.numbers("tokenizer.ggml.scores", GgufKind::f32, scores);
  const Bytes gguf = file.bytes();
  check_memory(
      gguf.size(), [&] { gguf_tokenizer(Gguf::parse(gguf, "big.gguf").settings, "big.gguf"); }, gguf.size());
}
