#include <tessera/unit/token.hpp>
#include <tessera/unit/token_learn.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t length = unit_detail::word_length(text);
    out.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

const std::vector<std::string> lines{
    "red heart", "red apple", "a red car", "dark red heart",        "heart with ribbon",
    "紅心",      "紅蘋果",    "紅色的車",  "woman: dark skin tone", "man: dark skin tone",
    "lizard 12", "room 1212"};

/// A repeatable stream of numbers below n.
struct Numbers {
  std::uint64_t state;
  std::uint64_t below(std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  }
};

std::string noise_text(std::uint64_t seed, std::size_t pieces) {
  static const std::string parts[] = {"heart", " red", "  ", "紅", "心", "\xFF", "\xE7", "é",  ":",
                                      "12",    "a",    "\n", "😀",  "n",  "dark", "\xC3", " s", std::string(1, '\0')};
  Numbers numbers{seed};
  std::string text;
  while (pieces-- > 0) text += parts[numbers.below(std::size(parts))];
  return text;
}

/// The definition, word for word: as long as any neighbours are a pair that was learned, join the earliest learned, the
/// leftmost first.
std::vector<Token> encode_plainly(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<Token> out;
  for (const std::string& word : words(text)) {
    std::vector<Token> tokens;
    for (const char c : word) tokens.push_back(Tokenizer::first_byte + static_cast<unsigned char>(c));
    for (std::size_t m = 0; m < tokenizer.merges().size();) {
      bool joined = false;
      for (std::size_t i = 0; i + 1 < tokens.size() && !joined; ++i) {
        if (Tokenizer::Pair(tokens[i], tokens[i + 1]) != tokenizer.merges()[m]) continue;
        tokens[i] = Tokenizer::first_merge + static_cast<Token>(m);
        tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        joined = true;
      }
      m = joined ? 0 : m + 1;
    }
    out.insert(out.end(), tokens.begin(), tokens.end());
  }
  return out;
}

}  // namespace

TEST_CASE("text is cut into words by kind of character", "[unit]") {
  using Words = std::vector<std::string>;
  CHECK(words("a red heart") == Words{"a", " red", " heart"});
  CHECK(words("a  red") == Words{"a", " ", " red"});
  CHECK(words("room 12b!") == Words{"room", " 12", "b", "!"});
  CHECK(words("woman: dark") == Words{"woman", ":", " dark"});
  CHECK(words("一隻 狗, ok") == Words{"一", "隻", " ", "狗", ",", " ok"});
  CHECK(words("são tomé") == Words{"são", " tomé"});
  CHECK(words("！\xE7\x8B x\xFF") == Words{"！", "\xE7", "\x8B", " x", "\xFF"});
  CHECK(words(" ") == Words{" "});
  CHECK(words(std::string(600, 'a')) == Words{std::string(256, 'a'), std::string(256, 'a'), std::string(88, 'a')});
}

TEST_CASE("any bytes encode and come back", "[unit]") {
  const Tokenizer learned = learn_tokens(lines, 400);
  for (const Tokenizer& tokenizer : {Tokenizer(), learned}) {
    std::string all;
    for (int b = 0; b < 256; ++b) all += static_cast<char>(static_cast<unsigned char>(b));
    for (const std::string& text : {std::string(), all, std::string("a red heart"), std::string("一隻狗 😀"),
                                    std::string("\xC3\x28\xFF\xFE\xE7\x8B"), std::string("a\0b", 3)}) {
      CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
    }
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      const std::string text = noise_text(seed, seed);
      REQUIRE(tokenizer.decode(tokenizer.encode(text)) == text);
    }
  }
}

TEST_CASE("encoding joins pairs in the order they were learned", "[unit]") {
  const Tokenizer tokenizer = learn_tokens(lines, 400);
  REQUIRE(tokenizer.merges().size() > 20);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::string text = noise_text(seed, 20);
    REQUIRE(tokenizer.encode(text) == encode_plainly(tokenizer, text));
  }
}

TEST_CASE("learning joins the most frequent pair, and of equals the smallest", "[unit]") {
  const auto byte = [](char c) { return Tokenizer::first_byte + static_cast<Token>(c); };
  // Pairs: ab 3, bc 3, xy 2. ab goes before bc; then abc before xy.
  const std::vector<std::string> some{"abc:abc:abc", "xy:xy"};
  const Tokenizer tokenizer = learn_tokens(some, 1000);
  CHECK(tokenizer.merges() ==
        std::vector<Tokenizer::Pair>{{byte('a'), byte('b')}, {259, byte('c')}, {byte('x'), byte('y')}});
  CHECK(tokenizer.bytes(260) == "abc");
  CHECK(learn_tokens(some, 260).merges().size() == 1);

  // A run overlaps with itself: aaaa is two of aa, not three.
  const std::vector<std::string> run{"aaaaa", "aaaaa"};
  CHECK(learn_tokens(run, 1000).encode("aaaaa").size() == 1);

  std::vector<std::string> backwards(lines.rbegin(), lines.rend());
  CHECK(learn_tokens(lines, 350) == learn_tokens(backwards, 350));
  CHECK(learn_tokens({}, 2048).size() == 259);
  CHECK_THROWS_AS(learn_tokens(lines, 258), argument_error);
  CHECK_THROWS_AS(learn_tokens(lines, Tokenizer::largest + 1), argument_error);
}

