// Learning a byte-level byte-pair vocabulary from any text, as GPT-2's was (Radford et al. 2019): text is cut into pieces
// by one of the published expressions, and the most frequent pairs of neighbours within pieces become tokens.
//
//   const Bpe bpe = learn_bpe({{text}}, {.vocabulary = 8192, .special = {"<|endoftext|>"}});
//   write_file("mine.tiktoken", to_tiktoken(bpe));
//
// Ids: 256 bytes, tokens in the order in which they were learned, special tokens.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/unit/bpe.hpp>
#include <tessera/unit/bpe_files.hpp>
#include <tessera/unit/merge_learn.hpp>
#include <utility>
#include <vector>

namespace tessera {

struct BpeLearning {
  Token vocabulary = 32768;  // tokens in all: bytes, learned and special ones
  Split split = Split::gpt2;
  std::vector<std::string> special = {};  // names
};

/// Ends early when no pair occurs twice: the vocabulary is then smaller.
inline Bpe learn_bpe(std::span<const std::string> texts, const BpeLearning& config) {
  const auto special = static_cast<Token>(config.special.size());
  if (config.vocabulary < 256 + special || config.vocabulary >= TokenTable::most) {
    throw argument_error("learn_bpe: vocabulary is " + std::to_string(config.vocabulary) + ", expected " +
                         std::to_string(256 + special) + " to " + std::to_string(TokenTable::most - 1));
  }
  unit_detail::WordCounts counts;
  for (const std::string& text : texts) {
    for_each_piece(config.split, text, [&](std::string_view piece) { unit_detail::count_word(counts, piece); });
  }
  TokenTable tokens;
  for (int b = 0; b < 256; ++b) {
    const char c = static_cast<char>(static_cast<unsigned char>(b));
    tokens.add(b, {&c, 1});
  }
  unit_detail::learn_merges(
      counts, 0, [&] { return tokens.size() < config.vocabulary - special; },
      [&](Token left, Token right) {
        const std::string bytes = std::string(tokens[left]).append(tokens[right]);
        const Token same = tokens.find(bytes);  // other pairs may have made it before
        if (same != TokenTable::none) return same;
        const Token made = tokens.size();
        return tokens.add(made, bytes) == TokenTable::Added::yes ? made : TokenTable::none;
      });
  std::vector<SpecialToken> named;
  for (const std::string& name : config.special) {
    named.push_back({.name = name, .id = tokens.size() + static_cast<Token>(named.size())});
  }
  return bpe_by_rank(std::move(tokens), config.split, SpecialTokens(std::move(named)));
}

}  // namespace tessera
