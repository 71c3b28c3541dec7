// The one Run of every autoregressive model: a unit a step.
//
//   auto run = begin_sequence(model, prompt, Noise{7}, {.length = 200, .choice = {.temperature = 0.8, .top_k = 40}});
//   while (run.step()) show(run.units(0).back());                // previews at any step
//   auto fork = run;                                            // a value: both go on, each for itself
//
// Several sequences side by side, each with its own condition, noise, length and end: sequence i has the bits it has alone. Step t
// of a sequence draws from its noise.fork(t), so neither the batch nor a pause changes anything. A step first reads the unit
// that was chosen in the one before: the last unit is never read, and a first unit costs nothing beyond the prompt.
//
// Guidance (scale s, Sanchez et al., 2023, arXiv 2306.17806): logits = u + s (c - u), where u are the logits under another
// condition, which reads the same units.
#pragma once

#include <optional>
#include <tessera/generate/choice/chooser.hpp>
#include <tessera/generate/constraint.hpp>
#include <tessera/generate/next_unit.hpp>
#include <tessera/generate/run.hpp>

namespace tessera::inline TESSERA_ISA {

struct SequenceOptions {
  Index length = 256;  // units at most
  ChoiceOptions choice = {};
  std::vector<Unit> end = {};     // units that end a sequence; they are its last
  std::vector<Unit> forced = {};  // what every sequence begins with
  double guidance = 1;            // 1: none
};

template <class M>
class SequenceRun {
 public:
  using State = typename M::State;
  using Condition = typename M::Condition;

  /// A sequence that ended before the others goes on as this in preview() and finish().
  static constexpr Unit none = -1;

  /// Throws argument_error when the numbers of conditions and noises differ, or an option is out of range. `without`:
  /// the conditions that guidance leads away from, one for each or one for all.
  SequenceRun(M model, std::span<const Condition> conditions, std::span<const Noise> noises, SequenceOptions options,
              std::span<const Condition> without = {}, Constraint constraint = {})
      : model_(std::move(model)), options_(std::move(options)) {
    static_assert(NextUnit<M>, "a SequenceRun wants a model with begin, next and vocabulary: generate/next_unit.hpp");
    const SequenceOptions& o = options_;
    if (conditions.empty() || conditions.size() != noises.size())
      throw argument_error("sequence: " + std::to_string(conditions.size()) + " conditions for " +
                           std::to_string(noises.size()) + " noises; one each");
    if (o.length < 0) throw argument_error("sequence: a length of " + std::to_string(o.length) + ", wanted 0 or more");
    const bool guided = o.guidance != 1;
    if (guided && without.size() != 1 && without.size() != conditions.size())
      throw argument_error("sequence: guidance wants a condition to lead away from, one for all or one each; got " +
                           std::to_string(without.size()));
    check_units("sequence: forced unit", o.forced, model_.vocabulary());
    check_units("sequence: end unit", o.end, model_.vocabulary());
    const Chooser chooser(o.choice);
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      Sequence s{model_.begin(conditions[i]), {}, {}, 0, noises[i], chooser, constraint, false};
      if (guided) s.without = model_.begin(without[without.size() == 1 ? 0 : i]);
      if constexpr (std::is_same_v<Condition, std::vector<Unit>>) {
        s.history = conditions[i];
        s.prompt = conditions[i].size();
      }
      each_.push_back(std::move(s));
    }
  }

  bool step() {
    if (done()) return false;
    read();
    for (Sequence& s : each_) {
      if (!s.ended) choose(s);
    }
    ++at_;
    return true;
  }
  bool done() const {
    if (at_ >= options_.length) return true;
    for (const Sequence& s : each_) {
      if (!s.ended) return false;
    }
    return true;
  }
  Index at() const { return at_; }
  /// The most there can be; once done, how many there were.
  Index total() const { return done() ? at_ : options_.length; }

  /// How many sequences there are, and what sequence i has become so far.
  Index count() const { return static_cast<Index>(each_.size()); }
  std::span<const Unit> units(Index i) const {
    const Sequence& s = each_[static_cast<std::size_t>(i)];
    return std::span<const Unit>(s.history).subspan(s.prompt);
  }
  /// What sequence i was told to go on from, where that is units.
  std::span<const Unit> prompt(Index i) const {
    const Sequence& s = each_[static_cast<std::size_t>(i)];
    return std::span<const Unit>(s.history).first(s.prompt);
  }
  bool ended(Index i) const { return each_[static_cast<std::size_t>(i)].ended; }
  /// The sum of the log-probabilities of what was chosen, in what it was drawn from.
  double log_probability(Index i) const { return each_[static_cast<std::size_t>(i)].log_probability; }

