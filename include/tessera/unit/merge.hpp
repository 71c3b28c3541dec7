// Byte-pair merging (Sennrich, Haddow & Birch 2015, arXiv 1508.07909): of all neighbours that are a known pair, the one of
// the lowest rank is joined, the leftmost first, until there is none.
//
// Three ways to do it, all exact:
//   - up to 48 symbols by a scan for the lowest rank, quadratic and the fastest there;
//   - more by a heap of ranks over a linked list;
//   - many more by heaps over windows, so that the work stays linear and in the cache.
//
// Why windows may be joined. Call two tokens compatible if their bytes, merged alone, give these two again. A sequence of
// tokens is what merging gives for its bytes if and only if all neighbours in it are compatible: until a merge first
// crosses a border between two tokens, the merges among their bytes happen in the order in which they happen when the
// two stand alone, so that first crossing would happen there too; and the other way round alike. So if the merges of two
// overlapping windows share one token, the left one's tokens up to it and the right one's from it on are the merge of
// both windows' bytes. If they share none, the overlap is doubled.
#pragma once

#include <cstdint>
#include <queue>
#include <tessera/core/error.hpp>
#include <utility>
#include <vector>

namespace tessera {

using Token = std::int32_t;

namespace unit_detail {

/// Joins in place by scanning; ranks is scratch of the same length. rank_of(left, right) is a number below `no_rank`,
/// or that; made_of(rank) the token that a pair of this rank makes. Returns how many tokens are left.
template <class Rank, class RankOf, class MadeOf>
std::size_t merge_by_scan(Token* tokens, Rank* ranks, std::size_t n, Rank no_rank, RankOf&& rank_of, MadeOf&& made_of) {
  if (n < 2) return n;
  for (std::size_t i = 0; i + 1 < n; ++i) ranks[i] = rank_of(tokens[i], tokens[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == no_rank) break;
    tokens[best] = made_of(ranks[best]);
    --n;
    for (std::size_t i = best + 1; i < n; ++i) tokens[i] = tokens[i + 1];
    for (std::size_t i = best + 1; i + 1 < n; ++i) ranks[i] = ranks[i + 1];
    if (best + 1 < n) ranks[best] = rank_of(tokens[best], tokens[best + 1]);
    if (best > 0) ranks[best - 1] = rank_of(tokens[best - 1], tokens[best]);
  }
  return n;
}

}  // namespace unit_detail

/// Which pairs there are: rank 0 is joined first.
class MergeTable {
 public:
  static constexpr std::uint32_t no_rank = (1u << 22) - 1;
  static constexpr std::size_t most = no_rank;  // pairs; tokens are below 2^21

  std::size_t size() const { return pairs_; }

  /// The pair's rank, or no_rank.
  std::uint32_t rank(Token left, Token right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = start(key);; slot = (slot + 1) & mask_) {
      const std::uint64_t entry = slots_[slot];
      if (entry >> 22 == key || entry == empty) return static_cast<std::uint32_t>(entry & no_rank);
    }
  }
  /// The token that the pair of this rank makes.
  Token made(std::uint32_t rank) const { return made_[rank]; }

  /// Adds a pair. False, and no change, if it is there already or the rank is taken or too high.
  bool add(Token left, Token right, std::uint32_t rank, Token made) {
    if (rank >= most || (rank < made_.size() && made_[rank] >= 0) || this->rank(left, right) != no_rank) return false;
    if (5 * (pairs_ + 1) > 3 * slots_.size()) grow(2 * slots_.size());
    insert(key_of(left, right) << 22 | rank);
    if (rank >= made_.size()) made_.resize(rank + std::size_t{1}, -1);
    made_[rank] = made;
    ++pairs_;
    return true;
  }

  void reserve(std::size_t pairs) {
    made_.reserve(pairs);
    std::size_t slots = slots_.size();
    while (5 * pairs > 3 * slots) slots *= 2;
    if (slots != slots_.size()) grow(slots);
  }

  /// Calls see(left, right, rank, made) for every pair, in no order.
  template <class See>
  void for_each(See&& see) const {
    for (const std::uint64_t entry : slots_) {
      if (entry == empty) continue;
      const auto rank = static_cast<std::uint32_t>(entry & no_rank);
      see(static_cast<Token>(entry >> 43), static_cast<Token>(entry >> 22 & 0x1FFFFF), rank, made_[rank]);
    }
  }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  static std::uint64_t key_of(Token left, Token right) {
    return static_cast<std::uint64_t>(left) << 21 | static_cast<std::uint64_t>(right);
  }
  std::size_t start(std::uint64_t key) const {
    return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> 30) & mask_;
  }
  void insert(std::uint64_t entry) {
    std::size_t slot = start(entry >> 22);
    while (slots_[slot] != empty) slot = (slot + 1) & mask_;
    slots_[slot] = entry;
  }
  void grow(std::size_t size) {
    std::vector<std::uint64_t> old(size, empty);
    old.swap(slots_);
    mask_ = size - 1;
    for (const std::uint64_t entry : old) {
      if (entry != empty) insert(entry);
    }
  }

  // left : 21 bits, right : 21, rank : 22, so that a look-up is one load; open addressing, at most 3/5 full. No pair has
  // all bits set, as tokens are below 2^21 - 1.
  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(64, empty);
  std::size_t mask_ = 63, pairs_ = 0;
  std::vector<Token> made_;
};

