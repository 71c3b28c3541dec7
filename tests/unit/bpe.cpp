#include <tessera/unit/bpe.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/characters.hpp>
#include <tessera/unit/text_tokenizer.hpp>

#include <thread>

#include "tests/support/catch.hpp"
#include "tests/unit/small_vocabularies.hpp"

using namespace tessera;

static_assert(TextTokenizer<Bpe> && TextTokenizer<Tokenizer> && TextTokenizer<Characters> && TextTokenizer<ByteTokens>);

namespace {

using Tokens = std::vector<Token>;
using test::Numbers;

/// The rule of .tiktoken files, word for word: of all neighbours whose bytes together are a token, those whose token is
/// the lowest become it, the leftmost first.
Tokens encode_plainly(const TokenTable& tokens, const std::string& piece) {
  if (tokens.find(piece) != TokenTable::none) return {tokens.find(piece)};
  std::vector<std::string> parts;
  for (const char c : piece) parts.emplace_back(1, c);
  for (;;) {
    std::size_t best = parts.size();
    Token lowest = TokenTable::most;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const Token joined = tokens.find(parts[i] + parts[i + 1]);
      if (joined != TokenTable::none && joined < lowest) best = i, lowest = joined;
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Tokens out;
  for (const std::string& part : parts) out.push_back(tokens.find(part));
  return out;
}

/// 256 bytes in a random order, then `count` strings of a few letters that need not have been learned in any order.
TokenTable random_vocabulary(Numbers& numbers, int count) {
  TokenTable tokens;
  std::vector<int> bytes(256);
  for (int b = 0; b < 256; ++b) bytes[static_cast<std::size_t>(b)] = b;
  for (std::size_t i = 255; i > 0; --i) std::swap(bytes[i], bytes[numbers.below(i + 1)]);
  for (const int b : bytes) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    tokens.add(tokens.size(), {&c, 1});
  }
  for (int i = 0; i < count; ++i) tokens.add(tokens.size(), test::letters(numbers, 2 + numbers.below(6), 3));
  return tokens;
}

}  // namespace

TEST_CASE("ranks merge as the rule of .tiktoken files says, in whatever order the tokens are", "[unit]") {
  Numbers numbers{1};
  for (int round = 0; round < 60; ++round) {
    const TokenTable tokens = random_vocabulary(numbers, 40);
    const Bpe bpe = bpe_by_rank(tokens, Split::none);
    for (int i = 0; i < 30; ++i) {
      const std::string text = test::letters(numbers, 1 + numbers.below(i % 3 == 0 ? 200 : 20), 3);
      INFO(text);
      REQUIRE(bpe.encode(text) == encode_plainly(tokens, text));
    }
  }
}

TEST_CASE("scan, heap and windows merge alike", "[unit]") {
  Numbers numbers{2};
  for (int round = 0; round < 200; ++round) {
    const int alphabet = 1 + static_cast<int>(numbers.below(4));
    MergeTable table;
    Token tokens = alphabet;
    for (int i = 0; i < 30; ++i) {
      const auto token = [&] { return static_cast<Token>(numbers.below(static_cast<std::uint64_t>(tokens))); };
      const Token left = token(), right = token();
      if (table.add(left, right, static_cast<std::uint32_t>(numbers.below(1000)), tokens)) ++tokens;
    }
    Tokens symbols(49 + numbers.below(400));
    for (Token& symbol : symbols) symbol = static_cast<Token>(numbers.below(static_cast<std::uint64_t>(alphabet)));
    Tokens scanned = symbols;
    std::vector<std::uint32_t> ranks(symbols.size());
    scanned.resize(unit_detail::merge_by_scan(
        scanned.data(), ranks.data(), scanned.size(), MergeTable::no_rank,
        [&](Token l, Token r) { return table.rank(l, r); }, [&](std::uint32_t rank) { return table.made(rank); }));
    for (const std::size_t window : std::initializer_list<std::size_t>{4, 10, 32, 4096}) {
      Merger merger;
      merger.window(window);
      Tokens merged;
      merger.merge(table, symbols.data(), symbols.size(), merged);
      INFO("window " << window);
      REQUIRE(merged == scanned);
    }
  }
}

TEST_CASE("a few tokens by hand, and bytes that are no UTF-8", "[unit]") {
  const Bpe bpe = bpe_by_rank(test::small_tokens(), Split::cl100k);
  CHECK(bpe.encode("hello") == Tokens{259});
  CHECK(bpe.encode("hell") == Tokens{258});
  CHECK(bpe.encode("shell") == Tokens{'s', 258});
  CHECK(bpe.encode("a b") == Tokens{'a', ' ', 'b'});
  CHECK(bpe.encode("狗") == Tokens{262});
  CHECK(bpe.encode("\xE7\x8B") == Tokens{261});  // half of it, by the same ranks
  CHECK(bpe.encode("\xE7\x8B\xE7\x8B") == Tokens{261, 261});
  CHECK(bpe.encode("\xFFhell\xE7") == Tokens{0xFF, 258, 0xE7});
  CHECK(bpe.encode("") == Tokens{});
  CHECK(bpe.size() == 264);
  CHECK(bpe.decode(Tokens{261, 0x97, 259}) == "狗hello");
  CHECK_FALSE(bpe.has(300));
  CHECK_THROWS_WITH(bpe.decode(Tokens{300}), "Bpe: there is no token 300 in this vocabulary, whose ids are 0 to 263");
  CHECK_THROWS_AS(bpe.bytes(-1), argument_error);
  Tokens appended{7};
  bpe.encode("hello", appended);
  CHECK(appended == Tokens{7, 259});
}

