// Tokens that stand for no text of their own but have a name: <|endoftext|>, <s>, [INST].
//
// A name in a text is only a name: whoever types "<|im_end|>" into a prompt must not thereby end it. So encoding reads
// names as ordinary text unless it is told otherwise:
//
//   bpe.encode(text)                                         names are text
//   bpe.encode(text, Names::all())                           names are tokens
//   bpe.encode(text, Names::only({"<|endoftext|>"}))         this one is a token, others are text
//   bpe.encode(text, Names::only({}).refuse_others())        a name in the text throws argument_error
//
// Vocabularies also have added words ("<think>" in some): they are found in any text, as they hold no power.
// Of names that start at one place the longest is meant.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>
#include <tessera/unit/token.hpp>
#include <tessera/unit/unicode.hpp>
#include <utility>
#include <vector>

namespace tessera {

/// Which names of special tokens in a text are tokens.
class Names {
 public:
  static Names none() { return {}; }
  static Names all() {
    Names names;
    names.all_ = true;
    return names;
  }
  static Names only(std::vector<std::string> these) {
    Names names;
    names.these_ = std::move(these);
    return names;
  }
  Names refuse_others() && {
    refuse_ = true;
    return std::move(*this);
  }

  bool allows(std::string_view name) const {
    return all_ || std::find(these_.begin(), these_.end(), name) != these_.end();
  }
  bool refuses() const { return refuse_; }
  bool ignores() const { return !all_ && !refuse_ && these_.empty(); }
  const std::vector<std::string>& these() const { return these_; }

 private:
  bool all_ = false, refuse_ = false;
  std::vector<std::string> these_;
};

struct SpecialToken {
  std::string name;
  Token id = 0;
  bool word = false;         // an added word: found in any text, kept when special tokens are dropped
  bool takes_left = false;   // with the white space before it
  bool takes_right = false;  // with the white space after it
};

class SpecialTokens {
 public:
  struct Found {
    std::size_t begin = 0, end = 0;  // in the text, white space that it takes included
    const SpecialToken* token = nullptr;
  };

  static constexpr std::size_t longest = 1024;  // bytes of a name

  SpecialTokens() = default;
  /// Throws argument_error for an empty name, or two that are the same or have the same id.
  explicit SpecialTokens(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
    std::sort(tokens_.begin(), tokens_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const std::string& name = tokens_[i].name;
      if (name.empty() || name.size() > longest) {
        throw argument_error("SpecialTokens: expected a name of 1 to 1024 bytes, found one of " +
                             std::to_string(name.size()));
      }
      if (i > 0 && name == tokens_[i - 1].name)
        throw argument_error("SpecialTokens: " + quoted(name) + " is there twice");
      starts_[static_cast<unsigned char>(name[0])] = true;
      words_ = words_ || tokens_[i].word;
      by_id_.emplace_back(tokens_[i].id, i);
    }
    std::sort(by_id_.begin(), by_id_.end());
    for (std::size_t i = 1; i < by_id_.size(); ++i) {
      if (by_id_[i].first == by_id_[i - 1].first) {
        throw argument_error("SpecialTokens: id " + std::to_string(by_id_[i].first) + " is that of " +
                             quoted(tokens_[by_id_[i - 1].second].name) + " and of " +
                             quoted(tokens_[by_id_[i].second].name));
      }
    }
  }

  /// In the order of their names.
  const std::vector<SpecialToken>& all() const { return tokens_; }
  Token largest_id() const { return by_id_.empty() ? -1 : by_id_.back().first; }

  const SpecialToken* by_name(std::string_view name) const {
    const auto at = std::lower_bound(tokens_.begin(), tokens_.end(), name,
                                     [](const SpecialToken& token, std::string_view n) { return token.name < n; });
    return at != tokens_.end() && at->name == name ? &*at : nullptr;
  }
  const SpecialToken* by_id(Token id) const {
    const auto at = std::lower_bound(by_id_.begin(), by_id_.end(), std::pair(id, std::size_t{0}));
    return at != by_id_.end() && at->first == id ? &tokens_[at->second] : nullptr;
  }

  /// The first at or after `from` that `names` makes a token; throws argument_error for one that it refuses.
  std::optional<Found> next(std::string_view text, std::size_t from, const Names& names) const {
    if (tokens_.empty() || (!words_ && names.ignores())) return std::nullopt;
    for (std::size_t at = from; at < text.size(); ++at) {
      if (!starts_[static_cast<unsigned char>(text[at])]) continue;
      const SpecialToken* token = longest_at(text, at, names);
      if (token == nullptr) continue;
      Found found{at, at + token->name.size(), token};
      while (token->takes_right && (character_at(text, found.end).kinds & kind::space) != 0) {
        found.end += character_at(text, found.end).length;
      }
      if (token->takes_left) found.begin = without_space(text, from, at);
      return found;
    }
    return std::nullopt;
  }

 private:
  /// Narrows the names that begin as the text does, a byte at a time.
  const SpecialToken* longest_at(std::string_view text, std::size_t at, const Names& names) const {
    const SpecialToken* best = nullptr;
    auto low = tokens_.begin(), high = tokens_.end();
    for (std::size_t i = 0; at + i < text.size() && low != high; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      const auto byte_of = [i](const SpecialToken& t) {
        return i < t.name.size() ? static_cast<int>(static_cast<unsigned char>(t.name[i])) : -1;
      };
      low = std::lower_bound(low, high, byte, [&](const SpecialToken& t, int b) { return byte_of(t) < b; });
      high = std::upper_bound(low, high, byte, [&](int b, const SpecialToken& t) { return b < byte_of(t); });
      if (low == high || low->name.size() != i + 1) continue;
      if (low->word || names.allows(low->name)) {
        best = &*low;
      } else if (names.refuses()) {
        throw argument_error("encode: the text has " + quoted(low->name) + " at byte " + std::to_string(at) +
                             ", which names a special token that is not allowed here");
      }
    }
    return best;
  }

  static std::size_t without_space(std::string_view text, std::size_t from, std::size_t end) {
    std::size_t cut = end;
    while (cut > from) {
      std::size_t start = cut - 1;  // of the character before
      while (start > from && cut - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
      const Character c = character_at(text, start);
      if (start + c.length != cut || (c.kinds & kind::space) == 0) break;
      cut = start;
    }
    return cut;
  }

  std::vector<SpecialToken> tokens_;
  std::vector<std::pair<Token, std::size_t>> by_id_;
  std::array<bool, 256> starts_{};
  bool words_ = false;
};

}  // namespace tessera
