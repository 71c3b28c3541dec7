// Where a text stands in a grammar: a set of stacks, all of which are ways to read the text so far. Stacks share their lower
// parts: each is a number, naming its top and the stack below.
#pragma once

#include <map>
#include <memory>
#include <tessera/generate/grammar.hpp>

namespace tessera {

/// A value: copies stand where it stood.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
    nodes_.push_back({});
    seen_.push_back(0);
    expand(push(0, grammar_->start()), now_);
  }

  /// False when the byte cannot come here, and then nothing changes.
  bool accept(unsigned char byte) {
    Stacks next;
    after(now_, byte, next);
    if (next.empty()) return false;
    now_ = std::move(next);
    return true;
  }
  bool accept(std::string_view text) {
    const Stacks before = now_;
    for (const char c : text) {
      if (accept(static_cast<unsigned char>(c))) continue;
      now_ = before;
      return false;
    }
    return true;
  }
  /// The text so far is a whole one.
  bool may_end() const {
    for (const std::uint32_t s : now_) {
      if (s == 0) return true;
    }
    return false;
  }
  /// Nothing more can come.
  bool finished() const { return now_.size() == 1 && now_[0] == 0; }

  /// A set of stacks; 0 is the empty one.
  using Stacks = std::vector<std::uint32_t>;
  const Stacks& stacks() const { return now_; }
  /// The stacks after a byte, none if it cannot come. Throws argument_error when there are too many.
  void after(const Stacks& from, unsigned char byte, Stacks& to) {
    to.clear();
    ++round_;
    for (const std::uint32_t s : from) {
      if (s == 0) continue;
      const Grammar::Step& step = grammar_->steps()[nodes_[s].step];
      if (byte >= step.low && byte <= step.high) expand(push(nodes_[s].below, nodes_[s].step + 1), to);
    }
  }

 private:
  struct Node {
    std::uint32_t below = 0, step = 0;
  };
  static constexpr std::size_t most_stacks = 4096, most_nodes = std::size_t{1} << 22;

  /// The stack with `step` on top of `below`; the same number whenever it is the same stack.
  std::uint32_t push(std::uint32_t below, std::uint32_t step) {
    const auto found = known_.find({below, step});
    if (found != known_.end()) return found->second;
    if (nodes_.size() == most_nodes)
      throw argument_error("grammar: a text that asks for more than 2^22 stacks; make the grammar less deep");
    const auto added = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({below, step});
    seen_.push_back(0);
    known_.emplace(std::pair(below, step), added);
    return added;
  }
  /// Adds to `out` all stacks that stack s comes to without reading: their tops want bytes. Each is looked at once a
  /// round, however many ways lead there.
  void expand(std::uint32_t s, Stacks& out) {
    open_.assign(1, s);
    while (!open_.empty()) {
      s = open_.back();
      open_.pop_back();
      if (seen_[s] == round_) continue;
      seen_[s] = round_;
      const Node node = nodes_[s];
      const Grammar::Step step = s == 0 ? Grammar::Step{Grammar::Step::bytes} : grammar_->steps()[node.step];
      switch (step.kind) {
        case Grammar::Step::call: {
          // A rule's last call leaves nothing behind: recursion at the end costs no stack.
          const bool last = grammar_->steps()[node.step + 1].kind == Grammar::Step::end;
          open_.push_back(push(last ? node.below : push(node.below, node.step + 1), step.to));
          break;
        }
        case Grammar::Step::fork:
          open_.push_back(push(node.below, step.to));
          open_.push_back(push(node.below, node.step + 1));
          break;
        case Grammar::Step::jump:
          open_.push_back(push(node.below, step.to));
          break;
        case Grammar::Step::end:
          open_.push_back(node.below);
          break;
        case Grammar::Step::bytes:
          if (out.size() == most_stacks)
            throw argument_error(
                "grammar: more than 4096 ways to read the text so far; make the grammar less ambiguous");
          out.push_back(s);
      }
    }
  }

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> seen_;  // the round in which a stack was last looked at
  std::uint64_t round_ = 1;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> known_;
  Stacks now_, open_;
};

}  // namespace tessera
