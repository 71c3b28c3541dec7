// Vocabularies in GGUF settings, small enough to follow by hand.
#include <tessera/unit/gguf_tokenizer.hpp>

#include "tests/io/gguf_bytes.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using test::GgufBytes;

namespace {

struct Vocabulary {
  std::string model = "llama", pre = {};
  std::vector<std::string> tokens = {}, merges = {};
  std::vector<std::int32_t> types = {};
  std::vector<float> scores = {};
  std::int64_t begin = -1;

  void add(const std::string& text, int type = 1, float score = 0) {
    tokens.push_back(text);
    types.push_back(type);
    scores.push_back(score);
  }
  Gguf file() const {
    GgufBytes f;
    f.text("tokenizer.ggml.model", model);
    if (!pre.empty()) f.text("tokenizer.ggml.pre", pre);
    f.texts("tokenizer.ggml.tokens", tokens);
    if (!types.empty()) f.numbers("tokenizer.ggml.token_type", GgufKind::i32, types);
    if (!scores.empty()) f.numbers("tokenizer.ggml.scores", GgufKind::f32, scores);
    if (!merges.empty()) f.texts("tokenizer.ggml.merges", merges);
    if (begin >= 0) f.number("tokenizer.ggml.bos_token_id", GgufKind::u32, static_cast<std::uint32_t>(begin));
    return Gguf::parse(f.bytes(), "v.gguf");
  }
  Bpe bpe() const { return gguf_tokenizer(file().settings, "v.gguf"); }
};

/// <unk> 0, <s> 1, </s> 2, the bytes 3 to 258, then as listed; later ones have worse scores.
Vocabulary llama() {
  Vocabulary v;
  v.add("<unk>", 2);
  v.add("<s>", 3);
  v.add("</s>", 3);
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    v.add(name, 6);
  }
  float score = 0;
  for (const char* text : {"\u2581h", "el", "lo", "\u2581hel", "\u2581hello", "\u2581", "h", "e", "l", "o", "狗"})
    v.add(text, 1, score--);
  v.begin = 1;
  return v;
}

/// The bytes in GPT-2's alphabet, then he 256, ll 257, hell 258, and an end 259.
Vocabulary gpt2() {
  Vocabulary v{.model = "gpt2", .pre = "gpt-2"};
  const unit_detail::ByteAlphabet alphabet;
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    v.add(alphabet.text({&c, 1}));
  }
  for (const char* text : {"he", "ll", "hell"}) v.add(text);
  v.add("<|endoftext|>", 3);
  v.merges = {"h e", "l l", "he ll"};
  v.scores.clear();
  return v;
}

void refused(const Vocabulary& v, const char* words) {
  std::string what = "nothing";
  try {
    v.bpe();
  } catch (const io_error& e) { what = e.what(); }
  INFO(what);
  CHECK(what.find("v.gguf") != std::string::npos);
  CHECK(what.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("a GGUF vocabulary by scores joins the best token first", "[unit]") {
  const Bpe bpe = llama().bpe();
  constexpr Token h = 265, space = 264, dog = 269;
  CHECK(bpe.encode("hello") == std::vector<Token>{263});  // ▁h, el, lo, ▁hel, ▁hello
  CHECK(bpe.encode("hell") == std::vector<Token>{262, 267});
  CHECK(bpe.encode("lo") == std::vector<Token>{space, 261});
  CHECK(bpe.encode(" h") == std::vector<Token>{space, 259});
  CHECK(bpe.encode("狗h") == std::vector<Token>{space, dog, h});
  CHECK(bpe.encode("\xFF\n") == std::vector<Token>{space, 3 + 0xFF, 3 + '\n'});
  CHECK(bpe.encode("z") == std::vector<Token>{space, 3 + 'z'});
  CHECK(bpe.before() == std::vector<Token>{1});
  for (const char* text : {"hello", " hello  lo", "z狗\xFF", "<s>", ""}) CHECK(bpe.decode(bpe.encode(text)) == text);
  CHECK(bpe.encode("<s>", Names::all()) == std::vector<Token>{1});
  CHECK(bpe.bytes(2) == "</s>");
}

TEST_CASE("a GGUF vocabulary over bytes merges as it lists", "[unit]") {
  const Bpe bpe = gpt2().bpe();
  CHECK(bpe.encode("hell") == std::vector<Token>{258});
  CHECK(bpe.encode("hel l") == std::vector<Token>{256, 'l', ' ', 'l'});
  CHECK(bpe.encode("<|endoftext|>", Names::all()) == std::vector<Token>{259});
  CHECK(bpe.before().empty());
  for (const char* text : {"hello\n", "  狗", "\xFF\xFE", ""}) CHECK(bpe.decode(bpe.encode(text)) == text);
}

TEST_CASE("a GGUF vocabulary that is none is refused by name", "[unit]") {
  const auto changed = [](Vocabulary v, const auto& change) {
    change(v);
    return v;
  };
  using V = Vocabulary;
  refused(changed(llama(), [](V& v) { v.model = "t5"; }), "gpt2 or llama");
  refused(changed(llama(), [](V& v) { v.scores.pop_back(); }), "scores");
  refused(changed(llama(), [](V& v) { v.scores[260] = NAN; }), "NaN for token 260");
  refused(changed(llama(), [](V& v) { v.types.pop_back(); }), "token_type");
  refused(changed(llama(), [](V& v) { v.tokens[10] = "<0xZZ>"; }), "<0x41>");
  refused(changed(llama(), [](V& v) { v.tokens[10] = v.tokens[11]; }), "each byte once");
  refused(changed(llama(), [](V& v) { v.tokens[260] = v.tokens[261]; }), "each token once");
  refused(changed(llama(), [](V& v) { v.tokens[260] = ""; }), "at least one byte");
  refused(changed(llama(), [](V& v) { v.tokens[2] = "<s>"; }), "special tokens");
  refused(changed(llama(), [](V& v) { v.tokens[260] = std::string(5000, 'x'); }), "1024 bytes");
  refused(changed(llama(), [](V& v) { v.begin = 4000000; }), "bos_token_id");
  refused(changed(gpt2(), [](V& v) { v.pre = "\x1b[2Jnew"; }), "pre");
  refused(changed(gpt2(), [](V& v) { v.merges.push_back("he"); }), "a space between");
  refused(changed(gpt2(), [](V& v) { v.merges.push_back("h h"); }), "tokens of the vocabulary");
  refused(changed(gpt2(), [](V& v) { v.merges.push_back("h e"); }), "each merge once");
  refused(changed(gpt2(), [](V& v) { v.merges.clear(); }), "merges");
}
