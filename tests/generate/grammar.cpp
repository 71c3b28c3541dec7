#include <tessera/generate/grammar_rule.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {
GrammarMatcher matcher(std::string_view text) {
  return GrammarMatcher(std::make_shared<const Grammar>(Grammar::parse(text)));
}
bool reads(std::string_view grammar, std::string_view text) {
  GrammarMatcher m = matcher(grammar);
  return m.accept(text) && m.may_end();
}
}  // namespace

TEST_CASE("a grammar reads what it says and nothing else", "[generate]") {
  constexpr auto number = R"(root ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)?   # a number)";
  for (const char* good : {"0", "-0", "12", "-305.25", "0.001"}) CHECK(reads(number, good));
  for (const char* bad : {"", "-", "01", "1.", ".5", "1e5", "1 "}) CHECK_FALSE(reads(number, bad));

  CHECK(reads("root ::= [ab]{2,3}", "ab"));
  CHECK(reads("root ::= [ab]{2,3}", "aba"));
  CHECK_FALSE(reads("root ::= [ab]{2,3}", "a"));
  CHECK_FALSE(reads("root ::= [ab]{2,3}", "abab"));
  CHECK(reads("root ::= \"x\"{2}", "xx"));
  CHECK(reads("root ::= \"x\"{2,}", "xxxxx"));
  CHECK_FALSE(reads("root ::= \"x\"{2,}", "x"));
  CHECK(reads("root ::= (\"ab\" | \"c\")+ \"!\"", "abcab!"));
  CHECK(reads("root ::= \"\\x41\\n\\\"\\\\\\u72d7\"", "A\n\"\\狗"));
  CHECK(reads("root ::= (\"a\" | \"b\" | \"c\" | \"d\")*", "dcba"));
  CHECK(reads("root ::= \"a\" (\"b\"\n  | \"c\")\n", "ac"));  // brackets may span lines
}

TEST_CASE("nested rules need a stack", "[generate]") {
  constexpr auto json = R"(
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (member ("," member)*)? "}"
member ::= string ":" value
array  ::= "[" (value ("," value)*)? "]"
string ::= "\"" [^"\\]* "\""
number ::= "-"? [0-9]+
)";
  CHECK(reads(json, R"({"a":[1,-2,{"b":null}],"狗":"貓"})"));
  CHECK(reads(json, "[[[[[[[[]]]]]]]]"));
  CHECK_FALSE(reads(json, "[[[]]"));
  CHECK_FALSE(reads(json, "[[]]]"));
  CHECK_FALSE(reads(json, R"({"a" 1})"));
  GrammarMatcher m = matcher(json);
  std::string deep(2000, '[');
  CHECK(m.accept(deep));
  CHECK_FALSE(m.may_end());
  CHECK(m.accept(std::string(2000, ']')));
  CHECK(m.finished());
}

TEST_CASE("classes hold characters, not bytes", "[generate]") {
  CHECK(reads("root ::= [一-龥]+", "狗貓"));
  CHECK_FALSE(reads("root ::= [一-龥]+", "a"));
  CHECK_FALSE(reads("root ::= .", "\x80"));
  CHECK(reads("root ::= .", "😀"));
  CHECK_FALSE(reads("root ::= .", "ab"));
  CHECK(reads("root ::= [^a-z]", "é"));
  CHECK(reads("root ::= [^a-z]", "\n"));
  CHECK_FALSE(reads("root ::= [^a-z]", "q"));
  // every character once: a range's bytes are exactly its own
  const auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= [\\u0370-\\uFFFD]"));
  const GrammarMatcher fresh(grammar);
  for (std::uint32_t c = 1; c < 0x11000; c += 7) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append_utf8(bytes, c);
    GrammarMatcher m = fresh;
    const bool read = m.accept(bytes) && m.may_end();
    if (read != (c >= 0x370 && c <= 0xFFFD)) FAIL("character " << c);
  }
}

TEST_CASE("a grammar that makes no sense is an error with its line", "[generate]") {
  const auto message = [](std::string_view text) {
    try {
      Grammar::parse(text, "my.gbnf");
    } catch (const io_error& e) { return std::string(e.what()); }
    return std::string("none");
  };
  const auto has = [&](std::string_view text, const char* part) {
    INFO(message(text));
    return message(text).find(part) != std::string::npos;
  };
  CHECK(has("a ::= \"x\"", "root"));
  CHECK(has("root ::= b", "rule b"));
  CHECK(has("root ::= \"x\"\nroot ::= \"y\"", "second root"));
  CHECK(has("root ::= \"x", "literal"));
  CHECK(has("root ::= [z-a]", "falls"));
  CHECK(has("root ::= (\"a\"", ")"));
  CHECK(has("root ::= \"a\"{3,1}", "greatest"));
  CHECK(has("root ::= \"a\"{99999999}", "100000"));
  CHECK(has("root ::= ((\"a\"{1000}){1000}){1000}", "2^20"));
  CHECK(has("root ::= root \"a\" | \"b\"", "left recursion"));
  CHECK(has("root ::= a\na ::= \"x\"? b\nb ::= a", "left recursion"));
  CHECK(has("root ::= (\"a\"?)*", "never empty"));
  CHECK(has("root ::= a*\na ::= \"x\"?", "never empty"));
  CHECK(has("\n\nroot = \"a\"", "line 3"));
  CHECK(has("root ::= \"\\q\"", "escape"));
  CHECK(has(std::string(1000, '('), "expected"));
  CHECK(has("root ::= " + std::string(1000, '('), "200"));
  CHECK(has("root ::= \"\xff\"", "UTF-8"));
}

