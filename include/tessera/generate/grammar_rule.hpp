// A grammar as a constraint on units, given the text of each: a unit may come when the grammar can read all of its bytes.
//
//   auto words = std::make_shared<const UnitTexts>(texts);
//   options: Constraint(std::make_unique<GrammarRule>(Grammar::parse(text), words))
//
// A step walks the vocabulary in the order of the texts and shares the work of common beginnings: what cannot come is passed over
// with everything that begins like it.
#pragma once

#include <algorithm>
#include <tessera/generate/constraint.hpp>
#include <tessera/generate/grammar_matcher.hpp>

namespace tessera::inline TESSERA_ISA {

/// The texts of a vocabulary, sorted once. Units without a text (special ones) never come under a grammar.
class UnitTexts {
 public:
  explicit UnitTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (!texts_[i].empty()) order_.push_back(static_cast<Unit>(i));
    }
    std::sort(order_.begin(), order_.end(), [&](Unit a, Unit b) { return (*this)[a] < (*this)[b]; });
    for (std::size_t i = 0; i < order_.size(); ++i) {
      std::size_t n = 0;
      if (i > 0) {
        const std::string &a = (*this)[order_[i - 1]], &b = (*this)[order_[i]];
        while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
      }
      shared_.push_back(n);
    }
  }
  const std::string& operator[](Unit u) const { return texts_[static_cast<std::size_t>(u)]; }
  std::size_t size() const { return texts_.size(); }
  /// Units in the order of their texts, and how many bytes each shares with the one before.
  const std::vector<Unit>& order() const { return order_; }
  const std::vector<std::size_t>& shared() const { return shared_; }

 private:
  std::vector<std::string> texts_;
  std::vector<Unit> order_;
  std::vector<std::size_t> shared_;
};

class GrammarRule final : public Rule {
 public:
  GrammarRule(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const UnitTexts> texts)
      : matcher_(std::move(grammar)), texts_(std::move(texts)) {}

  std::unique_ptr<Rule> clone() const override { return std::make_unique<GrammarRule>(*this); }
  bool may_end() const override { return matcher_.may_end(); }
  void accept(Unit unit) override {
    if (unit < 0 || static_cast<std::size_t>(unit) >= texts_->size() || !matcher_.accept((*texts_)[unit]))
      throw argument_error("grammar: unit " + std::to_string(unit) + " cannot come here");
  }
  bool mask(std::span<float> logits) override {
    if (logits.size() != texts_->size())
      throw argument_error("grammar: texts of " + std::to_string(texts_->size()) + " units for " +
                           std::to_string(logits.size()) + " logits");
    allowed_.assign(logits.size(), false);
    depth_.resize(1);
    depth_[0] = matcher_.stacks();
    bool any = false;
    const auto& order = texts_->order();
    for (std::size_t i = 0, refused = ~std::size_t{0}; i < order.size(); ++i) {
      const std::size_t shared = texts_->shared()[i];
      if (shared > refused) continue;  // begins with what was refused
      const std::string& text = (*texts_)[order[i]];
      if (shared + 1 < depth_.size()) depth_.resize(shared + 1);
      refused = ~std::size_t{0};
      for (std::size_t at = depth_.size() - 1; at < text.size(); ++at) {
        GrammarMatcher::Stacks next;
        matcher_.after(depth_[at], static_cast<unsigned char>(text[at]), next);
        if (next.empty()) {
          refused = at;
          break;
        }
        depth_.push_back(std::move(next));
      }
      if (refused == ~std::size_t{0}) allowed_[static_cast<std::size_t>(order[i])] = any = true;
    }
    for (std::size_t u = 0; u < logits.size(); ++u) {
      if (!allowed_[u]) logits[u] = -INFINITY;
    }
    return any;
  }

 private:
  GrammarMatcher matcher_;
  std::shared_ptr<const UnitTexts> texts_;
  std::vector<bool> allowed_;
  std::vector<GrammarMatcher::Stacks> depth_;
};

}  // namespace tessera::inline TESSERA_ISA
