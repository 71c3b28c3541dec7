// A chain whose next unit depends on the last two: the smallest model with everything a NextUnit may offer, and probabilities
// that a test can work out.
#pragma once

#include <tessera/generate/next_unit.hpp>

namespace tessera::testing {

struct Markov {
  using Condition = std::vector<Unit>;

  struct State {
    std::span<const float> logits() const { return row; }
    std::vector<float> row;
    std::vector<Unit> seen;
  };

  Index units = 5;
  std::uint64_t seed = 1;
  float spread = 2;

  Index vocabulary() const { return units; }
  std::vector<float> row(Unit before, Unit last) const {
    const Noise noise =
        Noise{seed}.fork(static_cast<std::uint64_t>(before + 1)).fork(static_cast<std::uint64_t>(last + 1));
    std::vector<float> logits(static_cast<std::size_t>(units));
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = spread * static_cast<float>(noise.unit(i));
    return logits;
  }
  State begin(const Condition& prompt) const {
    State s{row(-1, -1), {}};
    for (const Unit u : prompt) next(s, u);
    return s;
  }
  void next(State& s, Unit u) const {
    s.seen.push_back(u);
    const std::size_t n = s.seen.size();
    s.row = row(n > 1 ? s.seen[n - 2] : -1, u);
  }
  Tensor<float> extend(State& s, std::span<const Unit> all) const {
    Tensor<float> logits(Shape{static_cast<Index>(all.size()), units});
    float* to = logits.data();
    for (const Unit u : all) {
      next(s, u);
      for (const float x : s.row) *to++ = x;
    }
    return logits;
  }
  void rewind(State& s, Index n) const { s.seen.resize(s.seen.size() - static_cast<std::size_t>(n)); }
};

}  // namespace tessera::testing
