// Prompts as people type them, brought into the one form that models are trained on.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace tessera {

/// One form for what means the same: ASCII letters in lower case; curly quotes straight; full-width forms as ASCII;
/// spaces, tabs and control characters one space, and none at either end; no full stop at the end.
/// Bytes that are not UTF-8 stay.
inline std::string normalise(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 6> same = {
      {{"‘", '\''}, {"’", '\''}, {"“", '"'}, {"”", '"'}, {"\u3000", ' '}, {"\u00A0", ' '}}};
  std::string out;
  const auto put = [&out](char c) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const auto byte = [&rest](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
    bool replaced = false;
    for (const auto& [from, to] : same) {
      if (!rest.starts_with(from)) continue;
      put(to);
      at += from.size();
      replaced = true;
      break;
    }
    if (replaced) continue;
    // U+FF01 to U+FF5E, EF BC 81 to EF BD 9E, are ASCII 21 to 7E drawn as wide as a Chinese character.
    if (rest.size() >= 3 && byte(0) == 0xEF && (byte(1) == 0xBC || byte(1) == 0xBD) && (byte(2) & 0xC0) == 0x80) {
      const int ascii = (byte(1) - 0xBC) * 64 + (byte(2) & 63) + 0x20;
      if (ascii >= 0x21 && ascii <= 0x7E) {
        put(static_cast<char>(ascii));
        at += 3;
        continue;
      }
    }
    put(text[at++]);
  }
  constexpr std::string_view stop = "。";
  for (;;) {
    if (out.ends_with(' ') || out.ends_with('.')) {
      out.pop_back();
    } else if (out.ends_with(stop)) {
      out.resize(out.size() - stop.size());
    } else {
      return out;
    }
  }
}

}  // namespace tessera
