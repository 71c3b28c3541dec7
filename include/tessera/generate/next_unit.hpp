// NextUnit: what every autoregressive model offers, and all that the Run, beam search and speculation ask of it.
//
//   State begin(condition)                    all that was said so far, read; state.logits() is the next unit's
//   next(state, unit)                         the unit has come: state.logits() is that of the one after it
//   vocabulary()                              how many units there are
// A state is a value: a copy goes on by itself. A model is a handle (weights shared), cheap to copy. A law says that stepping
// equals the network's forward pass over all units at once.
//
// A model may offer more, and is then used so:
//   next(states, units)                       one step of many sequences, each with the bits it has alone
//   extend(state, units) -> [n, V]            n units at once; row i is what next() gives after units[i]
//   rewind(state, n)                          as if the last n units had not come
#pragma once

#include <concepts>
#include <span>
#include <tessera/core/tensor.hpp>
#include <tessera/generate/choice/candidates.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

template <class M>
concept NextUnit = std::copyable<M> && std::copyable<typename M::State> &&
    requires(const M& model, typename M::State& state, const typename M::State& seen, const typename M::Condition& c) {
  { model.begin(c) } -> std::same_as<typename M::State>;
  model.next(state, Unit{});
  { seen.logits() } -> std::convertible_to<std::span<const float>>;
  { model.vocabulary() } -> std::convertible_to<Index>;
};

template <class M>
concept NextUnits = NextUnit<M> &&
    requires(const M& model, std::span<typename M::State* const> states, std::span<const Unit> units) {
  model.next(states, units);
};

template <class M>
concept Extendable = NextUnit<M> && requires(const M& model, typename M::State& state, std::span<const Unit> units) {
  { model.extend(state, units) } -> std::convertible_to<Tensor<float>>;
  model.rewind(state, Index{});
};

/// Throws argument_error for one that is not of the vocabulary; `what` they are begins the message.
inline void check_units(const char* what, std::span<const Unit> units, Index vocabulary) {
  for (const Unit u : units) {
    if (u < 0 || u >= vocabulary)
      throw argument_error(std::string(what) + " " + std::to_string(u) + " is not in [0, " +
                           std::to_string(vocabulary) + ")");
  }
}

/// Feeds units one by one, or at once where the model can.
template <NextUnit M>
void feed(const M& model, typename M::State& state, std::span<const Unit> units) {
  if (units.empty()) return;
  if constexpr (Extendable<M>) {
    model.extend(state, units);
  } else {
    for (const Unit u : units) model.next(state, u);
  }
}
/// One unit for each of many states.
template <NextUnit M>
void feed(const M& model, std::span<typename M::State* const> states, std::span<const Unit> units) {
  if constexpr (NextUnits<M>) {
    if (!units.empty()) model.next(states, units);
  } else {
    for (std::size_t i = 0; i < units.size(); ++i) model.next(*states[i], units[i]);
  }
}

}  // namespace tessera::inline TESSERA_ISA
