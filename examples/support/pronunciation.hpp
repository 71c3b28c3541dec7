// English words and how they are said: the CMU Pronouncing Dictionary as Debian's pocketsphinx-en-us installs it, 125,000
// words in 39 phonemes without stress (ARPAbet), some words with several pronunciations.
//
//   abandon AH B AE N D AH N
//   abate(2) ...                  another pronunciation of `abate`
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::examples {

inline constexpr const char* pronunciation_file = "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict";

/// Unit 0 is none of them: letters and phonemes count from 1.
inline constexpr std::string_view spelling_letters = "abcdefghijklmnopqrstuvwxyz'-.";
inline constexpr const char* phoneme_names[] = {
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F",  "G", "HH", "IH", "IY", "JH", "K",
    "L",  "M",  "N",  "NG", "OW", "OY", "P", "R",  "S", "SH", "T",  "TH", "UH", "UW", "V", "W",  "Y",  "Z",  "ZH"};
inline constexpr std::int32_t letter_units = 30, phoneme_units = 40;  // with unit 0
inline constexpr std::size_t longest_spelling = 32, longest_pronunciation = 31;

using SpokenUnits = std::vector<std::int32_t>;

struct PronouncedWord {
  std::string word;
  SpokenUnits letters;
  std::vector<SpokenUnits> said;  // every listed pronunciation, the usual one first; at least one
};

struct PronouncingDictionary {
  std::vector<PronouncedWord> train, held_out;  // a tenth of the words is held out, by name: the same ones every time
  std::size_t passed_over = 0;                  // words of other characters or beyond the greatest lengths
};

/// In the file's order. Throws io_error: what to install where the file is missing, else the line that is none of
/// these.
PronouncingDictionary read_pronunciations(const std::string& path = pronunciation_file);
/// For tests that pass over where the package is not installed.
bool pronunciations_installed(const std::string& path = pronunciation_file);

/// The letters' units, capitals as small ones. Throws argument_error naming the character that is no letter.
SpokenUnits spelling_of(std::string_view word);
/// AH B AE N
std::string to_phonemes(std::span<const std::int32_t> units);
/// The fewest insertions, deletions and exchanges that make one from the other (Levenshtein, 1966).
std::size_t edit_distance(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

/// How wrong answers are: phonemes against the nearest listed pronunciation (the shorter of equally near ones), as a
/// share of its length; words as right only when they equal a listed one.
class PronunciationScore {
 public:
  void add(const PronouncedWord& word, std::span<const std::int32_t> answer);
  double phoneme_error() const {
    return phonemes_ == 0 ? 0 : static_cast<double>(edits_) / static_cast<double>(phonemes_);
  }
  double word_error() const { return words_ == 0 ? 0 : static_cast<double>(wrong_) / static_cast<double>(words_); }
  std::size_t words() const { return words_; }

 private:
  std::size_t words_ = 0, wrong_ = 0, phonemes_ = 0, edits_ = 0;
};

}  // namespace tessera::examples
