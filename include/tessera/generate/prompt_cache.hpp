// Beginnings that many prompts share, read once: instructions, examples, a document that questions are asked about.
//
//   PromptCache<GptDecoder> model(decoder);
//   model.keep(instructions);                                     // reads them
//   auto run = begin_sequence(model, prompt, Noise{7});           // reads only what follows them in the prompt
//
// A NextUnit itself, so runs, beams and speculation take it in the model's place, and see the whole prompt (penalties look back on
// all of it). What comes is the same, bit for bit. A state kept costs what the model's state costs: a GptDecoder's copies share
// their pages of keys and values.
#pragma once

#include <algorithm>
#include <tessera/generate/next_unit.hpp>

namespace tessera::inline TESSERA_ISA {

template <NextUnit M>
requires std::same_as<typename M::Condition, std::vector<Unit>>
class PromptCache {
 public:
  using State = typename M::State;
  using Condition = typename M::Condition;

  explicit PromptCache(M model) : model_(std::move(model)) {}

  /// Reads a beginning, by what is kept of it already, and keeps it. Throws what the model's begin() throws.
  void keep(const Condition& beginning) {
    const Kept* known = longest(beginning);
    if (known == nullptr || known->units.size() < beginning.size()) kept_.push_back({beginning, begin(beginning)});
  }
  void clear() { kept_.clear(); }
  /// How many beginnings are kept.
  Index size() const { return static_cast<Index>(kept_.size()); }

  State begin(const Condition& prompt) const {
    const Kept* known = longest(prompt);
    if (known == nullptr) return model_.begin(prompt);
    State state = known->state;
    feed(model_, state, std::span<const Unit>(prompt).subspan(known->units.size()));
    return state;
  }
  Index vocabulary() const { return model_.vocabulary(); }
  void next(State& state, Unit unit) const { model_.next(state, unit); }
  void next(std::span<State* const> states, std::span<const Unit> units) const requires NextUnits<M> {
    model_.next(states, units);
  }
  Tensor<float> extend(State& state, std::span<const Unit> units) const requires Extendable<M> {
    return model_.extend(state, units);
  }
  void rewind(State& state, Index n) const requires Extendable<M> { model_.rewind(state, n); }

  const M& model() const { return model_; }

 private:
  struct Kept {
    Condition units;
    State state;
  };

  /// The longest that the prompt begins with, null if there is none.
  const Kept* longest(const Condition& prompt) const {
    const Kept* best = nullptr;
    for (const Kept& k : kept_) {
      if (k.units.size() > prompt.size() || (best != nullptr && k.units.size() <= best->units.size())) continue;
      if (std::equal(k.units.begin(), k.units.end(), prompt.begin())) best = &k;
    }
    return best;
  }

  M model_;
  std::vector<Kept> kept_;
};

}  // namespace tessera::inline TESSERA_ISA
