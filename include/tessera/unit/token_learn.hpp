// Learning a byte-pair vocabulary (Sennrich, Haddow & Birch 2015, arXiv 1508.07909, algorithm 1): join the most frequent
// pair of neighbours, everywhere, until the vocabulary is full. Counts are kept up to date rather than taken anew, so a
// merge costs what it changes plus a look at every distinct pair. Equal counts go to the smallest pair of ids, so that the
// same lines give the same vocabulary everywhere, in whatever order they come.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/unit/token.hpp>
#include <utility>
#include <vector>

namespace tessera {

/// `vocabulary` counts everything: 3 special tokens, 256 bytes, and merges. Ends early when no pair occurs twice.
inline Tokenizer learn_tokens(std::span<const std::string> lines, Token vocabulary) {
  if (vocabulary < Tokenizer::first_merge || vocabulary > Tokenizer::largest) {
    throw argument_error("learn_tokens: vocabulary is " + std::to_string(vocabulary) + ", expected 259 to 1048576");
  }
  using Pair = Tokenizer::Pair;
  struct Word {
    std::vector<Token> tokens;
    std::int64_t count = 0;
  };
  struct Seen {
    std::int64_t count = 0;
    std::set<std::size_t> words;  // that have, or once had, this pair
  };

  std::map<std::string, std::int64_t> counts;
  for (std::string_view line : lines) {
    while (!line.empty()) {
      const std::size_t length = detail::word_length(line);
      ++counts[std::string(line.substr(0, length))];
      line.remove_prefix(length);
    }
  }
  std::vector<Word> words;
  for (const auto& [text, count] : counts) {
    words.push_back({{}, count});
    for (const char c : text) words.back().tokens.push_back(Tokenizer::first_byte + static_cast<unsigned char>(c));
  }

  std::map<Pair, Seen> pairs;
  const auto tally = [&](std::size_t w, std::int64_t sign) {
    const Word& word = words[w];
    for (std::size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      Seen& seen = pairs[{word.tokens[i], word.tokens[i + 1]}];
      seen.count += sign * word.count;
      if (sign > 0) seen.words.insert(w);
    }
  };
  for (std::size_t w = 0; w < words.size(); ++w) tally(w, 1);

  std::vector<Pair> merges;
  for (Token made = Tokenizer::first_merge; made < vocabulary; ++made) {
    Pair best;
    std::int64_t most = 1;  // a pair that occurs once is not worth a token
    for (const auto& [pair, seen] : pairs) {
      if (seen.count > most) most = seen.count, best = pair;
    }
    if (most == 1) break;
    merges.push_back(best);
    for (const std::size_t w : std::set<std::size_t>(std::move(pairs[best].words))) {
      std::vector<Token>& tokens = words[w].tokens;
      tally(w, -1);
      std::size_t kept = 0;
      for (std::size_t i = 0; i < tokens.size(); ++i, ++kept) {
        const bool here = i + 1 < tokens.size() && Pair(tokens[i], tokens[i + 1]) == best;
        tokens[kept] = here ? made : tokens[i];
        if (here) ++i;
      }
      tokens.resize(kept);
      tally(w, 1);
    }
    pairs.erase(best);
  }
  return Tokenizer(std::move(merges));
}

}  // namespace tessera
