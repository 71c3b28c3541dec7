#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/detokenizer.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include "tests/io/hostile.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/small_vocabularies.hpp"

using namespace tessera;
using test::io_error_of;
using Tokens = std::vector<Token>;

namespace {

std::string small_file() { return to_tiktoken(bpe_by_rank(test::small_tokens(), Split::cl100k)); }

std::string tiktoken_error(const std::string& text) {
  return io_error_of([&] { parse_tiktoken(text, "x.tiktoken"); });
}

const std::string encoder = R"({"h": 0, "e": 1, "l": 2, "he": 3, "ll": 4, "hell": 5, "\u0120": 6, "<|endoftext|>": 7})";
const std::string merges = "#version: 0.2\nh e\nl l\nhe ll\n";

std::string gpt2_error(const std::string& json, const std::string& lines) {
  return io_error_of([&] { parse_gpt2(json, "encoder.json", lines, "vocab.bpe"); });
}

/// A tokenizer.json; `rest` are more members, each with a comma in front.
std::string json(const std::string& vocab, const std::string& merge_list, const std::string& model_rest = "",
                 const std::string& rest = "") {
  return R"({"model": {"type": "BPE", "vocab": {)" + vocab + R"(}, "merges": [)" + merge_list + "]" + model_rest + "}" +
         rest + "}";
}
const std::string letters = R"("a": 0, "b": 1, "ab": 2)";
const std::string byte_level = R"(, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false})";

Bpe parse(const std::string& text) { return parse_tokenizer_json(text, "t.json"); }
std::string json_error(const std::string& text) {
  return io_error_of([&] { parse(text); });
}

}  // namespace

TEST_CASE("a .tiktoken file is read and written", "[unit]") {
  const std::string file = small_file();
  const Bpe bpe = bpe_by_rank(parse_tiktoken(file, "x"), Split::cl100k);
  CHECK(bpe.encode("hello") == Tokens{259});
  CHECK(to_tiktoken(bpe) == file);
  std::string windows;  // line ends of Windows, and no last one
  for (const char c : file) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  windows.resize(windows.size() - 2);
  CHECK(parse_tiktoken(windows, "x").count() == bpe.parts().tokens.count());
}

TEST_CASE("a .tiktoken file that is none is an error that says where", "[unit]") {
  const std::string file = small_file();
  const auto with = [&](const std::string& line) { return tiktoken_error(file + line); };
  CHECK(with("aGU= 5") == "x.tiktoken: line 264: token: expected each id once, found a second token 5");
  CHECK(with("aGU= 270") ==
        "x.tiktoken: line 264: token: expected each token once, found \"he\" again, which is token 256");
  CHECK(with("aGV5 9999999") == "x.tiktoken: line 264: token: expected an id of 0 to 1551, found 9999999");
  CHECK(with("aGV5 99999999999999999999") ==
        "x.tiktoken: line 264: rank: expected a whole number, found \"99999999999999999999\"");
  CHECK(with("aGV5 -7") == "x.tiktoken: line 264: rank: expected a whole number, found \"-7\"");
  CHECK(with("aGV5") == "x.tiktoken: line 264: token: expected base64, a space and a rank, found \"aGV5\"");
  CHECK(with("\n") == "x.tiktoken: line 264: token: expected base64, a space and a rank, found \"\"");
  for (const char* bad : {"aGV5=", "aGV", "a=Vy", "aG==", "aGV\x80", "====", "aGV5====", "\x1B[2J"}) {
    INFO(bad);
    CHECK(with(std::string(bad) + " 270") == "x.tiktoken: line 264: token: expected base64, found " + quoted(bad));
  }
  CHECK(with(unit_detail::to_base64(std::string(1025, 'a')) + " 270") ==
        "x.tiktoken: line 264: token: expected a token of at most 1024 bytes, found 1025");
  CHECK(tiktoken_error("") == "x.tiktoken: tokens: expected all 256 bytes, found none for byte 0");
  CHECK(tiktoken_error(std::string(5'000'000, '\n')) == "x.tiktoken: lines: expected at most 2097151, found 5000000");
  CHECK_THROWS_AS(read_tiktoken("/nowhere/x.tiktoken", Published::cl100k), io_error);
}

