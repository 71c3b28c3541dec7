// Speculative decoding: a small model proposes a few units, the large one judges them in one pass. What comes out is distributed
// exactly as what the large one would draw by itself (Leviathan, Kalman and Matias, 2022, arXiv 2211.17192).
//
//   draft q proposes x ~ q;  keep it with probability min(1, p(x) / q(x));  at the first refusal draw from
//   max(p - q, 0) normalised;  if all are kept, draw one more from p
// p and q are the distributions after all rules of choice, so temperature, top-k and the rest keep their meaning. With greedy
// choice the output is the target's own, unit for unit. Rules that draw or remember by themselves (XTC, mirostat) are refused.
//
// A Run like any other, a unit a step: units judged in one pass are handed out one by one.
#pragma once

#include <algorithm>
#include <tessera/generate/choice/chooser.hpp>
#include <tessera/generate/next_unit.hpp>
#include <tessera/generate/run.hpp>

namespace tessera::inline TESSERA_ISA {

struct SpeculativeOptions {
  Index length = 256;  // units at most
  Index ahead = 4;     // units proposed at a time
  ChoiceOptions choice = {};
  std::vector<Unit> end = {};  // units that end the sequence; they are its last
};

/// Target and draft take the same condition and have the same units.
template <Extendable Target, Extendable Draft>
requires std::same_as<typename Target::Condition, typename Draft::Condition>
class SpeculativeRun {
 public:
  SpeculativeRun(Target target, Draft draft, const typename Target::Condition& condition, const Noise& noise,
                 const SpeculativeOptions& options)
      : target_(std::move(target)),
        draft_(std::move(draft)),
        options_(options),
        noise_(noise),
        judge_(options.choice),
        guess_(options.choice),
        state_(target_.begin(condition)),
        draft_state_(draft_.begin(condition)) {
    if (target_.vocabulary() != draft_.vocabulary())
      throw argument_error("speculation: the target has " + std::to_string(target_.vocabulary()) +
                           " units, the draft " + std::to_string(draft_.vocabulary()));
    if (options.choice.xtc_chance > 0 || options.choice.mirostat > 0)
      throw argument_error("speculation: XTC and mirostat draw or remember by themselves; leave them off");
    if (options.ahead < 1 || options.ahead > 64 || options.length < 0)
      throw argument_error("speculation: " + std::to_string(options.ahead) + " units ahead, wanted 1 to 64");
    if constexpr (std::is_same_v<typename Target::Condition, std::vector<Unit>>) {
      history_ = condition;
      prompt_ = condition.size();
    }
    given_ = prompt_;
  }

  bool step() {
    if (done()) return false;
    if (given_ == history_.size()) judge();
    ++given_;
    return true;
  }
  bool done() const {
    if (at() >= options_.length) return true;
    return at() > 0 && ends(history_[given_ - 1]);
  }
  Index at() const { return static_cast<Index>(given_ - prompt_); }
  Index total() const { return done() ? at() : options_.length; }
  std::span<const Unit> units() const { return std::span<const Unit>(history_).subspan(prompt_, given_ - prompt_); }
  Tensor<Unit> preview() const { return Tensor<Unit>::from(Shape{at()}, units()); }
  Tensor<Unit> finish() {
    while (step()) {}
    return preview();
  }

  /// How well the draft guesses: proposed, and kept.
  Index proposed() const { return proposed_; }
  Index kept() const { return kept_; }
  std::span<const Unit> prompt() const { return std::span<const Unit>(history_).first(prompt_); }
  /// `length` units at most from now on. Throws argument_error when there are more.
  void prolong(Index length) {
    if (length < at())
      throw argument_error("speculation: a length of " + std::to_string(length) + " where there are " +
                           std::to_string(at()) + " units already");
    options_.length = length;
  }

 private:
  friend class SpeculativeFile;

  bool ends(Unit u) const {
    for (const Unit e : options_.end) {
      if (e == u) return true;
    }
    return false;
  }

