// What the pre-tokenisers ask of a character, and the composed form (NFC) of a text. The data is utf8proc's (link
// tessera::utf8proc); Debian 12 has Unicode 15.0.
//
// White space is Unicode's White_Space, as for the regular expressions of Rust and Onigmo that published tokenizers were
// trained with. JavaScript's \s differs twice: it has U+FEFF and lacks U+0085.
#pragma once

#include <utf8proc.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>

namespace tessera {

/// Sets of characters, to be joined by |.
namespace kind {
inline constexpr std::uint8_t letter = 1;    // \p{L}
inline constexpr std::uint8_t number = 2;    // \p{N}
inline constexpr std::uint8_t space = 4;     // \s
inline constexpr std::uint8_t raised = 8;    // \p{Lu} \p{Lt} \p{Lm} \p{Lo} \p{M}: may stand in a word's capital front
inline constexpr std::uint8_t lowered = 16;  // \p{Ll} \p{Lm} \p{Lo} \p{M}: may stand in a word's small rest
inline constexpr std::uint8_t line = 32;     // \r \n
inline constexpr std::uint8_t plain = letter | number | space;  // what [^\s\p{L}\p{N}] leaves out
}  // namespace kind

namespace unit_detail {

inline std::uint8_t kind_of_category(int category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return kind::letter | kind::raised;
    case UTF8PROC_CATEGORY_LL:
      return kind::letter | kind::lowered;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kind::letter | kind::raised | kind::lowered;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kind::raised | kind::lowered;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return kind::number;
    default:
      return 0;
  }
}

/// The kinds of ASCII, without a call; above it 255, which means "look closer".
inline constexpr std::array<std::uint8_t, 256> byte_kinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (int c = 128; c < 256; ++c) kinds[static_cast<std::size_t>(c)] = 255;
  for (int c = 'A'; c <= 'Z'; ++c) kinds[static_cast<std::size_t>(c)] = kind::letter | kind::raised;
  for (int c = 'a'; c <= 'z'; ++c) kinds[static_cast<std::size_t>(c)] = kind::letter | kind::lowered;
  for (int c = '0'; c <= '9'; ++c) kinds[static_cast<std::size_t>(c)] = kind::number;
  for (int c = '\t'; c <= '\r'; ++c) kinds[static_cast<std::size_t>(c)] = kind::space;
  kinds[' '] = kind::space;
  kinds['\n'] = kinds['\r'] = kind::space | kind::line;
  return kinds;
}();

}  // namespace unit_detail

inline std::uint8_t kinds_of(std::uint32_t code) {
  if (code < 128) return unit_detail::byte_kinds[code];
  const bool space = code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
                     code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
  return space ? kind::space : unit_detail::kind_of_category(utf8proc_category(static_cast<utf8proc_int32_t>(code)));
}

struct Character {
  std::uint8_t kinds = 0;
  std::uint8_t length = 0;  // bytes; 0 at the end of the text
};

/// The character that starts at text[at]. A byte that is no part of UTF-8 is one character of no kind, as U+FFFD is.
inline Character character_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const std::uint8_t kinds = unit_detail::byte_kinds[static_cast<unsigned char>(text[at])];
  if (kinds != 255) return {kinds, 1};
  const Utf8 c = utf8_at(text, at);
  if (c.length == 0) return {0, 1};
  return {kinds_of(c.code), static_cast<std::uint8_t>(c.length)};
}

/// The composed form of a text (Unicode annex 15, NFC). Bytes that are not UTF-8 stay, and separate what they stand
/// between.
inline std::string nfc(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t valid = utf8_error(text);
    if (valid > 0) {
      utf8proc_uint8_t* composed = nullptr;
      const auto size =
          utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(valid),
                       &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
      if (size < 0) throw error(std::string("nfc: ") + utf8proc_errmsg(size));
      out.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
      std::free(composed);
      text.remove_prefix(valid);
    }
    if (!text.empty()) {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace tessera
