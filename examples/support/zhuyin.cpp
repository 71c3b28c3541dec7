#include "examples/support/zhuyin.hpp"

#include <span>

#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>

namespace tessera::examples {

namespace {

constexpr std::string_view initials[] = {"ㄅ", "ㄆ", "ㄇ", "ㄈ", "ㄉ", "ㄊ", "ㄋ", "ㄌ", "ㄍ", "ㄎ", "ㄏ",
                                         "ㄐ", "ㄑ", "ㄒ", "ㄓ", "ㄔ", "ㄕ", "ㄖ", "ㄗ", "ㄘ", "ㄙ"};
constexpr std::string_view medials[] = {"ㄧ", "ㄨ", "ㄩ"};
constexpr std::string_view finals[] = {"ㄚ", "ㄛ", "ㄜ", "ㄝ", "ㄞ", "ㄟ", "ㄠ", "ㄡ", "ㄢ", "ㄣ", "ㄤ", "ㄥ", "ㄦ"};
constexpr std::string_view marks[] = {"", "ˊ", "ˇ", "ˋ", "˙"};

/// Takes the first of `names` that `text` begins with off it; its number from 1, or 0.
template <std::size_t N>
int take(std::string_view& text, const std::string_view (&names)[N]) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i].empty() || !text.starts_with(names[i])) continue;
    text.remove_prefix(names[i].size());
    return static_cast<int>(i) + 1;
  }
  return 0;
}

// Pinyin's initials in zhuyin's order; those of two letters are looked for first.
constexpr std::string_view pinyin_initials[] = {"b", "p", "m", "f",  "d",  "t",  "n", "l", "g", "k", "h",
                                                "j", "q", "x", "zh", "ch", "sh", "r", "z", "c", "s"};

struct Ending {
  std::string_view pinyin, zhuyin;
};
// What follows an initial.
constexpr Ending endings[] = {
    {"a", "ㄚ"},     {"o", "ㄛ"},      {"e", "ㄜ"},     {"ai", "ㄞ"},    {"ei", "ㄟ"},     {"ao", "ㄠ"},
    {"ou", "ㄡ"},    {"an", "ㄢ"},     {"en", "ㄣ"},    {"ang", "ㄤ"},   {"eng", "ㄥ"},    {"i", "ㄧ"},
    {"ia", "ㄧㄚ"},  {"io", "ㄧㄛ"},   {"ie", "ㄧㄝ"},  {"iao", "ㄧㄠ"}, {"iu", "ㄧㄡ"},   {"ian", "ㄧㄢ"},
    {"in", "ㄧㄣ"},  {"iang", "ㄧㄤ"}, {"ing", "ㄧㄥ"}, {"u", "ㄨ"},     {"ua", "ㄨㄚ"},   {"uo", "ㄨㄛ"},
    {"uai", "ㄨㄞ"}, {"ui", "ㄨㄟ"},   {"uan", "ㄨㄢ"}, {"un", "ㄨㄣ"},  {"uang", "ㄨㄤ"}, {"ong", "ㄨㄥ"},
    {"v", "ㄩ"},     {"ve", "ㄩㄝ"},   {"van", "ㄩㄢ"}, {"vn", "ㄩㄣ"},  {"iong", "ㄩㄥ"},
};
// Syllables without an initial, which pinyin spells in their own way.
constexpr Ending alone[] = {
    {"a", "ㄚ"},     {"o", "ㄛ"},      {"e", "ㄜ"},      {"eh", "ㄝ"},    {"ai", "ㄞ"},     {"ei", "ㄟ"},
    {"ao", "ㄠ"},    {"ou", "ㄡ"},     {"an", "ㄢ"},     {"en", "ㄣ"},    {"ang", "ㄤ"},    {"eng", "ㄥ"},
    {"er", "ㄦ"},    {"yi", "ㄧ"},     {"ya", "ㄧㄚ"},   {"yo", "ㄧㄛ"},  {"ye", "ㄧㄝ"},   {"yai", "ㄧㄞ"},
    {"yao", "ㄧㄠ"}, {"you", "ㄧㄡ"},  {"yan", "ㄧㄢ"},  {"yin", "ㄧㄣ"}, {"yang", "ㄧㄤ"}, {"ying", "ㄧㄥ"},
    {"wu", "ㄨ"},    {"wa", "ㄨㄚ"},   {"wo", "ㄨㄛ"},   {"wai", "ㄨㄞ"}, {"wei", "ㄨㄟ"},  {"wan", "ㄨㄢ"},
    {"wen", "ㄨㄣ"}, {"wang", "ㄨㄤ"}, {"weng", "ㄨㄥ"}, {"yu", "ㄩ"},    {"yue", "ㄩㄝ"},  {"yuan", "ㄩㄢ"},
    {"yun", "ㄩㄣ"}, {"yong", "ㄩㄥ"},
};

