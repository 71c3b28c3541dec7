// Text as tokens: byte-pair encoding over bytes (Sennrich, Haddow & Birch 2015, arXiv 1508.07909; over bytes since Radford
// et al. 2019, GPT-2). Every byte is a token, so any string, valid UTF-8 or not, encodes and comes back exactly, and there
// is no "unknown" token.
//
//   ids   0 pad   1 begin   2 end   3..258 the bytes   259.. the merges, in the order they were learned
//
// Text is first cut into words, and merges happen only within a word:
//   - a run of letters or a run of digits, with the one space before it: "a red heart" is "a", " red", " heart"; letters
//     are those of ASCII and all code points beyond it that are not listed here;
//   - every Chinese character, kana and bopomofo alone: so 狗 is the same token in 狗, 一隻狗 and 熱狗;
//   - every ASCII or CJK punctuation mark, control character and stray byte alone;
//   - after 256 bytes a word ends in any case, which bounds the work for text of any length.
// Within a word, the pair that was learned first is joined first, until no pair is known.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/unit/merge.hpp>
#include <utility>
#include <vector>

namespace tessera {

namespace unit_detail {

inline constexpr std::size_t longest_word = 256;  // bytes

enum class Letter { space, letter, digit, alone };

/// The kind of the character at the front of `text` (not empty) and its length in bytes.
inline std::pair<Letter, std::size_t> classify(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t b = byte(0);
  if (b == ' ') return {Letter::space, 1};
  if ((b | 32) >= 'a' && (b | 32) <= 'z') return {Letter::letter, 1};
  if (b >= '0' && b <= '9') return {Letter::digit, 1};
  const std::size_t length = b < 0xC2 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 1;
  if (length == 1 || text.size() < length) return {Letter::alone, 1};
  std::uint32_t c = b & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {Letter::alone, 1};
    c = c << 6 | (byte(i) & 63);
  }
  const bool han = (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
  const bool wide_mark = (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20);  // ！（，： and their like
  return {han || wide_mark ? Letter::alone : Letter::letter, length};
}

/// Length of the word at the front of `text` (not empty).
inline std::size_t word_length(std::string_view text) {
  auto [kind, length] = classify(text);
  if (kind == Letter::space && text.size() > 1) {
    const auto next = classify(text.substr(1));
    if (next.first == Letter::letter || next.first == Letter::digit) kind = next.first, length = 1 + next.second;
  }
  if (kind == Letter::alone || kind == Letter::space) return length;
  std::size_t end = length;
  while (end < text.size()) {
    const auto [next, more] = classify(text.substr(end));
    if (next != kind || end + more > longest_word) break;
    end += more;
  }
  return end;
}

}  // namespace unit_detail

class Tokenizer {
 public:
  static constexpr Token pad = 0, begin = 1, end = 2;
  static constexpr Token first_byte = 3, first_merge = first_byte + 256;
  static constexpr Token largest = 1 << 20;  // tokens a vocabulary may have

  using Pair = std::pair<Token, Token>;

  /// Bytes only: a vocabulary of 259.
  Tokenizer() : Tokenizer(std::vector<Pair>{}) {}

  /// Merge i makes token 259 + i of two earlier tokens. Throws argument_error for a list that could not have been
  /// learned.
  explicit Tokenizer(std::vector<Pair> merges) : merges_(std::move(merges)) {
    const auto wrong = [](std::size_t i, const char* what) {
      throw argument_error("Tokenizer: merge " + std::to_string(i) + " " + what);
    };
    if (merges_.size() > static_cast<std::size_t>(largest - first_merge)) wrong(merges_.size() - 1, "is one too many");
    bytes_.reserve(merges_.size() + static_cast<std::size_t>(first_merge));
    bytes_.resize(static_cast<std::size_t>(first_byte));
    for (int b = 0; b < 256; ++b) bytes_.emplace_back(1, static_cast<char>(static_cast<unsigned char>(b)));
    while (table_.size() < 2 * merges_.size() + 1) table_.resize(table_.empty() ? 64 : 2 * table_.size());
    for (Token& slot : table_) slot = none;
    for (std::size_t i = 0; i < merges_.size(); ++i) {
      const auto [left, right] = merges_[i];
      if (left < first_byte || right < first_byte || left >= size() || right >= size()) {
        wrong(i, "joins what is not an earlier token");
      }
      Token& slot = table_[find(left, right)];
      if (slot != none) wrong(i, "repeats an earlier one");
      if (bytes(left).size() + bytes(right).size() > unit_detail::longest_word) wrong(i, "makes more than 256 bytes");
      slot = size();
      bytes_.push_back(bytes(left) + bytes(right));
    }
  }

  /// How many tokens there are.
  Token size() const { return static_cast<Token>(bytes_.size()); }
  const std::vector<Pair>& merges() const { return merges_; }

  /// What a token stands for; empty for pad, begin and end. Throws argument_error for an id that is none.
  const std::string& bytes(Token token) const {
    if (token < 0 || token >= size()) {
      throw argument_error("Tokenizer: token " + std::to_string(token) + " is outside [0, " + std::to_string(size()) +
                           ")");
    }
    return bytes_[static_cast<std::size_t>(token)];
  }