TEST_CASE("a mask allows the units whose texts the grammar can read", "[generate]") {
  const std::vector<std::string> texts = {"a", "b", "ab", "abc", "ba", "", "aab", "狗", "\xE7"};
  auto units = std::make_shared<const UnitTexts>(texts);
  auto grammar = std::make_shared<const Grammar>(Grammar::parse("root ::= \"a\"+ \"b\" \"狗\"?"));
  GrammarRule rule(grammar, units);
  const auto allowed = [&](GrammarRule& r) {
    std::vector<float> logits(texts.size(), 0.0f);
    r.mask(logits);
    std::vector<Unit> which;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] == 0) which.push_back(static_cast<Unit>(i));
    }
    return which;
  };
  CHECK(allowed(rule) == std::vector<Unit>{0, 2, 6});
  rule.accept(2);
  CHECK(rule.may_end());
  CHECK(allowed(rule) == std::vector<Unit>{7, 8});  // the first byte of the character alone may come as well
  Constraint kept(rule.clone());
  rule.accept(7);
  CHECK(allowed(rule).empty());
  std::vector<float> logits(texts.size(), 0.0f);
  CHECK_FALSE(rule.mask(logits));
  CHECK(kept->mask(logits) == true);  // the copy stands where it stood
  CHECK_THROWS_AS(rule.accept(0), argument_error);
}

TEST_CASE("a mask agrees with trying every unit", "[generate]") {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 600; ++i) {
    std::string t;
    for (Index k = 0, n = 1 + Noise{9}.below(5, i); k < n; ++k)
      t += static_cast<char>('a' + Noise{9}.fork(i).below(3, static_cast<std::uint64_t>(k)));
    texts.push_back(t);
  }
  auto units = std::make_shared<const UnitTexts>(texts);
  auto grammar = std::make_shared<const Grammar>(
      Grammar::parse("root ::= (\"ab\" | \"ba\" inner | \"c\"){2,}\ninner ::= \"a\" inner \"b\" | \"c\""));
  GrammarMatcher m(grammar);
  GrammarRule rule(grammar, units);
  for (int step = 0; step < 12; ++step) {
    std::vector<float> logits(texts.size(), 0.0f);
    rule.mask(logits);
    Unit last = -1;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      GrammarMatcher trial = m;
      const bool reads = trial.accept(texts[i]);
      REQUIRE(reads == (logits[i] == 0));
      if (reads && (last < 0 || Noise{4}.below(3, i + 1000 * static_cast<std::uint64_t>(step)) == 0))
        last = static_cast<Unit>(i);
    }
    REQUIRE(last >= 0);
    rule.accept(last);
    REQUIRE(m.accept(texts[static_cast<std::size_t>(last)]));
  }
}

TEST_CASE("a grammar that can be read in many ways costs no more than its size", "[generate]") {
  // 2^40 ways through the empty parts, and a hundred thousand forks in a row.
  std::string choices = "x ::= \"a\"? | \"b\"?\nroot ::=";
  for (int i = 0; i < 40; ++i) choices += " x";
  CHECK(reads(choices, "abab"));
  CHECK_FALSE(reads(choices, "abc"));
  CHECK(reads("root ::= \"\"{0,100000} \"a\"", "a"));
  CHECK_THROWS_AS(matcher("root ::= (\"a\"?){5000}"), argument_error);
}

TEST_CASE("thousands of rules are checked at once", "[generate]") {
  const auto rule = [](int i) { return "r" + std::to_string(i); };
  std::string empty, looped;  // each may be empty only because the next may
  for (int i = 0; i < 4000; ++i) {
    const std::string line = rule(i) + " ::= " + rule(i + 1) + " " + rule(i + 1) + "\n";
    empty += line;
    looped += line;
  }
  empty += rule(4000) + " ::= \"x\"?\n";
  looped += rule(4000) + " ::= \"x\"? r0\n";
  CHECK_NOTHROW(Grammar::parse(empty + "root ::= \"a\" r0\n"));
  CHECK_THROWS_AS(Grammar::parse(empty + "root ::= (r0)*\n"), io_error);  // a loop that reads nothing
  CHECK_THROWS_AS(Grammar::parse(looped + "root ::= r0\n"), io_error);    // left recursion
}
