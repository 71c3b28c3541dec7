// The automaton a grammar is compiled to, and what can be reached in it without reading a byte.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

/// `bytes`: read one in [low, high], go on behind. `call`: rule `to`, then behind. `fork`: behind, or at `to`. `jump`:
/// at `to`. `end`: of a rule.
struct GrammarStep {
  enum Kind : std::uint8_t { bytes, call, fork, jump, end } kind = end;
  std::uint8_t low = 0, high = 0;
  std::uint32_t to = 0;
};

namespace grammar_detail {

/// A part, whose first step has the number `base`, that may read nothing by itself. Calls count as reading: Reach looks
/// at those, once all rules are known.
inline bool nullable(const std::vector<GrammarStep>& part, std::uint32_t base) {
  std::vector<bool> seen(part.size() + 1, false);
  std::vector<std::size_t> open = {0};
  while (!open.empty()) {
    const std::size_t i = open.back();
    open.pop_back();
    if (i >= part.size()) return true;
    if (seen[i]) continue;
    seen[i] = true;
    if (part[i].kind == GrammarStep::fork) open.push_back(i + 1);
    if (part[i].kind == GrammarStep::fork || part[i].kind == GrammarStep::jump) open.push_back(part[i].to - base);
  }
  return false;
}

/// What of a whole grammar, whose calls name rules by number, is reached without reading. All walks together take time
/// linear in the steps, but for loops within loops.
class Reach {
 public:
  /// starts[r]: the first step of rule r, whose steps lie together up to its end.
  Reach(const std::vector<GrammarStep>& steps, const std::vector<std::uint32_t>& starts)
      : steps_(steps), starts_(starts), rule_(steps.size()), seen_(steps.size(), false), empty_(starts.size(), false) {
    std::vector<std::uint32_t> first(steps.size(), none);
    for (std::uint32_t r = 0; r < starts.size(); ++r) first[starts[r]] = r;
    for (std::uint32_t i = 0; i < steps.size(); ++i) rule_[i] = first[i] != none || i == 0 ? first[i] : rule_[i - 1];
    std::vector<std::vector<std::uint32_t>> waiting(starts.size());  // calls that go on once the rule may read nothing
    std::vector<std::uint32_t> open = starts;
    while (!open.empty()) {
      const std::uint32_t i = open.back();
      open.pop_back();
      if (seen_[i]) continue;
      seen_[i] = true;
      const GrammarStep& s = steps[i];
      if (s.kind == GrammarStep::end && !empty_[rule_[i]]) {
        empty_[rule_[i]] = true;
        for (const std::uint32_t call : waiting[rule_[i]]) open.push_back(call + 1);
      }
      if (s.kind == GrammarStep::call && !empty_[s.to]) waiting[s.to].push_back(i);
      unread(i, open);
    }
  }

  /// A loop can go round without reading: a jump back, from where its own fork can be reached unread.
  bool idle_loop() const {
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      const GrammarStep& s = steps_[i];
      if (s.kind != GrammarStep::jump || s.to > i) continue;
      std::vector<bool> seen(i + 1 - s.to, false);
      std::vector<std::uint32_t> open = {s.to + 1};
      while (!open.empty()) {
        const std::uint32_t at = open.back();
        open.pop_back();
        if (at == i) return true;
        if (at <= s.to || at > i || seen[at - s.to]) continue;
        seen[at - s.to] = true;
        unread(at, open);
      }
    }
    return false;
  }

  /// A rule that can come back to its own start without reading; their number if there is none.
  std::size_t left_recursive() const {
    std::vector<std::vector<std::uint32_t>> first(starts_.size());
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      if (seen_[i] && steps_[i].kind == GrammarStep::call) first[rule_[i]].push_back(steps_[i].to);
    }
    enum : std::uint8_t { fresh, above, done };
    std::vector<std::uint8_t> state(starts_.size(), fresh);
    std::vector<std::uint32_t> path;
    for (std::uint32_t r = 0; r < starts_.size(); ++r) {
      if (state[r] == fresh) path.push_back(r);
      while (!path.empty()) {
        const std::uint32_t at = path.back();
        state[at] = above;
        if (first[at].empty()) {
          state[at] = done;
          path.pop_back();
          continue;
        }
        const std::uint32_t next = first[at].back();
        first[at].pop_back();
        if (state[next] == above) return next;
        if (state[next] == fresh) path.push_back(next);
      }
    }
    return starts_.size();
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  /// Adds the steps that follow step i without reading.
  void unread(std::uint32_t i, std::vector<std::uint32_t>& to) const {
    const GrammarStep& s = steps_[i];
    if (s.kind == GrammarStep::fork || (s.kind == GrammarStep::call && empty_[s.to])) to.push_back(i + 1);
    if (s.kind == GrammarStep::fork || s.kind == GrammarStep::jump) to.push_back(s.to);
  }

  const std::vector<GrammarStep>& steps_;
  const std::vector<std::uint32_t>& starts_;
  std::vector<std::uint32_t> rule_;  // of each step
  std::vector<bool> seen_;           // steps reached from their own rule's start unread
  std::vector<bool> empty_;          // rules that may read nothing
};

}  // namespace grammar_detail

}  // namespace tessera
