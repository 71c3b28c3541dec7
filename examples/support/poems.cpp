#include "examples/support/poems.hpp"

#include <sys/stat.h>

#include <set>

#include <tessera/io/file.hpp>
#include <tessera/io/text.hpp>

namespace tessera::examples {

namespace {

bool is_han(std::uint32_t code) { return code >= 0x4E00 && code <= 0x9FFF; }
bool is_mark(std::string_view c) {
  for (const char* mark : {"，", "。", "？", "！", "；", "：", "、"}) {
    if (c == mark) return true;
  }
  return false;
}

/// Without the colours, ESC [ ... m.
std::string without_colours(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::vector<std::string> split(std::string_view text, std::string_view at) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    const std::size_t end = text.find(at, from);
    parts.emplace_back(text.substr(from, end == text.npos ? text.npos : end - from));
    if (end == text.npos) return parts;
    from = end + at.size();
  }
}

std::vector<std::string> read_fortunes(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    throw_io(path, "", "the poems of Debian's fortunes-zh (apt-get install fortunes-zh)", "no such file");
  const Bytes bytes = read_file(path, 1U << 24);
  if (!valid_utf8(as_text(bytes))) throw_io(path, "", "UTF-8", "something else");
  return split("\n" + without_colours(as_text(bytes)), "\n%");
}

std::string without_spaces(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r') plain += c;
  }
  return plain;
}

/// A couplet of two lines of n characters each: n, or 0.
Index couplet_width(std::string_view line) {
  for (const Index n : {Index{5}, Index{7}}) {
    if (has_form(line, {"", 2, n})) return n;
  }
  return 0;
}

std::string record(const char* form, const std::vector<std::string>& couplets, std::size_t from, std::size_t to) {
  std::string text = std::string(form) + "：";
  for (std::size_t i = from; i < to; ++i) text += couplets[i];
  return text + "\n";
}

/// What is left of a fortune when its title, author and headings are off: couplets, or nothing when it is more than
/// that.
std::vector<std::string> couplets_of(const std::string& fortune) {
  std::vector<std::string> couplets;
  for (const std::string& raw : split(fortune, "\n")) {
    const std::string line = without_spaces(raw);
    if (line.empty() || line.find("《") != line.npos || line.starts_with("作者") || line.starts_with("其")) continue;
    if (couplet_width(line) == 0) return {};
    couplets.push_back(line);
  }
  return couplets;
}

}  // namespace

std::vector<std::string> verse_lines(std::string_view verse) {
  std::vector<std::string> lines(1);
  for (std::size_t at = 0; at < verse.size();) {
    const Utf8 c = utf8_at(verse, at);
    if (c.length == 0) return {};
    const std::string_view text = verse.substr(at, c.length);
    at += c.length;
    if (is_han(c.code)) {
      lines.back() += text;
    } else if (is_mark(text) && !lines.back().empty()) {
      lines.emplace_back();
    } else {
      return {};
    }
  }
  if (!lines.back().empty()) return {};  // no mark at its end
  lines.pop_back();
  return lines;
}

bool has_form(std::string_view verse, const VerseForm& form) {
  const std::vector<std::string> lines = verse_lines(verse);
  if (lines.empty() || (form.lines > 0 && static_cast<Index>(lines.size()) != form.lines)) return false;
  for (const std::string& line : lines) {
    if (static_cast<Index>(line.size()) != 3 * form.characters) return false;  // three bytes a character
  }
  return true;
}

PoemSet read_poems(const std::string& folder) {
  PoemSet set;
  std::set<std::string> seen, known;  // couplets; characters
  std::size_t regulated = 0;
  for (const char* name : {"tang300", "song100"}) {
    for (const std::string& fortune : read_fortunes(folder, name)) {
      const std::vector<std::string> couplets = couplets_of(fortune);
      if (couplets.empty()) continue;
      const Index width = couplet_width(couplets[0]);
      bool even = true;
      for (const std::string& c : couplets) {
        even = even && couplet_width(c) == width;
        seen.insert(c);
        for (const std::string& line : verse_lines(c)) {
          for (std::size_t i = 0; i < line.size(); i += 3) known.insert(line.substr(i, 3));
        }
      }
      if (!even) continue;
      const auto lines = static_cast<Index>(2 * couplets.size());
      const char* form = nullptr;
      for (const VerseForm& f : regulated_forms) {
        if (f.lines == lines && f.characters == width) form = f.name;
      }
      if (form) {
        (regulated++ % 10 == 9 ? set.held_out : set.poems).push_back(record(form, couplets, 0, couplets.size()));
        continue;
      }
      constexpr std::size_t piece = 4;  // couplets: as long as a lushi
      for (std::size_t i = 0; i < couplets.size(); i += piece)
        set.others.push_back(record(width == 5 ? "五古" : "七古", couplets, i, std::min(i + piece, couplets.size())));
    }
  }
  // Quoted couplets, as far as they are in characters the poems know and not in a poem itself: one may be held out.
  for (const std::string& fortune : read_fortunes(folder, "chinese")) {
    for (const std::string& raw : split(fortune, "\n")) {
      const std::string line = without_spaces(raw);
      const Index width = couplet_width(line);
      bool fits = width != 0 && !seen.contains(line);
      for (const std::string& half : fits ? verse_lines(line) : std::vector<std::string>()) {
        for (std::size_t i = 0; i < half.size(); i += 3) fits = fits && known.contains(half.substr(i, 3));
        for (const std::string& poem : set.held_out) fits = fits && poem.find(half) == poem.npos;
      }
      if (fits && seen.insert(line).second) set.others.push_back(record(width == 5 ? "五联" : "七联", {line}, 0, 1));
    }
  }
  return set;
}

}  // namespace tessera::examples
