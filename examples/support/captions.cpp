#include "examples/support/captions.hpp"

#include <array>
#include <utility>

namespace tessera::examples {
namespace {

/// SplitMix64 (Steele, Lea & Flood 2014): as many words as a draw needs from the one it is given.
struct Words {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>((next() >> 32) * n >> 32); }
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// "a", "an", or nothing for what is many ("women holding hands", "grapes") or already has one.
std::string article(const std::string& name) {
  const std::string head = name.substr(0, name.find(':'));
  const std::string first = head.substr(0, head.find(' '));
  const std::string last = head.substr(head.rfind(' ') + 1);
  const auto many = [](const std::string& w) {
    return w.ends_with("s") && !w.ends_with("ss") && !w.ends_with("us") && !w.ends_with("is");
  };
  if (many(first) || many(last) || first == "people" || first == "women" || first == "men") return "";
  for (const char* vowel_spelled : {"uni", "use", "ufo", "eu", "one"}) {
    if (first.starts_with(vowel_spelled)) return "a ";
  }
  const bool vowel = first.starts_with("hour") || std::string("aeiou").find(first[0]) != std::string::npos;
  return vowel ? "an " : "a ";
}

/// The measure word that goes with a kind of thing; 個 goes with nearly all of them.
std::string measure(const Emoji& item, Language language, std::size_t choice) {
  const bool hant = language == Language::traditional;
  const std::string& name = item.name(language);
  if (choice == 0) return hant ? "一個" : "一个";
  if (item.subgroup.starts_with("animal")) return hant ? "一隻" : "一只";
  if (item.subgroup.ends_with("-flag") || item.subgroup == "flag") return "一面";
  if (item.subgroup == "food-fruit" || contains(name, "心") || contains(name, "星")) return hant ? "一顆" : "一颗";
  if (contains(name, "脸") || contains(name, "臉")) return hant ? "一張" : "一张";
  if (item.subgroup == "transport-ground") return hant ? "一輛" : "一辆";
  if (item.subgroup.starts_with("plant")) return hant ? "一朵" : "一朵";
  return hant ? "一個" : "一个";
}

/// "H: R" as a phrase: "woman running: dark skin tone" to "woman running with dark skin tone", "女跑者: 黑皮膚" to
/// "黑皮膚的女跑者", "flag: France" to "flag of france". What has no such form stays.
std::string phrase(const Emoji& item, Language language, const std::string& name) {
  const auto colon = name.find(": ");
  if (colon == std::string::npos) return name;
  const std::string head = name.substr(0, colon), rest = name.substr(colon + 2);
  if (item.subgroup.ends_with("-flag")) {
    if (language == Language::english) return "flag of " + rest;
    return rest + (language == Language::traditional ? "國旗" : "国旗");
  }
  if (item.group != "People & Body") return name;
  return language == Language::english ? head + " with " + rest : rest + "的" + head;
}

}  // namespace

std::string Captions::canonical(int item, Language language) const {
  return normalise((*items_)[static_cast<std::size_t>(item)].name(language));
}

std::string Captions::draw(int item, std::uint64_t random) const {
  Words words{random};
  const auto language = static_cast<Language>(words.below(languages));
  return draw(item, language, words.next());
}

std::string Captions::draw(int index, Language language, std::uint64_t random) const {
  Words words{random};
  const Emoji& item = (*items_)[static_cast<std::size_t>(index)];
  const bool english = language == Language::english;
  const std::string name = canonical(index, language);
  const std::size_t percent = words.below(100);
  if (percent < 70) return name;
  if (percent < 80) return (english ? article(name) : measure(item, language, words.below(2))) + name;
  if (percent < 90) {
    const std::string said = normalise(phrase(item, language, name));
    if (words.below(2) == 0) return said;
    if (!english) return measure(item, language, words.below(2)) + said;
    return (words.below(3) == 0 ? "the " : article(said)) + said;
  }
  if (percent < 97) {
    const auto& keywords = item.keywords[static_cast<std::size_t>(language)];
    if (keywords.empty()) return name;
    const std::string keyword = normalise(keywords[words.below(keywords.size())]);
    if (words.below(2) == 0) return name + ", " + keyword;
    return english ? keyword + " " + name : keyword + name;
  }
  if (english) return name + " emoji";
  return name + (language == Language::traditional ? "表情符號" : "表情符号");
}

std::vector<std::string> Captions::corpus() const {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < items_->size(); ++i) {
    for (const Language language : {Language::english, Language::simplified, Language::traditional}) {
      const std::string name = canonical(static_cast<int>(i), language);
      const bool english = language == Language::english;
      const std::string start = english ? " " : "";  // the space that the tokenizer puts before a first letter
      lines.push_back(start + name);
      lines.push_back(start + (english ? article(name) : measure((*items_)[i], language, i % 2)) + name);
      for (const std::string& keyword : (*items_)[i].keywords[static_cast<std::size_t>(language)]) {
        lines.push_back(start + normalise(keyword));
      }
    }
  }
  return lines;
}

}  // namespace tessera::examples