TEST_CASE("base64 both ways", "[unit]") {
  for (const std::string& bytes :
       {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\0\xFF", 2)}) {
    CHECK(unit_detail::from_base64(unit_detail::to_base64(bytes)) == bytes);
  }
  CHECK(unit_detail::to_base64("hello") == "aGVsbG8=");
}

TEST_CASE("a vocabulary made to be slow is not", "[unit]") {  // a^2, a^3, ... a^1024: each is made of all shorter ones
  std::string file;
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    file += unit_detail::to_base64({&c, 1}) + " " + std::to_string(b) + "\n";
  }
  for (int n = 2; n <= 1024; ++n)
    file +=
        unit_detail::to_base64(std::string(static_cast<std::size_t>(n), 'a')) + " " + std::to_string(254 + n) + "\n";
  const Bpe bpe = bpe_by_rank(parse_tiktoken(file, "x"), Split::none);
  const std::string text(300'000, 'a');
  CHECK(bpe.decode(bpe.encode(text)) == text);
}

TEST_CASE("GPT-2's two files", "[unit]") {
  const Bpe bpe = parse_gpt2(encoder, "encoder.json", merges, "vocab.bpe");
  CHECK(bpe.encode("hell hel") == Tokens{5, 6, 3, 2});
  CHECK(bpe.encode("<|endoftext|>", Names::all()) == Tokens{7});
  CHECK(bpe.bytes(6) == " ");
  CHECK_THROWS_WITH(bpe.encode("x"), "Bpe: the vocabulary has no token for \"x\" and none for unknown text");

  CHECK(gpt2_error("[1]", merges) == "encoder.json: byte 0: expected an object, found \"[1]\"");
  CHECK(gpt2_error("{\"a\": 0, \"b\": 0}", "") == "encoder.json: \"b\": expected each id once, found a second token 0");
  CHECK(gpt2_error("{\"a\": 0, \"a\": 1}", "") ==
        "encoder.json: \"a\": expected each token once, found \"a\" again, which is token 0");
  CHECK(gpt2_error("{\"a\": 1e3}", "") ==
        "encoder.json: byte 6: expected a whole number of at most 64 bits, found \"1e3}\"");
  CHECK(gpt2_error("{\"a\": 4000}", "") == "encoder.json: \"a\": expected an id of 0 to 1025, found 4000");
  CHECK(gpt2_error("{\"\": 0}", "") == "encoder.json: \"\": expected a token of at least one byte, found an empty one");
  CHECK(gpt2_error("{\"狗\": 0}", "") ==
        "encoder.json: \"狗\": expected characters of GPT-2's alphabet of bytes, found others");
  CHECK(gpt2_error(encoder, merges + "h x\n") == "vocab.bpe: line 5: expected tokens of encoder.json, found \"x\"");
  CHECK(gpt2_error(encoder, "e h\n") == "vocab.bpe: line 1: expected tokens of encoder.json, found \"eh\"");
  CHECK(gpt2_error(encoder, merges + "h e\n") == "vocab.bpe: line 5: expected each merge once, found \"h e\" again");
  CHECK(gpt2_error(encoder, merges + "h e l\n") ==
        "vocab.bpe: line 5: expected two tokens and a space between them, found \"h e l\"");
  CHECK(gpt2_error(encoder, merges + "\nh e\n") ==
        "vocab.bpe: line 5: expected two tokens and a space between them, found \"\"");
}

TEST_CASE("tokenizer.json over bytes", "[unit]") {
  const Bpe bpe = parse(json(R"("a": 0, "b": 1, "ab": 2, "Ġ": 3)", R"("a b")", "", byte_level));
  CHECK(bpe.encode("ab ab") == Tokens{2, 3, 2});
  CHECK(bpe.decode(Tokens{2, 3, 1}) == "ab b");
  CHECK(parse(json(letters, R"(["a", "b"])", "", byte_level)).encode("ab") == Tokens{2});
  CHECK(parse(json(letters, "", "", byte_level)).encode("ab") == Tokens{0, 1});
  CHECK(parse(json(letters, "", R"(, "ignore_merges": true)", byte_level)).encode("ab") == Tokens{2});
  const std::string with_space = R"(, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true})";
  CHECK(parse(json(R"("a": 0, "Ġ": 3)", "", "", with_space)).encode("a a") == Tokens{3, 0, 3, 0});
  const std::string named = R"(, "added_tokens": [{"id": 9, "content": "<e>", "special": true, "lstrip": true}])";
  const Bpe special = parse(json(R"("a": 0, "Ġ": 3)", "", "", byte_level + named));
  CHECK(special.encode("a <e>a", Names::all()) == Tokens{0, 9, 0});
  CHECK(special.size() == 10);
}

TEST_CASE("tokenizer.json over characters, with bytes to fall back on", "[unit]") {
  const std::string parts = R"(, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}, "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}, "added_tokens": [{"id": 1, "content": "<s>", "special": true}],
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
    "special_tokens": {"<s>": {"ids": [1]}}})";
  std::string vocab = R"("<unk>": 0, "<s>": 1)";
  constexpr char hex[] = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b)
    vocab += std::string(", \"<0x") + hex[b / 16] + hex[b % 16] + ">\": " + std::to_string(2 + b);
  vocab += R"(, "▁": 258, "a": 259, "▁a": 260, "狗": 261, "▁▁": 262)";
  const Bpe bpe = parse(
      json(vocab, R"("▁ a", "▁ ▁")", R"(, "byte_fallback": true, "unk_token": "<unk>", "fuse_unk": true)", parts));
  CHECK(bpe.encode("a") == Tokens{260});
  CHECK(bpe.encode("a a 狗") == Tokens{260, 260, 258, 261});
  CHECK(bpe.encode("  ") == Tokens{262, 258});
  CHECK(bpe.encode("é") == Tokens{258, 2 + 0xC3, 2 + 0xA9});
  CHECK(bpe.encode("\xC3") == Tokens{258, 2 + 0xC3});
  CHECK(bpe.encode("").empty());
  CHECK(bpe.before() == Tokens{1});
  CHECK(bpe.after().empty());
  CHECK(bpe.bytes(2 + 'A') == "A");
  for (const std::string& text : {std::string("a a 狗"), std::string("  é\xC3"), std::string(" a"),
                                  std::string(5000, ' '), std::string(5000, 'a')}) {
    CHECK(bpe.decode(bpe.encode(text)) == text);
  }
  Detokenizer stream(bpe);
  std::string shown;
  for (const Token token : bpe.encode("a é狗")) shown += stream.push(token) + "|";
  CHECK(shown == "a| ||é|狗|");
}