TEST_CASE("any bytes come back, short and long", "[unit]") {
  Numbers numbers{3};
  for (const Split split : {Split::none, Split::gpt2, Split::cl100k, Split::o200k}) {
    const Bpe bpe = bpe_by_rank(test::small_tokens(), split);
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (std::size_t n = numbers.below(i == 0 ? 100000 : 60); n-- > 0;) text += static_cast<char>(numbers.below(256));
      REQUIRE(bpe.decode(bpe.encode(text)) == text);
    }
  }
}

TEST_CASE("the same words in a long text as alone", "[unit]") {  // where a cache remembers them
  Numbers numbers{4};
  const Bpe bpe = bpe_by_rank(random_vocabulary(numbers, 60), Split::gpt2);
  std::string text;
  Tokens expected;
  while (text.size() < 50000) {
    const std::string word = " " + test::letters(numbers, 1 + numbers.below(20), 3);
    text += word;
    for (const Token token : bpe.encode(word)) expected.push_back(token);
  }
  CHECK(bpe.encode(text) == expected);
}

TEST_CASE("megabytes without a space, and of one letter", "[unit]") {
  Numbers numbers{5};
  const TokenTable tokens = random_vocabulary(numbers, 200);
  const Bpe bpe = bpe_by_rank(tokens, Split::none);
  for (const std::string& text : {test::letters(numbers, 2'000'000, 3), std::string(2'000'000, 'a')}) {
    const Tokens encoded = bpe.encode(text);
    CHECK(encoded.size() < text.size());
    CHECK(bpe.decode(encoded) == text);
    CHECK(bpe.encode(text.substr(0, 3000)) == encode_plainly(tokens, text.substr(0, 3000)));
  }
}

TEST_CASE("names of special tokens are text unless asked for", "[unit]") {
  SpecialTokens special({{.name = "<|end|>", .id = 300},
                         {.name = "<|end|>er", .id = 301},
                         {.name = "<mask>", .id = 302, .takes_left = true, .takes_right = true},
                         {.name = "<think>", .id = 303, .word = true}});
  const Bpe bpe = bpe_by_rank(test::small_tokens(), Split::gpt2, special);
  CHECK(bpe.size() == 304);
  CHECK(bpe.special("<|end|>") == 300);
  CHECK_THROWS_WITH(bpe.special("<|END|>"), "Bpe: there is no special token \"<|END|>\"");
  CHECK(bpe.encode("<|end|>").size() == 7);
  CHECK(bpe.encode("hello<|end|>hello", Names::all()) == Tokens{259, 300, 259});
  CHECK(bpe.encode("<|end|>e<|end|>er", Names::all()) == Tokens{300, 'e', 301});  // the longest name
  CHECK(bpe.encode("<|end|>er", Names::only({"<|end|>"})) == Tokens{300, 'e', 'r'});
  CHECK(bpe.encode("a  <mask> \n b", Names::all()) == Tokens{'a', 302, 'b'});
  CHECK(bpe.encode("<think>") == Tokens{303});
  CHECK(bpe.encode("<thin", Names::all()).size() == 5);
  Tokens untouched{1, 2};
  CHECK_THROWS_WITH(bpe.encode("hello <|end|>", untouched, Names::only({"<mask>"}).refuse_others()),
                    "encode: the text has \"<|end|>\" at byte 6, which names a special token that is not allowed here");
  CHECK(untouched == Tokens{1, 2});
  CHECK_THROWS_AS(bpe.encode("", Names::only({"<nothing>"})), argument_error);
  CHECK(bpe.decode(Tokens{259, 300, 303}) == "hello<|end|><think>");
  CHECK(bpe.decode(Tokens{259, 300, 303}, false) == "hello<think>");
  CHECK_THROWS_AS(SpecialTokens({{.name = "a", .id = 1}, {.name = "a", .id = 2}}), argument_error);
  CHECK_THROWS_AS(SpecialTokens({{.name = "a", .id = 1}, {.name = "b", .id = 1}}), argument_error);
  CHECK_THROWS_AS(SpecialTokens({{.name = "", .id = 1}}), argument_error);
  CHECK_THROWS_AS(bpe_by_rank(test::small_tokens(), Split::gpt2, SpecialTokens({{.name = "x", .id = 97}})),
                  argument_error);
  CHECK_THROWS_AS(bpe_by_rank(test::small_tokens(), Split::gpt2, SpecialTokens({{.name = "x", .id = -5}})),
                  argument_error);
}

TEST_CASE("rows for a network", "[unit]") {
  const Bpe bpe = bpe_by_rank(test::small_tokens(), Split::cl100k);
  const Tensor<Token> row = encode_row(bpe, "hello a");
  REQUIRE(row.shape() == Shape{3});
  CHECK(row.data()[0] == 259);
  const std::vector<std::string> texts{"hello", "", "hello hello a"};
  const Tensor<Token> rows = encode_rows(bpe, texts, 3, -1);
  REQUIRE(rows.shape() == Shape{3, 3});
  const Token* at = rows.data();
  CHECK(Tokens(at, at + 9) == Tokens{259, -1, -1, -1, -1, -1, 259, ' ', 259});
  CHECK_THROWS_AS(encode_rows(bpe, texts, 0, 0), argument_error);
}

TEST_CASE("threads share a tokenizer", "[unit]") {
  const Bpe bpe = bpe_by_rank(test::small_tokens(), Split::cl100k);
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "hello shell 狗 ";
  const Tokens alone = bpe.encode(text);
  std::vector<Tokens> made(4);
  {
    std::vector<std::jthread> threads;
    for (Tokens& out : made) threads.emplace_back([bpe, &text, &out] { out = bpe.encode(text); });
  }
  for (const Tokens& tokens : made) CHECK(tokens == alone);
}
