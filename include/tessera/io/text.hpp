// UTF-8 as RFC 3629 has it, and text of strangers made fit to print.
//
// A name out of a file or a prompt may hold anything: escape sequences that repaint a terminal, half a character,
// a direction override. `printable` is what goes into error messages and onto screens; the text itself stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

struct Utf8 {
  std::uint32_t code = 0;  // the code point
  std::size_t length = 0;  // bytes it takes, 0 if no well-formed character starts there
};

/// The character that starts at text[at]. Overlong forms, surrogates and anything above U+10FFFF are not well formed.
inline Utf8 utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])); };
  if (at >= text.size()) return {};
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return {};
  std::uint32_t code = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, length};
}

/// Where the first byte that is not part of a well-formed character stands; the length of the text if there is none.
inline std::size_t utf8_error(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = utf8_at(text, at).length;
    if (length == 0) break;
    at += length;
  }
  return at;
}

inline bool valid_utf8(std::string_view text) { return utf8_error(text) == text.size(); }

/// Appends a code point (which must be below 0x110000) as UTF-8.
inline void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  }
}

/// Text made safe for a terminal: control characters (C0, DEL, C1), line separators, direction overrides and bytes that
/// are not UTF-8 become \xHH; anything after `limit` bytes of output becomes "...".
inline std::string printable(std::string_view text, std::size_t limit = 120) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8 c = utf8_at(text, at);
    const bool direction = c.code == 0x200E || c.code == 0x200F || c.code == 0x061C ||
                           (c.code >= 0x2028 && c.code <= 0x202E) || (c.code >= 0x2066 && c.code <= 0x2069);
    const bool safe = c.length != 0 && c.code >= 0x20 && !(c.code >= 0x7F && c.code < 0xA0) && !direction;
    const std::size_t length = c.length != 0 ? c.length : 1;
    if (out.size() + (safe ? length : 4 * length) > limit) return out + "...";
    for (std::size_t i = 0; i < length; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      if (safe) {
        out += text[at + i];
      } else {
        out += "\\x";
        out += hex[byte >> 4];
        out += hex[byte & 15];
      }
    }
    at += length;
  }
  return out;
}

/// The same in quotation marks, for error messages.
inline std::string quoted(std::string_view text, std::size_t limit = 120) { return '"' + printable(text, limit) + '"'; }
// Without the next two, std::quoted would be chosen for a std::string wherever <iomanip> has been included; without the
// third, a const char* could be either.
inline std::string quoted(const std::string& text, std::size_t limit = 120) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(std::string& text, std::size_t limit = 120) { return quoted(std::string_view(text), limit); }
inline std::string quoted(const char* text, std::size_t limit = 120) { return quoted(std::string_view(text), limit); }

}  // namespace tessera