TEST_CASE("tokenizer.json with a token for what is unknown", "[unit]") {
  const std::string one = R"("?": 9, "a": 0)";
  CHECK(parse(json(one, "", R"(, "unk_token": "?")")).encode("xyaz") == Tokens{9, 9, 0, 9});
  CHECK(parse(json(one, "", R"(, "unk_token": "?", "fuse_unk": true)")).encode("xyaz") == Tokens{9, 0, 9});
  CHECK_THROWS_AS(parse(json(one, "")).encode("x"), argument_error);
  const std::string metaspace =
      R"(, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})";
  CHECK(parse(json(R"("▁": 1, "a": 0)", "", "", metaspace)).encode("a a") == Tokens{1, 0, 1, 0});
  CHECK(parse(json(R"("▁": 1, "a": 0)", "", "", metaspace)).encode(" a") == Tokens{1, 0});
}

TEST_CASE("a tokenizer.json that is none is an error that says where", "[unit]") {
  CHECK(json_error("hello") == "t.json: byte 0: expected an object, found \"hello\"");
  CHECK(json_error("{}") == "t.json: \"model\": expected it to be there, found no such member");
  CHECK(json_error(R"({"model": {}, "model": {}})") == "t.json: model: expected it once, found a second one");
  CHECK(json_error(R"({"model": {"type": "WordPiece"}})") ==
        "t.json: model.type: expected \"BPE\" (others are not supported), found \"WordPiece\"");
  CHECK(json_error(R"({"model": {"type": "BPE"}})") ==
        "t.json: model.vocab: expected it to be there, found no such member");
  CHECK(json_error(R"({"model": {"type": "BPE", "vocab": {}}})") ==
        "t.json: model.merges: expected it to be there, found no such member");
  CHECK(json_error(json(R"("a": 0, "b": 0)", "")) ==
        "t.json: model.vocab: \"b\": expected each id once, found a second token 0");
  CHECK(json_error(json(R"("a": 5000)", "")) == "t.json: model.vocab: \"a\": expected an id of 0 to 1025, found 5000");
  CHECK(json_error(json(letters, R"("a c")")) ==
        "t.json: model.merges: 0: expected tokens of model.vocab, found \"c\"");
  CHECK(json_error(json(letters, R"("a b", "b a")")) ==
        "t.json: model.merges: 1: expected tokens of model.vocab, found \"ba\"");
  CHECK(json_error(json(letters, R"("a b", "a b")")) ==
        "t.json: model.merges: 1: expected each merge once, found \"a\" and \"b\" again");
  CHECK(json_error(json(letters, R"("ab")")) ==
        "t.json: model.merges: 0: expected two tokens and a space between them, found \"ab\"");
  CHECK(json_error(json(letters, R"(["a", "b", "a"])")) == "t.json: model.merges: 0: expected two tokens, found 3");
  CHECK(json_error(json(letters, "", "", R"(, "normalizer": {"type": "Lowercase"})"))
            .starts_with("t.json: normalizer: expected NFC"));
  CHECK(
      json_error(
          json(
              letters, "", "",
              R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": false})"))
          .starts_with("t.json: pre_tokenizer: expected a Split by an expression"));
  CHECK(json_error(json(letters, "", "", R"(, "normalizer": {"kind": 1})")) ==
        "t.json: \"type\": expected it to be there, found no such member");
  CHECK(json_error(json(letters, "", "", R"(, "added_tokens": [{"id": 1, "content": "x"}])")) ==
        "t.json: added_tokens: \"x\": expected an id that the vocabulary leaves free, found 1, which is \"b\"");
  CHECK(json_error(json(letters, "", "", R"(, "added_tokens": [{"id": 8, "content": "b"}])")) ==
        "t.json: added_tokens: \"b\": expected its id in the vocabulary, 1, found 8");
  CHECK(json_error(json(letters, "", "", R"(, "added_tokens": [{"id": 99999999, "content": "x"}])")) ==
        "t.json: added_tokens: \"x\": expected an id of 0 to 2097150, found 99999999");
  CHECK(json_error(json(letters, "", R"(, "unk_token": "x")")) ==
        "t.json: model.unk_token: expected a token of the vocabulary, found \"x\"");
  const std::string whole = json(letters, R"("a b")", "", byte_level);
  test::check_truncations(Bytes(whole.begin(), whole.end()),
                          [](const Bytes& bytes) { parse(std::string(as_text(bytes))); });
  test::check_flips(Bytes(whole.begin(), whole.end()), [](const Bytes& bytes) { parse(std::string(as_text(bytes))); });
  std::string deep = R"({"x": )" + std::string(100000, '[');
  CHECK(json_error(deep).find("nesting") != std::string::npos);
}
