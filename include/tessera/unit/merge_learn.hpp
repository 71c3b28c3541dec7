// Learning which pairs to merge (Sennrich, Haddow & Birch 2015, arXiv 1508.07909, algorithm 1): join the most frequent
// pair of neighbours, everywhere, until the vocabulary is full. Counts are kept up to date rather than taken anew, and the
// most frequent pair comes from a heap, so a merge costs what it changes. Equal counts go to the smallest pair of ids, so
// that the same text gives the same vocabulary everywhere, in whatever order it comes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <tessera/unit/merge.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tessera::unit_detail {

/// How often each word occurs.
using WordCounts = std::unordered_map<std::string, std::int64_t>;

inline void count_word(WordCounts& counts, std::string_view word) { ++counts[std::string(word)]; }

/// Calls make(left, right) for each merge, the most frequent first; it returns the token that they become, or a
/// negative number if they may not. Ends when more() is false or no pair occurs twice. A byte starts as token
/// first_byte + byte.
template <class More, class Make>
void learn_merges(const WordCounts& counts, Token first_byte, More&& more, Make&& make) {
  struct Word {
    std::vector<Token> tokens;
    std::int64_t count = 0;
  };
  struct Seen {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // that have, or once had, this pair; some more than once
  };
  struct Candidate {
    std::int64_t count = 0;
    std::uint64_t pair = 0;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };
  const auto key = [](Token left, Token right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  };

  std::vector<Word> words;
  words.reserve(counts.size());
  for (const auto& [text, count] : counts) {
    Word word{{}, count};
    for (const char c : text) word.tokens.push_back(first_byte + static_cast<unsigned char>(c));
    words.push_back(std::move(word));
  }
  std::unordered_map<std::uint64_t, Seen> pairs;
  std::vector<std::uint64_t> changed;
  const auto tally = [&](std::size_t w, std::int64_t sign) {
    const Word& word = words[w];
    for (std::size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      const std::uint64_t pair = key(word.tokens[i], word.tokens[i + 1]);
      Seen& seen = pairs[pair];
      seen.count += sign * word.count;
      if (sign > 0 && (seen.words.empty() || seen.words.back() != w)) seen.words.push_back(w);
      changed.push_back(pair);
    }
  };
  std::priority_queue<Candidate> candidates;
  const auto offer_changed = [&] {
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    for (const std::uint64_t pair : changed) {
      const auto seen = pairs.find(pair);
      if (seen != pairs.end() && seen->second.count > 1) candidates.push({seen->second.count, pair});
    }
    changed.clear();
  };
  for (std::size_t w = 0; w < words.size(); ++w) tally(w, 1);
  offer_changed();

  while (more() && !candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    const auto seen = pairs.find(best.pair);
    if (seen == pairs.end() || seen->second.count != best.count) continue;  // it has changed since
    const auto left = static_cast<Token>(best.pair >> 32), right = static_cast<Token>(best.pair & 0xFFFFFFFF);
    std::vector<std::size_t> where = std::move(seen->second.words);
    const Token made = make(left, right);
    if (made < 0) {  // its count may change again, and it is then refused again
      seen->second.words.clear();
      continue;
    }
    std::sort(where.begin(), where.end());
    where.erase(std::unique(where.begin(), where.end()), where.end());
    for (const std::size_t w : where) {
      std::vector<Token>& tokens = words[w].tokens;
      tally(w, -1);
      std::size_t kept = 0;
      for (std::size_t i = 0; i < tokens.size(); ++i, ++kept) {
        const bool here = i + 1 < tokens.size() && tokens[i] == left && tokens[i + 1] == right;
        tokens[kept] = here ? made : tokens[i];
        if (here) ++i;
      }
      tokens.resize(kept);
      tally(w, 1);
    }
    pairs.erase(best.pair);
    offer_changed();
  }
}

}  // namespace tessera::unit_detail