  /// [at], or [B, at] when begun with several.
  Tensor<Unit> preview() const {
    Tensor<Unit> all(Shape{count(), at_}, none);
    Unit* to = all.data();
    for (Index i = 0; i < count(); ++i) {
      const auto u = units(i);
      for (std::size_t k = 0; k < u.size(); ++k) to[i * at_ + static_cast<Index>(k)] = u[k];
    }
    return single_ ? std::move(all).reshaped(Shape{at_}) : all;
  }
  Tensor<Unit> finish() {
    while (step()) {}
    return preview();
  }

  const M& model() const { return model_; }
  const SequenceOptions& options() const { return options_; }
  /// `length` units at most from now on, those that there are included. Throws argument_error when there are more.
  void prolong(Index length) {
    if (length < at_)
      throw argument_error("sequence: a length of " + std::to_string(length) + " where there are " +
                           std::to_string(at_) + " units already");
    options_.length = length;
  }
  /// One sequence is [at] and not [1, at].
  void show_as_single(bool single) { single_ = single && each_.size() == 1; }

 private:
  template <class Model>
  friend class SequenceFile;

  struct Sequence {
    State state;
    std::optional<State> without;  // for guidance
    std::vector<Unit> history;     // prompt, if it is units, then what was chosen
    std::size_t prompt = 0;
    Noise noise;
    Chooser chooser;
    Constraint constraint;
    bool ended = false;
    double log_probability = 0;
  };

  /// Every sequence that goes on reads the unit chosen in the last step.
  void read() {
    if (at_ == 0) return;
    states_.clear();
    last_.clear();
    for (Sequence& s : each_) {
      if (s.ended) continue;
      states_.push_back(&s.state);
      last_.push_back(s.history.back());
      if (!s.without) continue;
      states_.push_back(&*s.without);
      last_.push_back(s.history.back());
    }
    feed(model_, std::span<State* const>(states_), std::span<const Unit>(last_));
    states_.clear();
  }

  void choose(Sequence& s) {
    if (at_ < static_cast<Index>(options_.forced.size())) {
      take(s, {options_.forced[static_cast<std::size_t>(at_)], 0});
      return;
    }
    std::span<const float> logits = s.state.logits();
    if (s.without || s.constraint) {
      logits_.assign(logits.begin(), logits.end());
      if (s.without) {
        const auto u = s.without->logits();
        const float scale = static_cast<float>(options_.guidance);
        for (std::size_t i = 0; i < logits_.size(); ++i) logits_[i] = u[i] + scale * (logits_[i] - u[i]);
      }
      if (s.constraint && !masked(s)) {
        s.ended = true;
        return;
      }
      logits = logits_;
    }
    take(s, s.chooser(logits, s.history, s.noise.fork(static_cast<std::uint64_t>(at_))));
  }

  /// logits_ under the constraint; units that end a sequence are its to allow, not the rule's. False when none is left.
  bool masked(Sequence& s) {
    kept_.clear();
    for (const Unit e : options_.end) kept_.push_back(logits_[static_cast<std::size_t>(e)]);
    bool any = s.constraint->mask(logits_);
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const bool may = s.constraint->may_end();
      logits_[static_cast<std::size_t>(options_.end[i])] = may ? kept_[i] : -INFINITY;
      any = any || may;
    }
    return any;
  }

  void take(Sequence& s, Chosen chosen) {
    s.history.push_back(chosen.unit);
    s.log_probability += chosen.log_probability;
    for (const Unit e : options_.end) s.ended = s.ended || e == chosen.unit;
    if (s.constraint && !s.ended) s.constraint->accept(chosen.unit);
  }

  M model_;
  SequenceOptions options_;
  std::vector<Sequence> each_;
  Index at_ = 0;
  bool single_ = false;
  // room kept between steps
  std::vector<State*> states_;
  std::vector<Unit> last_;
  std::vector<float> logits_, kept_;
};

/// One sequence.
template <NextUnit M>
SequenceRun<M> begin_sequence(const M& model, const typename M::Condition& condition, const Noise& noise,
                              const SequenceOptions& options = {}, Constraint constraint = {}) {
  SequenceRun<M> run(model, std::span<const typename M::Condition>(&condition, 1), std::span<const Noise>(&noise, 1),
                     options, {}, std::move(constraint));
  run.show_as_single(true);
  return run;
}

/// A NextUnit with options as a Generator, for generate(): `generate(writer(model, options), prompt, Noise{7})`.
template <NextUnit M>
struct Writer {
  M model;
  SequenceOptions options = {};
  Constraint constraint = {};

  SequenceRun<M> begin(const typename M::Condition& condition, const Noise& noise) const {
    return begin_sequence(model, condition, noise, options, constraint);
  }
};
template <NextUnit M>
Writer<M> writer(M model, SequenceOptions options = {}, Constraint constraint = {}) {
  return {std::move(model), std::move(options), std::move(constraint)};
}

}  // namespace tessera::inline TESSERA_ISA
