// How files of text write tokens of bytes: GPT-2's alphabet, in which every byte is a printable character, and base64.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tessera/io/text.hpp>

namespace tessera::unit_detail {

/// Printable bytes of Latin-1 stand for themselves, the 68 others for U+0100, U+0101, ... in their order (Radford et
/// al. 2019: a space is Ġ, U+0120).
inline bool stands_for_itself(std::uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct ByteAlphabet {
  std::array<std::uint32_t, 256> code_of{};
  std::array<std::int16_t, 0x144> byte_of{};

  ByteAlphabet() {
    byte_of.fill(-1);
    std::uint32_t next = 0x100;
    for (std::uint32_t b = 0; b < 256; ++b) {
      code_of[b] = stands_for_itself(b) ? b : next++;
      byte_of[code_of[b]] = static_cast<std::int16_t>(b);
    }
  }

  /// Nothing if the text has a character that is none of the alphabet.
  std::optional<std::string> bytes(std::string_view text) const {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8 c = utf8_at(text, at);
      if (c.length == 0 || c.code >= byte_of.size() || byte_of[c.code] < 0) return std::nullopt;
      out += static_cast<char>(static_cast<unsigned char>(byte_of[c.code]));
      at += c.length;
    }
    return out;
  }

  std::string text(std::string_view bytes) const {
    std::string out;
    for (const char c : bytes) append_utf8(out, code_of[static_cast<unsigned char>(c)]);
    return out;
  }
};

inline constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 with padding; nothing for any other text, bits beyond the last byte included.
inline std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::size_t padding = 0;
    if (at + 4 == text.size()) padding = text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t digit = i < 4 - padding ? base64_digits.find(text[at + i]) : 0;
      if (digit == std::string_view::npos) return std::nullopt;
      bits = bits << 6 | static_cast<std::uint32_t>(digit);
    }
    if ((bits & ((1u << 8 * padding) - 1)) != 0) return std::nullopt;
    for (std::size_t i = 0; i < 3 - padding; ++i) {
      out += static_cast<char>(static_cast<unsigned char>(bits >> (16 - 8 * i) & 255));
    }
  }
  return out;
}

inline std::string to_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += at + i <= bytes.size() ? base64_digits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

}  // namespace tessera::unit_detail
