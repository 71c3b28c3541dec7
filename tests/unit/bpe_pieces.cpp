#include <tessera/unit/pretokenize.hpp>
#include <tessera/unit/tokenizer_json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/expression.hpp"

using namespace tessera;

namespace {

std::vector<std::string> pieces(Split split, std::string_view text) {
  std::vector<std::string> out;
  for_each_piece(split, text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

using Pieces = std::vector<std::string>;

struct Defined {
  Split split;
  const char* expression;
};

const Defined definitions[] = {
    {Split::gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {Split::cl100k,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)"},
    {Split::llama3,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {Split::qwen2,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {Split::o200k,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

}  // namespace

TEST_CASE("text is cut as the published expressions say", "[unit]") {
  // Characters of every kind, as many of them as change what an expression does.
  const std::vector<std::string> parts{"a",  "B",      "ǅ",    "ʰ",        "中",     "\u0301", "1",      "½",  " ",
                                       " ",  "\t",     "\n",   "\r",       "\u00A0", "\u0085", "\u3000", "'",  "'s",
                                       "'S", "'re",    "'LL",  "'ve",      "'ſ",     "s",      "L",      "!",  "/",
                                       "😀",  "\uFEFF", "\xFF", "\xE7\x8B", "_",      "Ω",      "é",      "  ", "\n\n"};
  std::uint64_t state = 7;
  const auto below = [&](std::size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % n);
  };
  for (const Defined& defined : definitions) {
    const test::Expression expression(defined.expression);
    CHECK(unit_detail::split_by_expression(defined.expression) == defined.split);
    for (int i = 0; i < 1500; ++i) {
      std::string text;
      const std::size_t most = 1 + below(parts.size());  // a few texts of few kinds of character
      for (std::size_t n = below(14); n-- > 0;)
        text += parts[(below(most) * 7 + static_cast<std::size_t>(i)) % parts.size()];
      INFO(static_cast<int>(defined.split) << ": " << quoted(text, 500));
      REQUIRE(pieces(defined.split, text) == expression.pieces(text));
    }
  }
}

TEST_CASE("what the expressions make of English, digits and lines", "[unit]") {
  const std::string text = "It's 12345 o'CLOCK!!\n  They'LL go.\n\n ";
  CHECK(pieces(Split::none, text) == Pieces{text});
  CHECK(pieces(Split::none, "").empty());
  CHECK(pieces(Split::gpt2, text) ==
        Pieces{"It", "'s", " 12345", " o", "'", "CLOCK", "!!", "\n ", " They", "'", "LL", " go", ".", "\n\n "});
  CHECK(pieces(Split::cl100k, text) ==
        Pieces{"It", "'s", " ", "123", "45", " o", "'CLOCK", "!!\n", " ", " They", "'LL", " go", ".\n\n", " "});
  CHECK(pieces(Split::o200k, text) ==
        Pieces{"It's", " ", "123", "45", " o", "'CLOCK", "!!\n", " ", " They'LL", " go", ".\n\n", " "});
  CHECK(pieces(Split::qwen2, "a123") == Pieces{"a", "1", "2", "3"});
  // White space at the very end is one piece in cl100k as it is now, and was two.
  CHECK(pieces(Split::cl100k, "a\n  ") == Pieces{"a", "\n  "});
  CHECK(pieces(Split::llama3, "a\n  ") == Pieces{"a", "\n", "  "});
  CHECK(pieces(Split::o200k, "camelCaseHTTPRequest") == Pieces{"camel", "Case", "HTTPRequest"});
}

TEST_CASE("cutting takes time in proportion to the text", "[unit]") {  // a quadratic way would take minutes
  for (const char* unit : {" ", "A", "a", "'", "中A", "\u0301", "1", "!", "\n ", "\xFF", " \u0301A"}) {
    std::string text;
    while (text.size() < 2'000'000) text += unit;
    for (const Defined& defined : definitions) {
      std::size_t bytes = 0;
      for_each_piece(defined.split, text, [&](std::string_view piece) { bytes += piece.size(); });
      CHECK(bytes == text.size());
    }
  }
}

TEST_CASE("composed form", "[unit]") {
  CHECK(nfc("e\u0301") == "é");
  CHECK(nfc("\u1100\u1161") == "가");
  CHECK(nfc("a\xFF"
            "e\u0301\xE7") == "a\xFFé\xE7");
  CHECK(nfc("") == "");
}
