// Cutting text into the pieces that byte-pair merges stay within. Published tokenizers state this as a regular
// expression; here each is a hand-written matcher that finds the same pieces in one pass:
//
//   none     the whole text is one piece
//   gpt2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   cl100k   '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]
//            |\s+(?!\S)|\s
//   llama3   as cl100k, but \s*[\r\n]+ where that has \s++$|\s*[\r\n]: white space that ends a text is cut after its last
//            line. It is what cl100k was first published as, and what Llama 3 uses.
//   qwen2    as llama3, but \p{N} where that has \p{N}{1,3}
//   o200k    [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//            |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//            |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// (?i:s) also means U+017F, the long s, as it does in Rust. Every byte belongs to a piece, whatever the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tessera/unit/unicode.hpp>

namespace tessera {

enum class Split { none, gpt2, cl100k, llama3, qwen2, o200k };

namespace unit_detail {

/// Where the run of characters with one of these kinds that starts at `at` ends.
inline std::size_t run_end(std::string_view text, std::size_t at, std::uint8_t kinds) {
  for (;;) {
    while (at < text.size() && byte_kinds[static_cast<unsigned char>(text[at])] != 255) {
      if ((byte_kinds[static_cast<unsigned char>(text[at])] & kinds) == 0) return at;
      ++at;
    }
    const Character c = character_at(text, at);
    if ((c.kinds & kinds) == 0) return at;  // the end of the text has no kind either
    at += c.length;
  }
}

/// The same for characters of none of these kinds.
inline std::size_t run_end_without(std::string_view text, std::size_t at, std::uint8_t kinds) {
  for (Character c = character_at(text, at); c.length != 0 && (c.kinds & kinds) == 0; c = character_at(text, at)) {
    at += c.length;
  }
  return at;
}

/// Bytes of the 's, 't, 're, 've, 'm, 'll or 'd at text[at]; 0 if there is none.
template <bool any_case>
std::size_t contraction(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size() || text[at] != '\'') return 0;
  const auto letter = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'l' && second == 'l') || ((first == 'v' || first == 'r') && second == 'e')) return 3;
  return any_case && text.substr(at + 1, 2) == "\xC5\xBF" ? 3 : 0;
}

/// White space from `at` on, where no word takes its last character: \s+(?!\S)|\s+, and before that, if lines are
/// looked for, what reaches to the last \r or \n.
template <bool lines, bool whole_end>
std::size_t space_end(std::string_view text, std::size_t at) {
  std::size_t end = at, last = at, line = at;  // last: where the last character starts; line: after the last \r or \n
  for (Character c = character_at(text, end); (c.kinds & kind::space) != 0; c = character_at(text, end)) {
    last = end;
    end += c.length;
    if ((c.kinds & kind::line) != 0) line = end;
  }
  if (whole_end && end == text.size()) return end;
  if (lines && line != at) return line;
  return end == text.size() || last == at ? end : last;
}

inline std::size_t gpt2_end(std::string_view text, std::size_t at) {
  if (const std::size_t bytes = contraction<false>(text, at)) return at + bytes;
  Character c = character_at(text, at);
  std::size_t start = at;
  if (text[at] == ' ') {
    const Character next = character_at(text, at + 1);
    if (next.length != 0 && (next.kinds & kind::space) == 0) c = next, start = at + 1;
  }
  if ((c.kinds & kind::letter) != 0) return run_end(text, start, kind::letter);
  if ((c.kinds & kind::number) != 0) return run_end(text, start, kind::number);
  if ((c.kinds & kind::space) == 0) return run_end_without(text, start, kind::plain);
  return space_end<false, false>(text, at);
}

/// One to `most` digits.
inline std::size_t number_end(std::string_view text, std::size_t at, int most) {
  for (Character c = character_at(text, at); most > 0 && (c.kinds & kind::number) != 0; --most) {
    at += c.length;
    c = character_at(text, at);
  }
  return at;
}

/// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with / among the latter for o200k; `at` if there is none.
template <bool slash>
std::size_t symbols_end(std::string_view text, std::size_t at) {
  const std::size_t start = text[at] == ' ' ? at + 1 : at;
  std::size_t end = run_end_without(text, start, kind::plain);
  if (end == start) return at;
  while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || (slash && text[end] == '/'))) ++end;
  return end;
}

template <int digits, bool whole_end>
std::size_t cl100k_end(std::string_view text, std::size_t at) {
  if (const std::size_t bytes = contraction<true>(text, at)) return at + bytes;
  const Character c = character_at(text, at);
  if ((c.kinds & kind::letter) != 0) return run_end(text, at, kind::letter);
  if ((c.kinds & kind::number) != 0) return number_end(text, at, digits);
  if ((c.kinds & kind::line) == 0) {
    const std::size_t end = run_end(text, at + c.length, kind::letter);
    if (end != at + c.length) return end;
  }
  if (const std::size_t end = symbols_end<false>(text, at); end != at) return end;
  return space_end<true, whole_end>(text, at);
}

/// o200k's words: [raised]*[lowered]+ if possible, else `capitals` and [raised]+, from `at` on; `at` if neither is
/// there. The expression gives characters of [raised]* back until a lowered one follows.
inline std::size_t cased_end(std::string_view text, std::size_t at, bool capitals) {
  std::size_t end = at, after = at;  // after: behind the last character so far that is also lowered
  for (Character c = character_at(text, end); (c.kinds & kind::raised) != 0; c = character_at(text, end)) {
    end += c.length;
    if ((c.kinds & kind::lowered) != 0) after = end;
  }
  const std::size_t small = run_end(text, end, kind::lowered);
  if (small != end) return small;
  return capitals ? end : after;
}

inline std::size_t o200k_end(std::string_view text, std::size_t at) {
  const Character c = character_at(text, at);
  const bool word = (c.kinds & (kind::raised | kind::lowered)) != 0;                // a letter or a mark
  const bool prefix = (c.kinds & (kind::letter | kind::number | kind::line)) == 0;  // a mark or a symbol or a space
  const std::size_t next = at + c.length;
  for (const bool capitals : {false, true}) {
    std::size_t end = prefix ? cased_end(text, next, capitals) : next;
    if (end == next) end = word ? cased_end(text, at, capitals) : at;
    if (end != at) return end + contraction<true>(text, end);
  }
  if ((c.kinds & kind::number) != 0) return number_end(text, at, 3);
  if (const std::size_t end = symbols_end<true>(text, at); end != at) return end;
  return space_end<true, false>(text, at);
}

template <class See, class End>
void cut(std::string_view text, See&& see, End&& end_of) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of(text, at);
    see(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace unit_detail

/// Calls see(piece) for each piece of the text, from front to back.
template <class See>
void for_each_piece(Split split, std::string_view text, See&& see) {
  switch (split) {
    case Split::none:
      if (!text.empty()) see(text);
      return;
    case Split::gpt2:
      return unit_detail::cut(text, see, unit_detail::gpt2_end);
    case Split::cl100k:
      return unit_detail::cut(text, see, unit_detail::cl100k_end<3, true>);
    case Split::llama3:
      return unit_detail::cut(text, see, unit_detail::cl100k_end<3, false>);
    case Split::qwen2:
      return unit_detail::cut(text, see, unit_detail::cl100k_end<1, false>);
    case Split::o200k:
      return unit_detail::cut(text, see, unit_detail::o200k_end);
  }
}

}  // namespace tessera