/// Room for merging, to be used again and again.
class Merger {
 public:
  static constexpr std::size_t scanned = 48;

  /// Appends what the symbols become to `out`.
  void merge(const MergeTable& table, const Token* symbols, std::size_t n, std::vector<Token>& out) {
    if (n <= scanned) {
      Token tokens[scanned];
      std::uint32_t ranks[scanned];
      for (std::size_t i = 0; i < n; ++i) tokens[i] = symbols[i];
      const std::size_t left = unit_detail::merge_by_scan(
          tokens, ranks, n, MergeTable::no_rank, [&](Token l, Token r) { return table.rank(l, r); },
          [&](std::uint32_t rank) { return table.made(rank); });
      out.insert(out.end(), tokens, tokens + left);
    } else if (n <= 2 * window_) {
      by_heap(table, symbols, 0, n);
      for (const Made& made : made_) out.push_back(made.token);
    } else {
      by_windows(table, symbols, n, out);
    }
  }

  /// Symbols a window has at first; smaller ones serve tests.
  void window(std::size_t symbols) { window_ = symbols < 4 ? 4 : symbols; }

 private:
  struct Made {
    Token token;
    std::size_t at;  // its first symbol
  };
  struct Node {
    Token token;
    std::uint32_t rank, next, previous;  // rank of the pair that starts here; dead nodes have none
  };

  /// made_ becomes what symbols [begin, end) merge to.
  void by_heap(const MergeTable& table, const Token* symbols, std::size_t begin, std::size_t end) {
    if (end - begin >= UINT32_MAX) throw argument_error("Bpe: a piece of text is longer than 4294967294 symbols");
    const auto n = static_cast<std::uint32_t>(end - begin);
    nodes_.resize(n);
    std::vector<std::uint64_t> entries = std::move(entries_);
    entries.clear();
    for (std::uint32_t i = 0; i < n; ++i) {
      const Token* symbol = symbols + begin + i;
      nodes_[i] = {*symbol, i + 1 < n ? table.rank(symbol[0], symbol[1]) : MergeTable::no_rank, i + 1, i - 1};
      if (nodes_[i].rank != MergeTable::no_rank) entries.push_back(std::uint64_t{nodes_[i].rank} << 32 | i);
    }
    Heap heap(std::greater<>(), std::move(entries));
    const auto look = [&](std::uint32_t i) {
      const std::uint32_t next = nodes_[i].next;
      nodes_[i].rank = next < n ? table.rank(nodes_[i].token, nodes_[next].token) : MergeTable::no_rank;
      if (nodes_[i].rank != MergeTable::no_rank) heap.push(std::uint64_t{nodes_[i].rank} << 32 | i);
    };
    while (!heap.empty()) {
      const auto rank = static_cast<std::uint32_t>(heap.top() >> 32), i = static_cast<std::uint32_t>(heap.top());
      heap.pop();
      if (nodes_[i].rank != rank) continue;  // its pair has changed since
      Node& node = nodes_[i];
      Node& gone = nodes_[node.next];
      node.token = table.made(rank);
      node.next = gone.next;
      gone.rank = MergeTable::no_rank;
      if (node.next < n) nodes_[node.next].previous = i;
      look(i);
      if (i > 0) look(node.previous);
    }
    entries_ = heap.give_back();
    made_.clear();
    for (std::uint32_t i = 0; i < n; i = nodes_[i].next) made_.push_back({nodes_[i].token, begin + i});
  }

  void by_windows(const MergeTable& table, const Token* symbols, std::size_t n, std::vector<Token>& out) {
    std::vector<Made> all;  // what symbols [0, end) merge to
    std::size_t end = 0;
    while (end < n) {
      for (std::size_t overlap = window_ / 8 + 1;; overlap *= 2) {
        const std::size_t wanted = end > overlap ? end - overlap : 0;
        std::size_t first = all.size();  // the token that the window starts with
        while (first > 0 && all[first - 1].at + 1 > wanted) --first;
        const std::size_t begin = first < all.size() ? all[first].at : end;
        const std::size_t stop = n - end > 7 * overlap ? end + 7 * overlap : n;
        by_heap(table, symbols, begin, stop);
        std::size_t old = first, made = 0;
        const auto end_of = [](const std::vector<Made>& list, std::size_t i, std::size_t last) {
          return i + 1 < list.size() ? list[i + 1].at : last;
        };
        bool shared = begin == 0;  // then made_ is the whole truth
        while (!shared && old < all.size() && made < made_.size()) {
          if (all[old].at == made_[made].at && end_of(all, old, end) == end_of(made_, made, stop)) {
            shared = true;
          } else if (all[old].at <= made_[made].at) {
            ++old;
          } else {
            ++made;
          }
        }
        if (!shared) continue;
        all.resize(begin == 0 ? 0 : old);
        all.insert(all.end(), made_.begin() + static_cast<std::ptrdiff_t>(begin == 0 ? 0 : made), made_.end());
        end = stop;
        break;
      }
    }
    for (const Made& made : all) out.push_back(made.token);
  }

  struct Heap : std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> {
    using priority_queue::priority_queue;
    std::vector<std::uint64_t> give_back() { return std::move(c); }
  };

  std::size_t window_ = 4096;
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> entries_;
  std::vector<Made> made_;
};

}  // namespace tessera