  /// What one pass of the target gives: one unit or more, behind history_.
  ///
  /// Both models have read all of history_ but its last unit (all of it at the start). They read that together with the
  /// proposals; what is refused is taken back.
  void judge() {
    const Noise noise = noise_.fork(static_cast<std::uint64_t>(round_++));
    const bool start = round_ == 1;
    const std::size_t known = history_.size();
    const auto V = static_cast<std::size_t>(target_.vocabulary());
    const auto ahead = static_cast<std::size_t>(options_.ahead);

    // Propose, and keep what each proposal was drawn from: dense, V numbers each.
    q_.assign(ahead * V, 0);
    if (!start) draft_.next(draft_state_, history_.back());
    for (std::size_t k = 0; k < ahead; ++k) {
      if (k > 0) draft_.next(draft_state_, history_.back());
      Candidates& c = guess_.distribution(draft_state_.logits(), history_, noise);
      spread(c, q_.data() + k * V);
      history_.push_back(c.units()[static_cast<std::size_t>(c.draw(noise, 2 * k))]);
    }
    proposed_ += options_.ahead;

    // Judge: row k of `logits` is what the target says of proposal k; the start's first is in the state already.
    const std::size_t from = start ? known : known - 1;
    std::vector<float> first;
    if (start) first.assign(state_.logits().begin(), state_.logits().end());
    const Tensor<float> logits = target_.extend(state_, std::span<const Unit>(history_).subspan(from));
    const auto row = [&](std::size_t k) {
      if (start && k == 0) return std::span<const float>(first);
      return logits.span().subspan((start ? k - 1 : k) * V, V);
    };
    p_.resize(V);
    std::size_t good = 0;
    Unit next = 0;
    for (;; ++good) {
      Candidates& c = judge_.distribution(row(good), std::span<const Unit>(history_).first(known + good), noise);
      if (good == ahead) {
        next = c.units()[static_cast<std::size_t>(c.draw(noise, 2 * ahead))];
        break;
      }
      std::fill(p_.begin(), p_.end(), 0.0f);
      spread(c, p_.data());
      const float* q = q_.data() + good * V;
      const auto x = static_cast<std::size_t>(history_[known + good]);
      if (noise.unit(2 * good + 1) * static_cast<double>(q[x]) < static_cast<double>(p_[x])) continue;
      double sum = 0;
      for (std::size_t u = 0; u < V; ++u) sum += static_cast<double>(p_[u] = p_[u] > q[u] ? p_[u] - q[u] : 0.0f);
      // sum is 0 only where p and q differ by rounding alone: then x is as good as any
      next = sum > 0 ? static_cast<Unit>(noise.fork(good).categorical(p_)) : history_[known + good];
      break;
    }
    kept_ += static_cast<Index>(good);
    // The target has read all proposals, the draft all but the last. Both are to have read all that stays but its end.
    if (good < ahead) {
      target_.rewind(state_, static_cast<Index>(ahead - good));
      if (good + 1 < ahead) draft_.rewind(draft_state_, static_cast<Index>(ahead - 1 - good));
    } else {
      draft_.next(draft_state_, history_.back());
    }
    history_.resize(known + good);
    history_.push_back(next);
    for (std::size_t i = known; i < history_.size(); ++i) {
      if (ends(history_[i])) history_.resize(i + 1);
    }
  }
  static void spread(Candidates& c, float* to) {
    const auto p = c.probabilities();
    double sum = 0;
    for (const float x : p) sum += static_cast<double>(x);
    for (std::size_t i = 0; i < p.size(); ++i)
      to[static_cast<std::size_t>(c.units()[i])] = static_cast<float>(static_cast<double>(p[i]) / sum);
  }

  Target target_;
  Draft draft_;
  SpeculativeOptions options_;
  Noise noise_;
  Chooser judge_, guess_;
  typename Target::State state_;
  typename Draft::State draft_state_;
  std::vector<Unit> history_;
  std::size_t prompt_ = 0, given_ = 0;  // units handed out, the prompt included
  Index round_ = 0, proposed_ = 0, kept_ = 0;
  std::vector<float> q_, p_;
};

}  // namespace tessera::inline TESSERA_ISA
