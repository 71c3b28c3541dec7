#include <tessera/unit/bpe_learn.hpp>
#include <tessera/unit/characters.hpp>
#include <tessera/unit/detokenizer.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;
using Tokens = std::vector<Token>;

TEST_CASE("learning joins the most frequent pair within pieces", "[unit]") {
  // Pairs within pieces: "he" 4, "el" 3, "ll" 3, "lo" 3; of equals the smallest ids go first.
  const std::vector<std::string> texts{"hello hello hello he"};
  const Bpe bpe = learn_bpe(texts, {.vocabulary = 1000, .special = {"<|end|>"}});
  CHECK(bpe.bytes(256) == "he");
  CHECK(bpe.bytes(257) == " he");
  CHECK(bpe.encode(" hello").size() == 1);
  CHECK(bpe.encode("hello<|end|>", Names::all()).back() == bpe.size() - 1);
  CHECK(bpe.size() < 300);  // no pair occurs twice any more
  const Bpe small = learn_bpe(texts, {.vocabulary = 258, .special = {"<|end|>"}});
  CHECK(small.size() == 258);
  CHECK(small.bytes(257) == "<|end|>");
  CHECK(learn_bpe({}, {.vocabulary = 256}).size() == 256);
  CHECK_THROWS_AS(learn_bpe(texts, {.vocabulary = 256, .special = {"x"}}), argument_error);
  CHECK_THROWS_AS(learn_bpe(texts, {.vocabulary = 1 << 21}), argument_error);
}

TEST_CASE("a learned vocabulary is the same from a file, and from its text in another order", "[unit]") {
  std::vector<std::string> texts;
  std::uint64_t state = 1;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int j = 0; j < 30; ++j) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += "the quick brown 狗 0123456789\n"[(state >> 40) % 30];
    }
    texts.push_back(text);
  }
  const BpeLearning config{.vocabulary = 600, .split = Split::cl100k};
  const Bpe bpe = learn_bpe(texts, config);
  CHECK(bpe.size() == 600);
  const std::vector<std::string> backwards(texts.rbegin(), texts.rend());
  CHECK(to_tiktoken(learn_bpe(backwards, config)) == to_tiktoken(bpe));
  const Bpe again = bpe_by_rank(parse_tiktoken(to_tiktoken(bpe), "mine"), Split::cl100k);
  std::size_t bytes = 0, tokens = 0;
  for (const std::string& text : texts) {
    CHECK(again.encode(text) == bpe.encode(text));
    CHECK(bpe.decode(bpe.encode(text)) == text);
    bytes += text.size(), tokens += bpe.encode(text).size();
  }
  CHECK(5 * tokens < 4 * bytes);
}

TEST_CASE("a piece longer than a token may be teaches what fits", "[unit]") {
  const std::vector<std::string> texts{std::string(5000, 'a'), std::string(5000, 'a')};
  const Bpe bpe = learn_bpe(texts, {.vocabulary = 400});
  for (Token id = 0; id < bpe.size(); ++id) CHECK(bpe.bytes(id).size() <= TokenTable::longest);
  CHECK(bpe.encode(texts[0]).size() < 20);
}

TEST_CASE("bytes that are no UTF-8 are shown as Unicode recommends", "[unit]") {
  const auto shown = [](std::string_view bytes) {
    std::string out = repaired_utf8(bytes);
    for (std::size_t at; (at = out.find("\uFFFD")) != std::string::npos;) out.replace(at, 3, "?");
    return out;
  };
  // Unicode 15, tables 3-8 to 3-11.
  CHECK(shown("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == "????????A");
  CHECK(shown("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == "????????A");
  CHECK(shown("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") == "?????A??B");
  CHECK(shown("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "????A");
  CHECK(shown("é狗😀\xE7\x8B") == "é狗😀?");
  CHECK(shown("") == "");
}

TEST_CASE("a stream holds back what may become a character, in whatever portions it comes", "[unit]") {
  const std::string text = "a\xE7\x8B\x97\xF0\x9F\x98\x80\xE7\x41\xFF é\xF0\x9F";
  for (std::size_t portion = 1; portion < text.size(); ++portion) {
    Utf8Stream stream;
    std::string shown;
    for (std::size_t at = 0; at < text.size(); at += portion) {
      const std::string more = stream.push(text.substr(at, portion));
      CHECK(valid_utf8(more));
      shown += more;
    }
    CHECK(shown + stream.finish() == repaired_utf8(text));
  }
  const ByteTokens bytes;
  Detokenizer detokenizer(bytes);
  CHECK(detokenizer.push(0xE7).empty());
  CHECK(detokenizer.push(0x8B).empty());
  auto fork = detokenizer;
  CHECK(detokenizer.push(0x97) == "狗");
  CHECK(fork.push('a') == "\uFFFDa");
  CHECK_THROWS_AS(fork.push(256), argument_error);
  CHECK(fork.push(0xF0).empty());
  CHECK(fork.finish() == "\uFFFD");
  CHECK(fork.finish().empty());
}

TEST_CASE("characters and bytes as tokens", "[unit]") {
  const std::string text = "to be 狗 é\xFF\xE7";
  const Characters characters(text);
  CHECK(characters.size() == 9);
  CHECK(characters.encode("be") == Tokens{1, 2});  // space b e o t
  CHECK(characters.decode(characters.encode(text)) == text);
  CHECK(Characters(characters.alphabet()) == characters);
  CHECK(characters.bytes(0) == " ");
  CHECK_THROWS_WITH(characters.encode("bed"), "Characters: \"d\" at byte 2 is not in the alphabet of 9");
  CHECK_THROWS_AS(characters.bytes(9), argument_error);
  CHECK(Characters("").size() == 0);
  CHECK(ByteTokens().encode("a\xFF") == Tokens{'a', 255});
  CHECK(ByteTokens().decode(Tokens{'a', 255}) == "a\xFF");
  CHECK_THROWS_AS(ByteTokens().decode(Tokens{-1}), argument_error);
}
