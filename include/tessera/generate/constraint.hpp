// What may come next besides what the model thinks: a grammar, a dictionary, a form to fill in. Held by value in a sequence;
// virtual, as it is one call a step at the outer edge and programs choose it when they run.
#pragma once

#include <memory>
#include <span>
#include <tessera/generate/choice/candidates.hpp>

namespace tessera::inline TESSERA_ISA {

/// The rule itself, with what it remembers of the units so far.
struct Rule {
  virtual ~Rule() = default;
  virtual std::unique_ptr<Rule> clone() const = 0;
  /// Sets the logits of units that may not come to -inf; false when none may.
  virtual bool mask(std::span<float> logits) = 0;
  /// The unit has come.
  virtual void accept(Unit unit) = 0;
  /// The sequence may end here.
  virtual bool may_end() const = 0;
};

/// A rule as a value; empty: everything goes.
class Constraint {
 public:
  Constraint() = default;
  Constraint(std::unique_ptr<Rule> rule) : rule_(std::move(rule)) {}
  Constraint(const Constraint& other) : rule_(other.rule_ ? other.rule_->clone() : nullptr) {}
  Constraint(Constraint&&) noexcept = default;
  Constraint& operator=(Constraint other) noexcept {
    rule_ = std::move(other.rule_);
    return *this;
  }
  explicit operator bool() const { return rule_ != nullptr; }
  Rule* operator->() const { return rule_.get(); }

 private:
  std::unique_ptr<Rule> rule_;
};

}  // namespace tessera::inline TESSERA_ISA
