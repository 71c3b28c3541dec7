// LSTM (Hochreiter and Schmidhuber, 1997) and GRU (Cho et al., 2014, arXiv 1406.1078) over [B, T, in] -> [B, T, hidden].
//
//   LSTM  i, f, o = sigmoid, g = tanh of (W x + U h + b);   c = f c + i g;   h = o tanh(c)        gates in the order i f g o
//   GRU   r, z = sigmoid(W x + U h + b);   n = tanh(W x + b + r (U h + b));   h = (1 - z) n + z h   gates in the order r z n
// The product with x is done for all steps at once; a step multiplies h only. The state is a value: keep it to go on.
#pragma once

#include <tessera/autodiff/op/sigmoid.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

struct RecurrentConfig {
  Index in = 1, hidden = 1;
};

template <Value X>
struct LstmState {
  X h, c;  // [B, hidden]
};

namespace detail {
template <Value X>
X zero_state(const X& x, Index hidden) {
  return lift(x, Tensor<ScalarOf<X>>(Shape{x.extent(0), hidden}, ScalarOf<X>(0)));
}
template <Value X>
void check_sequence(const char* layer, const X& x, Index in) {
  if (x.rank() != 3 || x.extent(2) != in || x.extent(1) < 1)
    throw shape_error(std::string(layer) + ": a sequence [B, T, " + std::to_string(in) + "] wanted, shape is " +
                      x.shape().to_string());
}
/// Part `i` of the last axis cut into pieces of `width`.
template <Value X>
X gate_at(const X& x, Index i, Index width) {
  return slice(x, -1, i * width, (i + 1) * width);
}
}  // namespace detail

template <class T>
struct Lstm {
  using Config = RecurrentConfig;

  Linear<T> input, recurrent;  // to the four gates; the input's bias serves both
  Index hidden;

  Lstm(const Config& c, Rng& rng)
      : input({.in = c.in, .out = 4 * c.hidden}, rng),
        recurrent({.in = c.hidden, .out = 4 * c.hidden, .bias = false}, rng),
        hidden(c.hidden) {
    T* b = input.bias->value.data();
    for (Index i = c.hidden; i < 2 * c.hidden; ++i) b[i] = T(1);  // open forget gates: Jozefowicz et al., 2015
  }

  template <Value X>
  X operator()(const X& x) const {
    LstmState<X> state = start(x);
    return (*this)(x, state);
  }
  template <Value X>
  LstmState<X> start(const X& x) const {
    return {detail::zero_state(x, hidden), detail::zero_state(x, hidden)};
  }
  /// From `state`, which becomes the state after the last step.
  template <Value X>
  X operator()(const X& x, LstmState<X>& state) const {
    detail::check_sequence("Lstm", x, input.weight.value.extent(1));
    const X all = input(x);
    std::vector<X> outputs;
    for (Index t = 0; t < x.extent(1); ++t) {
      const X gates = reshape(slice(all, 1, t, t + 1), {x.extent(0), 4 * hidden}) + recurrent(state.h);
      const X i = sigmoid(detail::gate_at(gates, 0, hidden)), f = sigmoid(detail::gate_at(gates, 1, hidden));
      const X g = tanh(detail::gate_at(gates, 2, hidden)), o = sigmoid(detail::gate_at(gates, 3, hidden));
      state.c = f * state.c + i * g;
      state.h = o * tanh(state.c);
      outputs.push_back(state.h);
    }
    return stack(std::span<const X>(outputs), 1);
  }

  static void members(auto& self, auto&& see) {
    see("input", self.input);
    see("recurrent", self.recurrent);
  }
};

template <class T>
struct Gru {
  using Config = RecurrentConfig;

  Linear<T> input, recurrent;  // to the three gates
  Index hidden;

  Gru(const Config& c, Rng& rng)
      : input({.in = c.in, .out = 3 * c.hidden}, rng),
        recurrent({.in = c.hidden, .out = 3 * c.hidden}, rng),
        hidden(c.hidden) {}

  template <Value X>
  X operator()(const X& x) const {
    X h = start(x);
    return (*this)(x, h);
  }
  template <Value X>
  X start(const X& x) const {
    return detail::zero_state(x, hidden);
  }
  /// From state h [B, hidden], which becomes the state after the last step.
  template <Value X>
  X operator()(const X& x, X& h) const {
    detail::check_sequence("Gru", x, input.weight.value.extent(1));
    const X all = input(x);
    std::vector<X> outputs;
    for (Index t = 0; t < x.extent(1); ++t) {
      const X a = reshape(slice(all, 1, t, t + 1), {x.extent(0), 3 * hidden}), b = recurrent(h);
      const X r = sigmoid(detail::gate_at(a, 0, hidden) + detail::gate_at(b, 0, hidden));
      const X z = sigmoid(detail::gate_at(a, 1, hidden) + detail::gate_at(b, 1, hidden));
      const X n = tanh(detail::gate_at(a, 2, hidden) + r * detail::gate_at(b, 2, hidden));
      h = n + z * (h - n);
      outputs.push_back(h);
    }
    return stack(std::span<const X>(outputs), 1);
  }

  static void members(auto& self, auto&& see) {
    see("input", self.input);
    see("recurrent", self.recurrent);
  }
};

}  // namespace tessera::inline TESSERA_ISA
