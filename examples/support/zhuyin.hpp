// Mandarin syllables, written in zhuyin (ㄇㄚˇ, or ㄇㄚ3) or in pinyin (ma3), taken apart into what they are made of.
//
// Tones: 1 high, 2 rising, 3 low, 4 falling, 5 neutral. In zhuyin the marks are none, ˊ, ˇ, ˋ and ˙.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::examples {

struct Syllable {
  int initial = 0;  // 0: none; 1 ... 21: ㄅ ... ㄙ
  int medial = 0;   // 0: none; 1 ... 3: ㄧ ㄨ ㄩ
  int final = 0;    // 0: none; 1 ... 13: ㄚ ... ㄦ
  int tone = 1;     // 1 ... 5

  static constexpr std::array<int, 4> counts = {22, 4, 14, 6};
  friend bool operator==(const Syllable&, const Syllable&) = default;
};

/// ㄇㄚˇ, ㄇㄚ3, ˙ㄇㄚ; without a mark it is tone 1. Nothing for what is no syllable.
std::optional<Syllable> syllable_from_zhuyin(std::string_view text);
/// ma3, lü4, lv4, shuang1, er2; without a number it is tone 5. Nothing for what is no syllable.
std::optional<Syllable> syllable_from_pinyin(std::string_view text);
/// ㄇㄚˇ
std::string to_zhuyin(const Syllable& syllable);

/// Syllables between spaces, of either kind. Throws argument_error naming the first that is none.
std::vector<Syllable> read_syllables(std::string_view text);

}  // namespace tessera::examples
