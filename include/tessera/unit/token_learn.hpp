// Learning the byte-pair vocabulary of token.hpp from lines of text.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <tessera/core/error.hpp>
#include <tessera/unit/merge_learn.hpp>
#include <tessera/unit/token.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace tessera {

/// `vocabulary` counts everything: 3 special tokens, 256 bytes, and merges. Ends early when no pair occurs twice.
template <class Line = std::string>  // so that it is compiled only where it is called
Tokenizer learn_tokens(std::type_identity_t<std::span<const Line>> lines, Token vocabulary) {
  if (vocabulary < Tokenizer::first_merge || vocabulary > Tokenizer::largest) {
    throw argument_error("learn_tokens: vocabulary is " + std::to_string(vocabulary) + ", expected 259 to 1048576");
  }
  unit_detail::WordCounts counts;
  for (std::string_view line : lines) {
    while (!line.empty()) {
      const std::size_t length = unit_detail::word_length(line);
      unit_detail::count_word(counts, line.substr(0, length));
      line.remove_prefix(length);
    }
  }
  std::vector<Tokenizer::Pair> merges;
  const auto next = [&] { return Tokenizer::first_merge + static_cast<Token>(merges.size()); };
  unit_detail::learn_merges(
      counts, Tokenizer::first_byte, [&] { return next() < vocabulary; },
      [&](Token left, Token right) {
        const Token made = next();
        merges.emplace_back(left, right);
        return made;
      });
  return Tokenizer(std::move(merges));
}

}  // namespace tessera
