// Vocabularies small enough to follow by hand.
#pragma once

#include <cstdint>
#include <string>

#include <tessera/unit/token_table.hpp>

namespace test {

/// A repeatable stream of numbers below n.
struct Numbers {
  std::uint64_t state;
  std::uint64_t below(std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  }
};

/// So many of the first letters of the alphabet.
inline std::string letters(Numbers& numbers, std::size_t length, std::uint64_t kinds) {
  std::string text;
  while (length-- > 0) text += static_cast<char>('a' + static_cast<char>(numbers.below(kinds)));
  return text;
}

/// The bytes, then he 256, ll 257, hell 258, hello 259, " a" missing at 260, two bytes of 狗 261, 狗 262, two spaces
/// 263.
inline tessera::TokenTable small_tokens() {
  tessera::TokenTable tokens;
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    tokens.add(b, {&c, 1});
  }
  tokens.add(256, "he");
  tokens.add(257, "ll");
  tokens.add(258, "hell");
  tokens.add(259, "hello");
  tokens.add(261, "\xE7\x8B");
  tokens.add(262, "\xE7\x8B\x97");
  tokens.add(263, "  ");
  return tokens;
}

}  // namespace test