template <std::size_t N>
std::string_view zhuyin_of(std::string_view pinyin, const Ending (&table)[N]) {
  for (const Ending& e : table) {
    if (e.pinyin == pinyin) return e.zhuyin;
  }
  return {};
}

}  // namespace

std::optional<Syllable> syllable_from_zhuyin(std::string_view text) {
  Syllable s;
  if (text.starts_with("˙")) {  // the neutral tone's mark is written first by some
    s.tone = 5;
    text.remove_prefix(std::string_view("˙").size());
  }
  s.initial = take(text, initials);
  s.medial = take(text, medials);
  s.final = take(text, finals);
  if (s.initial == 0 && s.medial == 0 && s.final == 0) return std::nullopt;
  if (const int mark = take(text, marks)) {
    s.tone = mark;
  } else if (text.size() == 1 && text[0] >= '1' && text[0] <= '5') {
    s.tone = text[0] - '0';
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(s) : std::nullopt;
}

std::optional<Syllable> syllable_from_pinyin(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("ü") || text.substr(i).starts_with("Ü")) {
      plain += 'v';
      ++i;
    } else {
      plain += text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    }
  }
  int tone = 5;
  if (!plain.empty() && plain.back() >= '1' && plain.back() <= '5') {
    tone = plain.back() - '0';
    plain.pop_back();
  }
  std::string zhuyin(zhuyin_of(plain, alone));
  if (zhuyin.empty()) {
    std::size_t best = std::size(pinyin_initials);
    for (std::size_t i = 0; i < std::size(pinyin_initials); ++i) {
      const bool longer =
          best == std::size(pinyin_initials) || pinyin_initials[i].size() > pinyin_initials[best].size();
      if (std::string_view(plain).starts_with(pinyin_initials[i]) && longer) best = i;
    }
    if (best == std::size(pinyin_initials)) return std::nullopt;
    const std::string_view initial = pinyin_initials[best];
    std::string rest = plain.substr(initial.size());
    const bool palatal = initial == "j" || initial == "q" || initial == "x";
    const bool sibilant = best >= 14;                     // zh ch sh r z c s
    if (palatal && rest.starts_with('u')) rest[0] = 'v';  // ju is ㄐㄩ
    const bool liquid = initial == "n" || initial == "l";
    if (liquid && rest == "ue") rest = "ve";
    if (rest.starts_with('v') && !palatal && !liquid) return std::nullopt;  // no other sounds go with ü
    if (palatal && !rest.starts_with('v') && !rest.starts_with('i')) return std::nullopt;
    const std::string_view ending = sibilant && rest == "i" ? std::string_view() : zhuyin_of(rest, endings);
    if (ending.empty() && !(sibilant && rest == "i")) return std::nullopt;  // zhi is ㄓ
    zhuyin = std::string(initials[best]) + std::string(ending);
  }
  auto s = syllable_from_zhuyin(zhuyin);
  if (s) s->tone = tone;
  return s;
}

std::string to_zhuyin(const Syllable& s) {
  const auto at = [](std::span<const std::string_view> names, int i) {
    return i > 0 ? std::string(names[static_cast<std::size_t>(i) - 1]) : std::string();
  };
  return at(initials, s.initial) + at(medials, s.medial) + at(finals, s.final) + at(marks, s.tone);
}

std::vector<Syllable> read_syllables(std::string_view text) {
  std::vector<Syllable> syllables;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(" \t\r\n,");
    const std::string_view word = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (word.empty()) continue;
    auto s = syllable_from_zhuyin(word);
    if (!s) s = syllable_from_pinyin(word);
    if (!s)
      throw argument_error(quoted(word, 40) +
                           " is no syllable; write zhuyin, as in ㄋㄧˇ, or pinyin with the tone's number, as in ni3");
    syllables.push_back(*s);
  }
  return syllables;
}

}  // namespace tessera::examples
