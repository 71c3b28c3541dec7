// Sets of characters as ranges of code points, and as ranges of the bytes their UTF-8 is made of.
#pragma once

#include <cstdint>
#include <string>
#include <tessera/io/text.hpp>
#include <utility>
#include <vector>

namespace tessera {

struct CodeRange {
  std::uint32_t low, high;  // code points, both included
};

/// One to four bytes, each with a range of its own: every choice of bytes is a character.
struct ByteRanges {
  std::uint8_t low[4] = {}, high[4] = {};
  int length = 0;
};

/// The same set, rising and with gaps between.
inline std::vector<CodeRange> merged_ranges(std::vector<CodeRange> ranges) {
  for (std::size_t i = 1; i < ranges.size(); ++i) {  // few: by insertion
    for (std::size_t j = i; j > 0 && ranges[j].low < ranges[j - 1].low; --j) std::swap(ranges[j], ranges[j - 1]);
  }
  std::vector<CodeRange> result;
  for (const CodeRange& r : ranges) {
    if (!result.empty() && r.low <= result.back().high + 1)
      result.back().high = r.high > result.back().high ? r.high : result.back().high;
    else
      result.push_back(r);
  }
  return result;
}

/// All code points that are not in a merged set.
inline std::vector<CodeRange> inverted_ranges(const std::vector<CodeRange>& ranges) {
  std::vector<CodeRange> rest;
  std::uint32_t next = 0;
  for (const CodeRange& r : ranges) {
    if (r.low > next) rest.push_back({next, r.low - 1});
    next = r.high + 1;
  }
  if (next <= 0x10FFFF) rest.push_back({next, 0x10FFFF});
  return rest;
}

namespace utf8_detail {

/// Cuts [low, high] until all that follows a differing byte covers its whole range.
inline void add_byte_ranges(std::uint32_t low, std::uint32_t high, std::vector<ByteRanges>& to) {
  constexpr std::uint32_t last[] = {0x7F, 0x7FF, 0xD7FF, 0xFFFF, 0x10FFFF};
  for (const std::uint32_t l : last) {
    if (low <= l && high > l) {
      add_byte_ranges(low, l, to);
      return add_byte_ranges(l + 1, high, to);
    }
  }
  if (high >= 0xD800 && low <= 0xDFFF) {  // surrogates are no characters
    if (high > 0xDFFF) add_byte_ranges(0xE000, high, to);
    return;
  }
  for (int i = 1; i < 4; ++i) {
    const std::uint32_t mask = (1U << (6 * i)) - 1;
    if (low < 0x80 || (low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      add_byte_ranges(low, low | mask, to);
      return add_byte_ranges((low | mask) + 1, high, to);
    }
    if ((high & mask) != mask) {
      add_byte_ranges(low, (high & ~mask) - 1, to);
      return add_byte_ranges(high & ~mask, high, to);
    }
  }
  std::string a, b;
  append_utf8(a, low);
  append_utf8(b, high);
  ByteRanges path;
  path.length = static_cast<int>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    path.low[i] = static_cast<std::uint8_t>(a[i]);
    path.high[i] = static_cast<std::uint8_t>(b[i]);
  }
  to.push_back(path);
}

}  // namespace utf8_detail

/// The characters of a set: those whose bytes fit one of the results. Surrogates are left out.
inline std::vector<ByteRanges> byte_ranges(const std::vector<CodeRange>& ranges) {
  std::vector<ByteRanges> result;
  for (const CodeRange& r : ranges) utf8_detail::add_byte_ranges(r.low, r.high, result);
  return result;
}

}  // namespace tessera
