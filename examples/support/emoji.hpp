// The emoji that install from Debian, as a data set: small pictures with names and keywords in three languages.
//
//   pictures   fonts-noto-color-emoji   136 x 128 colour bitmaps (CBDT), by FreeType; sequences to glyphs by HarfBuzz
//   which      unicode-data             emoji-test.txt: every fully-qualified sequence with its group
//   names      unicode-cldr-core        annotations and annotationsDerived in en, zh and zh_Hant
//
// A picture is composited on white and cropped to the centred square of 128 x 128 (the font leaves the four outer columns
// at either side to spacing), then averaged over equal areas. The average is taken of sRGB values as stored, not of
// linear light: outlines stay as dark as the artists drew them, which is what the eye expects of icons this small.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

enum class Language : int { english, simplified, traditional };  // en, zh, zh_Hant
inline constexpr int languages = 3;

struct Emoji {
  std::string sequence;                      // UTF-8, fully qualified: "👋🏿"
  std::string code;                          // "1F44B 1F3FF"
  std::array<std::string, languages> names;  // "waving hand: dark skin tone", "挥手: 较深肤色", ...
  std::array<std::vector<std::string>, languages> keywords;  // without the name itself
  std::string group, subgroup;                               // "People & Body", "hand-fingers-open"
  std::string base;                                          // the English name without skin tones: "waving hand"
  std::string tone;                                          // "dark skin tone"; two of them for some couples; or ""

  const std::string& name(Language language) const { return names[static_cast<std::size_t>(language)]; }
};

struct EmojiSet {
  std::vector<Emoji> items;       // in the order of emoji-test.txt
  Tensor<std::uint8_t> pictures;  // [N, side, side, 3]
};

struct EmojiOptions {
  int side = 32;        // 1 to 128 pixels
  bool flags = true;    // 261 flags of countries and regions
  bool keycaps = true;  // 13 keys: 0 to 10, # and *
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";
  std::string names = "/usr/share/unicode/cldr/common";  // the folder that holds annotations/ and annotationsDerived/
};

/// Everything at once, in about half a second. Throws io_error, naming the package to install, if a file is missing.
EmojiSet read_emoji(const EmojiOptions& options = {});

struct Split {
  std::vector<int> train, held_out;  // indices into items, ascending
};

/// Holds out whole combinations: of about a third of the names that come in five skin tones, one tone is kept
/// back, so that both the name (in other tones) and the tone (on other names) are seen, but never together. Which ones
/// follows from a fixed hash of base and tone alone: not from the order of the files, nor from what else is in the set.
Split split_emoji(const std::vector<Emoji>& items);

}  // namespace tessera::examples
