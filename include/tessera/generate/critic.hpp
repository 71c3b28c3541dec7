// The critic's contract. A critic is a module that scores (object, condition), one number an item, higher for what it
// takes to be real and matching:
//
//   critic(x, condition) -> [B]           x [B, ...] as a Tensor, a Var, or a Var of one: penalties differentiate twice
//   critic(x, condition, seen) -> [B]         the same in training, for critics with batch norms; then also
//   critic.update(seen)
//
// A condition is ids: [B] labels, [B, T] tokens with 0 for padding, or nothing at all. A critic that is to learn
// whether the two belong together is shown real pairs that match, real ones that do not, and what was made for a
// condition (Reed et al., 2016, arXiv 1605.05396).
#pragma once

#include <concepts>
#include <tessera/nn/batch_norm.hpp>
#include <tessera/nn/spectral_norm.hpp>

namespace tessera::inline TESSERA_ISA {

/// [B] labels, [B, T] tokens, or no tensor at all.
using Condition = Tensor<std::int32_t>;

/// A batch of what there is to learn from.
template <class T>
struct Examples {
  Tensor<T> real;            // [B, ...]
  Condition condition = {};  // of each
};

/// What batch norms have seen in one turn, in the order of the calls.
template <class T>
using Seen = std::vector<BatchStatistics<T>>;

template <class C, class X>
concept Critic = Module<C> && Value<X> && requires(const C& critic, const X& x, const Condition& condition) {
  { critic(x, condition) } -> std::same_as<X>;
};

/// The scores in training: a critic with batch norms notes in `seen` what they saw.
template <class C, Value X>
requires Critic<C, X> X score(const C& critic, const X& x, const Condition& condition, Seen<ScalarOf<X>>& seen) {
  X s;
  if constexpr (requires { critic(x, condition, seen); })
    s = critic(x, condition, seen);
  else
    s = critic(x, condition);
  if (s.shape() != Shape{x.extent(0)})
    throw shape_error("critic: a score for each of " + std::to_string(x.extent(0)) + " objects wanted, shape is " +
                      s.shape().to_string());
  return s;
}

/// The same critic as a constant: its parameters take no gradient. Shares the memory.
template <Module C>
C held(const C& critic) {
  C copy = critic;
  freeze(copy, "*");
  return copy;
}

/// Conditions that belong to other items of the batch, and which of them do differ from the item's own.
template <class T>
struct Mismatched {
  Condition condition;
  Tensor<T> differs;  // [B], 1 or 0
  Index count = 0;    // of ones
};

/// Every item gets the condition of the item `shift` places on, the shift drawn from 1 to B - 1: no item keeps its own,
/// though two may be called alike; those count 0.
template <class T>
Mismatched<T> mismatch(const Condition& condition, const Noise& noise) {
  if (condition.rank() < 1 || condition.size() == 0)
    throw argument_error("mismatch: there is no condition to exchange; give the examples labels or tokens");
  const Index b = condition.extent(0), width = condition.size() / b;
  Mismatched<T> m{Condition(condition.shape()), Tensor<T>(Shape{b}), 0};
  const Index shift = b > 1 ? 1 + noise.below(b - 1) : 0;
  std::int32_t* to = m.condition.data();
  T* differs = m.differs.data();
  for (Index i = 0; i < b; ++i) {
    const std::int32_t* from = condition.data() + (i + shift) % b * width;
    const std::int32_t* own = condition.data() + i * width;
    const auto bytes = static_cast<std::size_t>(width) * sizeof(std::int32_t);
    std::memcpy(to + i * width, from, bytes);
    const bool other = std::memcmp(from, own, bytes) != 0;
    differs[i] = other ? T(1) : T(0);
    m.count += other;
  }
  return m;
}

}  // namespace tessera::inline TESSERA_ISA
