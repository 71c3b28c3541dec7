// The two simplest tokenizers: a token a byte, and a token a character of an alphabet (as in char-level language models).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>
#include <tessera/unit/text_tokenizer.hpp>
#include <vector>

namespace tessera {

/// 256 tokens: the bytes. For any text, and any other file.
class ByteTokens {
 public:
  Token size() const { return 256; }
  std::vector<Token> encode(std::string_view text) const {
    std::vector<Token> tokens;
    tokens.reserve(text.size());
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  std::string bytes(Token token) const {
    if (token < 0 || token > 255) {
      throw argument_error("ByteTokens: token " + std::to_string(token) + " is outside [0, 256)");
    }
    return {static_cast<char>(static_cast<unsigned char>(token))};
  }
  std::string decode(std::span<const Token> tokens) const {
    std::string text;
    for (const Token token : tokens) text += bytes(token);
    return text;
  }
  bool operator==(const ByteTokens&) const = default;
};

/// Ids in the order of code points. A byte that is not UTF-8 is a character of its own, after all others, so that any
/// text that the alphabet was taken from comes back.
class Characters {
 public:
  /// The characters of this text; alphabet() gives the same again.
  explicit Characters(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) codes_.push_back(take(text, at));
    std::sort(codes_.begin(), codes_.end());
    codes_.erase(std::unique(codes_.begin(), codes_.end()), codes_.end());
    for (const std::uint32_t code : codes_) {
      names_.emplace_back();
      if (code < stray) {
        append_utf8(names_.back(), code);
      } else {
        names_.back() += static_cast<char>(static_cast<unsigned char>(code - stray));
      }
    }
  }

  /// All characters in the order of their ids: what to store.
  std::string alphabet() const {
    std::string all;
    for (const std::string& name : names_) all += name;
    return all;
  }
  Token size() const { return static_cast<Token>(codes_.size()); }

  /// Throws argument_error for a character that is not in the alphabet.
  std::vector<Token> encode(std::string_view text) const {
    std::vector<Token> tokens;
    tokens.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const std::uint32_t code = take(text, at);
      const auto found = std::lower_bound(codes_.begin(), codes_.end(), code);
      if (found == codes_.end() || *found != code) {
        throw argument_error("Characters: " + quoted(text.substr(start, at - start)) + " at byte " +
                             std::to_string(start) + " is not in the alphabet of " + std::to_string(size()));
      }
      tokens.push_back(static_cast<Token>(found - codes_.begin()));
    }
    return tokens;
  }
  const std::string& bytes(Token token) const {
    if (token < 0 || token >= size()) {
      throw argument_error("Characters: token " + std::to_string(token) + " is outside [0, " + std::to_string(size()) +
                           ")");
    }
    return names_[static_cast<std::size_t>(token)];
  }
  std::string decode(std::span<const Token> tokens) const {
    std::string text;
    for (const Token token : tokens) text += bytes(token);
    return text;
  }
  bool operator==(const Characters&) const = default;

 private:
  static constexpr std::uint32_t stray = 0x110000;  // + the byte

  static std::uint32_t take(std::string_view text, std::size_t& at) {
    const Utf8 c = utf8_at(text, at);
    if (c.length == 0) return stray + static_cast<unsigned char>(text[at++]);
    at += c.length;
    return c.code;
  }

  std::vector<std::uint32_t> codes_;
  std::vector<std::string> names_;
};

}  // namespace tessera