TEST_CASE("a batch is begin, tokens, end and padding", "[unit]") {
  const Tokenizer tokenizer = learn_tokens(lines, 350);
  const std::vector<std::string> texts{"red heart", "", "紅心", std::string(100000, '!') + "é"};
  const Tensor<Token> batch = tokenizer.encode(texts, 6);
  REQUIRE(batch.shape() == Shape{4, 6});
  const auto row = [&](Index i) { return std::vector<Token>(batch.data() + i * 6, batch.data() + i * 6 + 6); };
  const auto framed = [&](const std::string& text) {
    std::vector<Token> tokens{Tokenizer::begin};
    for (const Token t : tokenizer.encode(text)) tokens.push_back(t);
    tokens.resize(tokens.size() < 5 ? tokens.size() : 5);
    tokens.push_back(Tokenizer::end);
    tokens.resize(6, Tokenizer::pad);
    return tokens;
  };
  CHECK(row(0) == framed(" red heart"));  // " red" as in "a red car"
  CHECK(row(1) == framed(""));
  CHECK(row(2) == framed("紅心"));
  CHECK(row(3) == framed("!!!!!!"));
  CHECK(tokenizer.decode(batch.span().subspan(0, 6)) == " red heart");
  CHECK_THROWS_AS(tokenizer.encode(texts, 1), argument_error);
}

TEST_CASE("a megabyte of one letter is no trouble", "[unit]") {
  const std::vector<std::string> run{std::string(256, 'a'), std::string(256, 'a')};
  const Tokenizer tokenizer = learn_tokens(run, 300);
  const std::string text(1 << 20, 'a');
  const std::vector<Token> tokens = tokenizer.encode(text);
  CHECK(tokens.size() == (1 << 20) / 256);
  CHECK(tokenizer.decode(tokens) == text);
}

TEST_CASE("ids outside the vocabulary are refused", "[unit]") {
  const Tokenizer tokenizer;
  CHECK(tokenizer.size() == 259);
  const std::vector<Token> special{0, 1, 2};
  CHECK(tokenizer.decode(special).empty());
  for (const Token bad : {-1, 259, 1 << 30}) {
    const std::vector<Token> tokens{bad};
    CHECK_THROWS_AS(tokenizer.decode(tokens), argument_error);
  }
}

TEST_CASE("a vocabulary is stored as a line of ASCII and comes back", "[unit]") {
  const Tokenizer tokenizer = learn_tokens(lines, 400);
  const std::string text = tokenizer.to_string();
  for (const char c : text) REQUIRE((c >= ' ' && c <= '~'));
  CHECK(Tokenizer::parse(text) == tokenizer);
  CHECK(Tokenizer::parse(text).encode("dark red heart") == tokenizer.encode("dark red heart"));
  CHECK(Tokenizer::parse("tessera-bpe 1 0") == Tokenizer());
  CHECK(Tokenizer::parse("tessera-bpe 1 1 100,101").bytes(259) == "ab");
}

TEST_CASE("a vocabulary that could not have been learned is an io_error", "[unit]") {
  for (const char* bad : {"",
                          "tessera-bpe",
                          "tessera-bpe 2 0",
                          "tessera-bpe 1 ",
                          "tessera-bpe 1 -1",
                          "tessera-bpe 1 0 ",
                          "tessera-bpe 1 00",
                          "tessera-bpe 1 1",
                          "tessera-bpe 1 1 100,101 100,102",
                          "tessera-bpe 1 2 100,101",
                          "tessera-bpe 1 1 100,",
                          "tessera-bpe 1 1 100, 101",
                          "tessera-bpe 1 1 +100,101",
                          "tessera-bpe 1 1 0100,101",
                          "tessera-bpe 1 1 2,101",
                          "tessera-bpe 1 1 100,259",
                          "tessera-bpe 1 2 100,101 100,101",
                          "tessera-bpe 1 1048575 1,1",
                          "tessera-bpe 1 99999999999999999999 1,1",
                          "tessera-bpe 1 1 4294967396,101",
                          "tessera-bpe 1 1 100,101\n"}) {
    INFO(bad);
    CHECK_THROWS_AS(Tokenizer::parse(bad), io_error);
  }
  std::string doubling = "tessera-bpe 1 40 100,100";  // token 259 + i would have 2^(i + 1) bytes
  for (int i = 0; i < 39; ++i) doubling += " " + std::to_string(259 + i) + "," + std::to_string(259 + i);
  CHECK_THROWS_WITH(Tokenizer::parse(doubling), "Tokenizer: merge 8 makes more than 256 bytes");

  const std::string text = learn_tokens(lines, 280).to_string();
  const auto parses = [](const std::string& changed) {  // and if it does, it is what it says
    try {
      const Tokenizer parsed = Tokenizer::parse(changed);
      CHECK(parsed.to_string() == changed);
      return true;
    } catch (const io_error&) { return false; }
  };
  for (std::size_t cut = 0; cut + 3 < text.size(); ++cut) CHECK_FALSE(parses(text.substr(0, cut)));
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'0', '9', ',', ' ', 'x', '\0'}) {
      std::string changed = text;
      changed[at] = c;
      parses(changed);
    }
  }
}
