// Chinese verse from Debian's fortunes-zh: 300 Tang and 100 Song poems, and couplets that people quote.
//
// Regulated verse (jintishi) fixes the size of a poem: a jueju has four lines and a lushi eight, all of five or all of seven
// characters. A poem is one line of text here, its form in front:
//
//   五绝：红豆生南国，春来发几枝。愿君多采撷，此物最相思。
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/index.hpp>

namespace tessera::examples {

struct VerseForm {
  const char* name;  // what a poem of it begins with
  Index lines;       // 0: any number
  Index characters;  // a line
};

inline constexpr std::array<VerseForm, 4> regulated_forms = {
    {{"五绝", 4, 5}, {"七绝", 4, 7}, {"五律", 8, 5}, {"七律", 8, 7}}};
/// Pieces of older, longer poems and single couplets: they teach words, not sizes.
inline constexpr std::array<VerseForm, 4> other_forms = {
    {{"五古", 0, 5}, {"七古", 0, 7}, {"五联", 2, 5}, {"七联", 2, 7}}};

/// The lines of a verse, without the marks after them; empty when it is not lines of Chinese characters, each with a
/// mark.
std::vector<std::string> verse_lines(std::string_view verse);

/// Whether `verse` is what the form says: so many lines of so many characters, every second one at the end of a
/// sentence's half.
bool has_form(std::string_view verse, const VerseForm& form);

struct PoemSet {
  std::vector<std::string> poems;     // regulated ones: "五绝：...\n"
  std::vector<std::string> held_out;  // one regulated poem in ten
  std::vector<std::string> others;    // the rest, of other_forms
};

/// From tang300, song100 and chinese in the folder. Throws io_error that says what to install when they are not there.
PoemSet read_poems(const std::string& folder = "/usr/share/games/fortunes");

}  // namespace tessera::examples
