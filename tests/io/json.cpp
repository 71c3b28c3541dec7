#include <tessera/io/json.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/io/hostile.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

bool same(const Json& a, const nlohmann::json& b) {
  if (b.is_null()) return a.is_null();
  if (b.is_boolean()) return a == Json(b.get<bool>());
  if (b.is_string()) return a == Json(b.get<std::string>());
  if (b.is_number_unsigned() && b.get<std::uint64_t>() > 9223372036854775807ULL)
    return a.as<double>() == b.get<double>();
  if (b.is_number_integer()) return a == Json(b.get<std::int64_t>()) || a.as<double>() == b.get<double>();  // -0
  if (b.is_number()) return a.as<double>() == b.get<double>();
  if (b.is_array()) {
    if (!a.is_array() || a.elements().size() != b.size()) return false;
    for (std::size_t i = 0; i < b.size(); ++i) {
      if (!same(a.elements()[i], b[i])) return false;
    }
    return true;
  }
  if (!a.is_object() || a.members().size() != b.size()) return false;
  for (const auto& [key, value] : b.items()) {
    if (a.find(key) == nullptr || !same(a.at(key), value)) return false;
  }
  return true;
}

/// Ours and nlohmann's agree on whether this is JSON and on what it says. Ours alone rejects duplicate keys and byte
/// order marks and numbers that vanish.
void compare(const std::string& text) {
  const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
  INFO(printable(text, 400));
  try {
    const Json ours = Json::parse(text, "t");
    REQUIRE(!theirs.is_discarded());
    REQUIRE(same(ours, theirs));
    REQUIRE(Json::parse(ours.dump()) == ours);
    REQUIRE(same(ours, nlohmann::json::parse(ours.dump())));
  } catch (const io_error& e) {
    const std::string why = e.what();
    const bool stricter = why.find("a second one") != std::string::npos || text.substr(0, 3) == "\xEF\xBB\xBF" ||
                          why.find("a double can hold") != std::string::npos;
    INFO(why);
    if (!stricter) REQUIRE(theirs.is_discarded());
  }
}

}  // namespace

TEST_CASE("json: agrees with nlohmann on good texts and on every mutation of them", "[io][json]") {
  const std::vector<std::string> texts = {
      R"({"a": [1, -2.5e3, 0, -0, 1E+2, 0.1], "b": {"c": null, "d": true, "e": false}, "f": "x"})",
      "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u4e00\\uD83D\\uDc15 \xE4\xB8\x80 \xF0\x9F\x90\x95\"",
      "[9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809,1e308,5e-324]",
      " [ [ ] , { } , \"\" ] \n\t\r",
  };
  // A change to each byte, an insertion before each, a deletion of each, and a cut at each.
  const std::string put = "\"\\{}[]:,-+.eE0123456789 \n\ttrufalsn/x\x80\xE4\xF0";
  for (const std::string& text : texts) {
    compare(text);
    for (std::size_t at = 0; at < text.size(); ++at) {
      compare(text.substr(0, at));
      compare(text.substr(0, at) + text.substr(at + 1));
      for (const char c : put) {
        compare(text.substr(0, at) + c + text.substr(at + 1));
        compare(text.substr(0, at) + c + text.substr(at));
      }
    }
  }
  for (const char* text : {"",
                           " ",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "+1",
                           "NaN",
                           "tru",
                           "[1,]",
                           "{\"a\":1,}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "[1 2]",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\u12g4\"",
                           "\"\\x\"",
                           "\"\x01\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "1 1",
                           "// 1\n1",
                           "\xEF\xBB\xBF"
                           "1",
                           "'a'",
                           "1e999",
                           "-1e999"}) {
    compare(text);
    CHECK_THROWS_AS(Json::parse(text), io_error);
  }
  compare(std::string("\"a\0b\"", 5));
  CHECK_THROWS_AS(Json::parse(std::string_view("1\0", 2)), io_error);  // to nlohmann a NUL is the end
  compare("\"\\u0000\"");
}

TEST_CASE("json: duplicate keys, depth and size are bounded", "[io][json]") {
  CHECK(test::io_error_of([] { Json::parse(R"({"a": 1, "b": 2, "\u0061": 3})", "s.json"); }) ==
        "s.json: \"a\": expected it once, found a second one");
  CHECK_NOTHROW(Json::parse(std::string(64, '[') + std::string(64, ']')));
  CHECK(test::io_error_of([] { Json::parse(std::string(65, '[') + std::string(65, ']'), "s.json"); }) ==
        "s.json: byte 64: expected fewer levels of nesting, found \"[]]]]]]]]]]]]]]]\"");
  CHECK_THROWS_AS(Json::parse(std::string(10000000, '[')), io_error);
  CHECK_NOTHROW(Json::parse("[[1]]", "s", {.depth = 2}));
  CHECK_THROWS_AS(Json::parse("[[1]]", "s", {.depth = 1}), io_error);
  std::string zeros = "[0";
  for (int i = 0; i < 100000; ++i) zeros += ",0";
  zeros += ']';
  CHECK(test::io_error_of([&] { Json::parse(zeros, "s.json"); }) ==
        "s.json: size: expected fewer values, or a higher JsonLimits::values, found too many");
  CHECK(Json::parse(zeros, "s.json", {.values = 200000}).elements().size() == 100001);
  CHECK(test::io_error_of([] { Json::parse("[1e999]", "s.json"); }) ==
        "s.json: number: expected one that a double can hold, found \"1e999\"");
}

TEST_CASE("json: values are made, written and asked for", "[io][json]") {
  Json settings;
  settings.set("steps", 30)
      .set("prompt", "a \"red\"\n心")
      .set("scale", 7.0)
      .set("seed", std::uint32_t{42})
      .set("steps", 31);
  Json list;
  list.push(true).push(Json()).push(0.1);
  settings.set("list", list);
  settings.set("empty", Json::object());
  const std::string text = settings.dump();
  CHECK(
      text ==
      R"({"empty": {}, "list": [true, null, 0.1], "prompt": "a \"red\"\n心", "scale": 7.0, "seed": 42, "steps": 31})");
  const Json back = Json::parse(text);
  CHECK(back == settings);
  CHECK(back.get<std::int64_t>("steps") == 31);
  CHECK(back.get<double>("steps") == 31.0);
  CHECK(back.get<std::string>("prompt") == "a \"red\"\n心");
  CHECK(back.get<std::int64_t>("width", 32) == 32);
  CHECK(back.at("list").elements()[0].as<bool>());
  CHECK(test::io_error_of([&] { back.get<std::int64_t>("scale"); }) ==
        "JSON: \"scale\": expected a whole number, found a number");
  CHECK(test::io_error_of([&] { back.get<bool>("width"); }) ==
        "JSON: \"width\": expected it to be there, found no such member");
  CHECK(test::io_error_of([&] { back.get<std::string>("seed"); }) ==
        "JSON: \"seed\": expected a string, found a whole number");
  CHECK_THROWS_AS(Json(1e308 * 10).dump(), argument_error);
  CHECK_THROWS_AS(Json("\xff").dump(), argument_error);
  CHECK_THROWS_AS(Json(~std::uint64_t{0}), argument_error);
}
