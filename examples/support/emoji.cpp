#include "examples/support/emoji.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <pugixml.hpp>
#include <tuple>
#include <unordered_map>

#include <tessera/core/error.hpp>

#include "examples/support/emoji_font.hpp"

namespace tessera::examples {
namespace {

[[noreturn]] void missing(const std::string& file, const char* package) {
  throw io_error("emoji: cannot read " + file + "; to install it: apt-get install " + package);
}

// ---- which emoji there are ----------------------------------------------------------------------------------------

std::string utf8(char32_t c) {
  const auto byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// The data files name a sequence without its variation selectors (U+FE0F, "show this as a picture").
std::string key(const std::string& sequence) {
  std::string out;
  for (std::size_t i = 0; i < sequence.size();) {
    if (sequence.compare(i, 3, "\xEF\xB8\x8F") == 0) {
      i += 3;
    } else {
      out += sequence[i++];
    }
  }
  return out;
}

/// Lines read `1F44B 1F3FF ; fully-qualified # 👋🏿 E1.0 waving hand: dark skin tone` or `# group: People & Body`.
std::vector<Emoji> read_list(const EmojiOptions& options) {
  std::ifstream in(options.list);
  if (!in) missing(options.list, "unicode-data");
  std::vector<Emoji> items;
  std::string group, subgroup, line;
  while (std::getline(in, line)) {
    if (line.starts_with("# group: ")) group = trimmed(line.substr(9));
    if (line.starts_with("# subgroup: ")) subgroup = trimmed(line.substr(12));
    const auto semicolon = line.find(';');
    if (line.starts_with("#") || semicolon == std::string::npos) continue;
    if (line.find("fully-qualified", semicolon) != line.find_first_not_of(' ', semicolon + 1)) continue;
    if (!options.flags && (subgroup == "country-flag" || subgroup == "subdivision-flag")) continue;
    if (!options.keycaps && subgroup == "keycap") continue;
    Emoji item;
    item.code = trimmed(line.substr(0, semicolon));
    item.group = group;
    item.subgroup = subgroup;
    for (std::size_t at = 0; at < item.code.size();) {
      char32_t c = 0;
      for (; at < item.code.size() && item.code[at] != ' '; ++at) {
        const auto digit = std::string("0123456789ABCDEF").find(item.code[at]);
        c = c * 16 + static_cast<char32_t>(digit);
        if (digit == std::string::npos || c > 0x10FFFF) {
          throw io_error("emoji: " + options.list + ": expected hexadecimal code points, found \"" + item.code + "\"");
        }
      }
      item.sequence += utf8(c);
      ++at;
    }
    items.push_back(std::move(item));
  }
  return items;
}

// ---- what they are called -----------------------------------------------------------------------------------------

struct Words {
  std::string name;
  std::vector<std::string> keywords;
};

/// `<annotation cp="🐕">dog | pet</annotation> <annotation cp="🐕" type="tts">dog</annotation>`
std::unordered_map<std::string, Words> read_words(const std::string& folder, const std::string& language) {
  std::unordered_map<std::string, Words> all;
  for (const char* part : {"/annotations/", "/annotationsDerived/"}) {
    const std::string file = folder + part + language + ".xml";
    if (!std::ifstream(file)) missing(file, "unicode-cldr-core");
    pugi::xml_document document;
    const auto result = document.load_file(file.c_str());
    if (!result) {
      throw io_error("emoji: " + file + ": expected XML, found at byte " + std::to_string(result.offset) + ": " +
                     result.description());
    }
    for (const auto node : document.child("ldml").child("annotations").children("annotation")) {
      Words& words = all[key(node.attribute("cp").value())];
      const std::string text = node.text().get();
      if (text == "↑↑↑") continue;  // "as in the parent language"
      if (std::string(node.attribute("type").value()) == "tts") {
        words.name = trimmed(text);
        continue;
      }
      for (std::size_t from = 0; from <= text.size();) {
        const auto to = std::min(text.find('|', from), text.size());
        if (auto word = trimmed(text.substr(from, to - from)); !word.empty()) words.keywords.push_back(std::move(word));
        from = to + 1;
      }
    }
  }
  for (auto& entry : all) std::erase(entry.second.keywords, entry.second.name);
  return all;
}

/// "man: dark skin tone, red hair" is the base "man: red hair" in the tone "dark skin tone".
void split_name(Emoji& item) {
  const std::string& name = item.name(Language::english);
  const auto colon = name.find(": ");
  item.base = name.substr(0, colon);
  if (colon == std::string::npos) return;
  std::string rest;
  for (std::size_t from = colon + 2; from <= name.size();) {
    const auto to = std::min(name.find(", ", from), name.size());
    const std::string part = name.substr(from, to - from);
    std::string& list = part.ends_with("skin tone") ? item.tone : rest;
    list += (list.empty() ? "" : ", ") + part;
    from = to + 2;
  }
  if (!rest.empty()) item.base += ": " + rest;
}

std::uint64_t hash(const std::string& text) {  // FNV-1a, 64 bits, then the finish of SplitMix64 to mix the high bits
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9u;
  h = (h ^ h >> 27) * 0x94D049BB133111EBu;
  return h ^ h >> 31;
}

}  // namespace

EmojiSet read_emoji(const EmojiOptions& options) {
  std::vector<Emoji> listed = read_list(options), items;
  const std::array words = {read_words(options.names, "en"), read_words(options.names, "zh"),
                            read_words(options.names, "zh_Hant")};
  for (Emoji& item : listed) {
    bool named = true;
    for (std::size_t l = 0; l < languages; ++l) {
      const auto found = words[l].find(key(item.sequence));
      named = named && found != words[l].end() && !found->second.name.empty();
      if (!named) break;
      item.names[l] = found->second.name;
      item.keywords[l] = found->second.keywords;
    }
    if (!named) continue;
    split_name(item);
    items.push_back(std::move(item));
  }

  std::vector<std::string> sequences;
  for (const Emoji& item : items) sequences.push_back(item.sequence);
  const std::vector<std::uint32_t> found = find_glyphs(options.font, sequences);
  EmojiSet set;
  std::vector<std::uint32_t> glyphs;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (found[i] == 0) continue;  // the font is older than the list
    set.items.push_back(std::move(items[i]));
    glyphs.push_back(found[i]);
  }
  set.pictures = draw_glyphs(options.font, glyphs, options.side);
  return set;
}

Split split_emoji(const std::vector<Emoji>& items) {
  std::map<std::string, std::vector<int>> toned;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].tone.empty()) toned[items[i].base].push_back(static_cast<int>(i));
  }
  std::vector<char> held(items.size(), 0);
  for (const auto& [base, members] : toned) {
    if (members.size() < 5 || hash("base " + base) % 3 != 0) continue;
    const auto rank = [&items](int i) {
      const Emoji& e = items[static_cast<std::size_t>(i)];
      return std::tuple(hash("tone " + e.base + "\n" + e.tone), e.tone);
    };
    const int chosen =
        *std::min_element(members.begin(), members.end(), [&](int a, int b) { return rank(a) < rank(b); });
    held[static_cast<std::size_t>(chosen)] = 1;
  }
  Split split;
  for (std::size_t i = 0; i < items.size(); ++i) {
    (held[i] ? split.held_out : split.train).push_back(static_cast<int>(i));
  }
  return split;
}

}  // namespace tessera::examples