  /// Without begin and end.
  std::vector<Token> encode(std::string_view text) const {
    std::vector<Token> tokens;
    while (!text.empty()) {
      const std::size_t length = unit_detail::word_length(text);
      encode_word(text.substr(0, length), tokens);
      text.remove_prefix(length);
    }
    return tokens;
  }

  /// A batch for a network: [B, length] of begin, tokens, end, pad, pad, ...; long texts lose their tail, never the
  /// end. A text that starts with a letter or digit is given a space first: its first word then reads as it does
  /// further on.
  Tensor<Token> encode(std::span<const std::string> texts, Index length) const {
    if (length < 2) throw argument_error("Tokenizer: length is " + std::to_string(length) + ", expected at least 2");
    Tensor<Token> batch(Shape{static_cast<Index>(texts.size()), length}, pad);
    Token* row = batch.data();
    for (const std::string& text : texts) {
      // A token is 256 bytes at most, so this much of the text fills the row whatever the rest says.
      const auto enough = static_cast<std::size_t>(length) * unit_detail::longest_word;
      std::string start = text.substr(0, enough);
      if (!start.empty() && (unit_detail::classify(start).first == unit_detail::Letter::letter ||
                             unit_detail::classify(start).first == unit_detail::Letter::digit)) {
        start.insert(start.begin(), ' ');
      }
      const std::vector<Token> tokens = encode(start);
      Index at = 0;
      row[at++] = begin;
      for (std::size_t i = 0; i < tokens.size() && at < length - 1; ++i) row[at++] = tokens[i];
      row[at] = end;
      row += length;
    }
    return batch;
  }

  /// The inverse of encode; pad, begin and end leave nothing.
  std::string decode(std::span<const Token> tokens) const {
    std::string text;
    for (const Token token : tokens) text += bytes(token);
    return text;
  }

  /// One line of ASCII, `tessera-bpe 1 COUNT LEFT,RIGHT LEFT,RIGHT ...`: fit for the metadata of a weights file.
  std::string to_string() const {
    std::string text = "tessera-bpe 1 " + std::to_string(merges_.size());
    for (const auto& [left, right] : merges_) text += " " + std::to_string(left) + "," + std::to_string(right);
    return text;
  }

  /// Reads to_string(), and nothing else: a difference of one byte throws io_error.
  static Tokenizer parse(std::string_view text) {
    const std::string_view all = text;
    const auto wrong = [&](const char* expected) {
      throw io_error("tokenizer: expected " + std::string(expected) + " at byte " +
                     std::to_string(all.size() - text.size()));
    };
    const auto skip = [&](std::string_view what, const char* expected) {
      if (!text.starts_with(what)) wrong(expected);
      text.remove_prefix(what.size());
    };
    const auto number = [&] {
      const bool padded = text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
      Token value = 0;
      std::size_t digits = 0;
      for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && value < largest; ++digits) {
        value = value * 10 + (text[digits] - '0');
      }
      if (digits == 0 || padded || value >= largest) wrong("a number below 1048576");
      text.remove_prefix(digits);
      return value;
    };
    skip("tessera-bpe 1 ", "\"tessera-bpe 1 COUNT\"");
    const auto count = static_cast<std::size_t>(number());
    if (text.size() / 4 < count) wrong("as many merges as the count says");  // " a,b" is the shortest
    std::vector<Pair> merges(count);
    for (Pair& merge : merges) {
      skip(" ", "a space and a merge");
      merge.first = number();
      skip(",", "a comma");
      merge.second = number();
    }
    if (!text.empty()) wrong("the end");
    try {
      return Tokenizer(std::move(merges));
    } catch (const argument_error& e) { throw io_error(e.what()); }
  }

  bool operator==(const Tokenizer& other) const { return merges_ == other.merges_; }

 private:
  static constexpr Token none = -1;

  /// Where the table (open addressing, never more than half full) has the merge of this pair, or a free slot.
  std::size_t find(Token left, Token right) const {
    const auto key = static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
    std::size_t slot = static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> 32) & (table_.size() - 1);
    while (table_[slot] != none && merges_[static_cast<std::size_t>(table_[slot] - first_merge)] != Pair(left, right)) {
      slot = (slot + 1) & (table_.size() - 1);
    }
    return slot;
  }

  /// Joins the earliest merge again and again: a token that a merge makes is its rank.
  void encode_word(std::string_view word, std::vector<Token>& out) const {
    Token tokens[unit_detail::longest_word], joined[unit_detail::longest_word];
    for (std::size_t i = 0; i < word.size(); ++i) tokens[i] = first_byte + static_cast<unsigned char>(word[i]);
    const std::size_t n = unit_detail::merge_by_scan(
        tokens, joined, word.size(), largest,
        [this](Token left, Token right) {
          const Token made = table_[find(left, right)];
          return made == none ? largest : made;
        },
        [](Token made) { return made; });
    out.insert(out.end(), tokens, tokens + n);
  }

  std::vector<Pair> merges_;
  std::vector<std::string> bytes_;  // of each token
  std::vector<Token> table_;        // pair -> merge
};

}  // namespace tessera
