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

/// Walks over a whole grammar, whose calls name rules by number.
class Reach {
 public:
  /// starts[r]: the first step of rule r. Refers to both.
  Reach(const std::vector<GrammarStep>& steps, const std::vector<std::uint32_t>& starts)
      : steps_(steps), starts_(starts), empty_(starts.size(), false) {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t r = 0; r < starts.size(); ++r) {
        if (empty_[r]) continue;
        from(starts[r], [&](std::uint32_t, const GrammarStep& s) {
          if (s.kind == GrammarStep::end) empty_[r] = changed = true;
        });
      }
    }
  }

  /// A loop can go round without reading: a jump back, from where its own fork can be reached unread.
  bool idle_loop() const {
    bool found = false;
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      const GrammarStep& s = steps_[i];
      if (s.kind != GrammarStep::jump || s.to > i) continue;
      from(s.to + 1, [&](std::uint32_t at, const GrammarStep&) { found = found || at == i; });
    }
    return found;
  }

  /// The first rule that can come back to its own start without reading; their number if there is none.
  std::size_t left_recursive() const {
    const std::size_t rules = starts_.size();
    std::vector<std::vector<bool>> first(rules, std::vector<bool>(rules, false));
    for (std::size_t r = 0; r < rules; ++r) {
      from(starts_[r], [&](std::uint32_t, const GrammarStep& s) {
        if (s.kind == GrammarStep::call) first[r][s.to] = true;
      });
    }
    for (std::size_t r = 0; r < rules; ++r) {
      std::vector<bool> seen(rules, false);
      std::vector<std::size_t> open = {r};
      while (!open.empty()) {
        const std::size_t at = open.back();
        open.pop_back();
        for (std::size_t t = 0; t < rules; ++t) {
          if (first[at][t] && !seen[t]) {
            seen[t] = true;
            open.push_back(t);
          }
        }
      }
      if (seen[r]) return r;
    }
    return rules;
  }

 private:
  /// see(number, step) for every step that can be reached from one without reading.
  template <class See>
  void from(std::uint32_t first, const See& see) const {
    std::vector<bool> seen(steps_.size(), false);
    std::vector<std::uint32_t> open = {first};
    while (!open.empty()) {
      const std::uint32_t i = open.back();
      open.pop_back();
      if (seen[i]) continue;
      seen[i] = true;
      const GrammarStep& s = steps_[i];
      see(i, s);
      if (s.kind == GrammarStep::fork || (s.kind == GrammarStep::call && empty_[s.to])) open.push_back(i + 1);
      if (s.kind == GrammarStep::fork || s.kind == GrammarStep::jump) open.push_back(s.to);
    }
  }

  const std::vector<GrammarStep>& steps_;
  const std::vector<std::uint32_t>& starts_;
  std::vector<bool> empty_;  // rules that may read nothing
};

}  // namespace grammar_detail

}  // namespace tessera
