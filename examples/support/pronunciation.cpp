#include "examples/support/pronunciation.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <unordered_map>

#include <tessera/io/file.hpp>
#include <tessera/io/text.hpp>

namespace tessera::examples {

namespace {

/// FNV-1a: which words are held out must not depend on the machine or the library.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t\r", begin), line.size());
    fields.push_back(line.substr(begin, at - begin));
  }
  return fields;
}

/// abate(2) -> abate
std::string_view without_number(std::string_view word) {
  if (word.empty() || word.back() != ')') return word;
  const std::size_t open = word.rfind('(');
  if (open == std::string_view::npos || open == 0 || open + 2 > word.size() - 1) return word;
  for (const char c : word.substr(open + 1, word.size() - open - 2)) {
    if (c < '0' || c > '9') return word;
  }
  return word.substr(0, open);
}

std::int32_t phoneme_named(std::string_view name) {
  for (std::int32_t i = 1; i < phoneme_units; ++i) {
    if (name == phoneme_names[i - 1]) return i;
  }
  return 0;
}

bool spelled_with_letters(std::string_view word) {
  return word.find_first_not_of(spelling_letters) == std::string_view::npos;
}

}  // namespace

bool pronunciations_installed(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

PronouncingDictionary read_pronunciations(const std::string& path) {
  if (!pronunciations_installed(path))
    throw io_error(printable(path, 400) + ": not there; on Debian: apt-get install pocketsphinx-en-us");
  const Bytes bytes = read_file(path, std::uint64_t{1} << 26);
  const std::string_view text = as_text(bytes);
  std::vector<PronouncedWord> words;
  std::unordered_map<std::string_view, std::size_t> known;
  PronouncingDictionary all;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto fields = fields_of(text.substr(at, end - at));
    at = end + 1;
    ++number;
    if (fields.empty()) continue;
    const std::string line = "line " + std::to_string(number);
    if (fields.size() < 2) throw_io(path, line, "a word and its phonemes", quoted(fields[0], 40) + " alone");
    SpokenUnits said;
    for (std::size_t i = 1; i < fields.size(); ++i) {
      said.push_back(phoneme_named(fields[i]));
      if (said.back() == 0) throw_io(path, line, "one of the 39 phonemes, AA to ZH", quoted(fields[i], 40));
    }
    const std::string_view word = without_number(fields[0]);
    if (!spelled_with_letters(word) || word.size() > longest_spelling || said.size() > longest_pronunciation) {
      ++all.passed_over;
      continue;
    }
    const auto [place, fresh] = known.emplace(word, words.size());
    if (fresh) words.push_back({std::string(word), spelling_of(word), {}});
    auto& listed = words[place->second].said;
    if (std::find(listed.begin(), listed.end(), said) == listed.end()) listed.push_back(std::move(said));
  }
  if (words.empty()) throw_io(path, "", "words and their phonemes", "none");
  for (PronouncedWord& w : words) {
    auto& side = hash_of(w.word) % 10 == 0 ? all.held_out : all.train;
    side.push_back(std::move(w));
  }
  return all;
}

SpokenUnits spelling_of(std::string_view word) {
  SpokenUnits units;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char small = word[i] >= 'A' && word[i] <= 'Z' ? static_cast<char>(word[i] - 'A' + 'a') : word[i];
    const std::size_t place = spelling_letters.find(small);
    if (place == std::string_view::npos) {
      const std::size_t length = utf8_at(word, i).length;
      throw argument_error("spelling: " + quoted(word.substr(i, length == 0 ? 1 : length), 40) + " in " +
                           quoted(word, 40) + " is no letter; wanted a to z, ', - and .");
    }
    units.push_back(static_cast<std::int32_t>(place) + 1);
  }
  return units;
}

std::string to_phonemes(std::span<const std::int32_t> units) {
  std::string text;
  for (const std::int32_t u : units) {
    if (u < 1 || u >= phoneme_units) throw argument_error("phonemes: unit " + std::to_string(u) + " is not in [1, 40)");
    text += (text.empty() ? "" : " ") + std::string(phoneme_names[u - 1]);
  }
  return text;
}

std::size_t edit_distance(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  std::vector<std::size_t> row(b.size() + 1);  // distances of a[0 .. i) to every beginning of b
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t exchanged = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({exchanged, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

void PronunciationScore::add(const PronouncedWord& word, std::span<const std::int32_t> answer) {
  std::size_t nearest = 0, length = 0;
  for (std::size_t i = 0; i < word.said.size(); ++i) {
    const std::size_t distance = edit_distance(word.said[i], answer), n = word.said[i].size();
    if (i == 0 || distance < nearest || (distance == nearest && n < length)) nearest = distance, length = n;
  }
  ++words_;
  wrong_ += nearest > 0 ? 1 : 0;
  edits_ += nearest;
  phonemes_ += length;
}

}  // namespace tessera::examples
