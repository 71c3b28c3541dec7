// A small network with dropout, a buffer and a frozen parameter, and data to train it on.
#pragma once

#include <tessera/autodiff/op/dropout.hpp>
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/core/noise.hpp>
#include <tessera/nn/linear.hpp>

namespace test {

using namespace tessera;

template <class T>
struct Net {
  using Number = T;
  Linear<T> in, hidden, out;
  Buffer<T> shift;      // saved and averaged, not trained
  Parameter<T> unused;  // never gets a gradient

  Net(Index inputs, Index width, Rng& rng)
      : in({.in = inputs, .out = width}, rng),
        hidden({.in = width, .out = width}, rng),
        out({.in = width, .out = 1}, rng),
        shift{Tensor<T>(Shape{1}, T(0.5))},
        unused{Tensor<T>(Shape{2, 2}, T(1))} {}

  template <Value X>
  X operator()(const X& x, double drop = 0, const Noise& noise = Noise{0}) const {
    const X h = tanh(in(x));
    return out(dropout(tanh(hidden(h)), drop, noise)) + shift.value;
  }

  static void members(auto& self, auto&& see) {
    see("in", self.in);
    see("hidden", self.hidden);
    see("out", self.out);
    see("shift", self.shift);
    see("unused", self.unused);
  }
};

/// Every parameter and buffer has the same bytes.
template <class M>
bool same_tensors(const M& a, const M& b) {
  std::vector<Tensor<typename M::Number>> left;
  for_each_tensor(a, [&](const std::string&, const auto& v) { left.push_back(v); });
  std::size_t i = 0;
  bool same = true;
  for_each_tensor(b, [&](const std::string&, const auto& v) { same = same && same_bytes(left[i++], v); });
  return same;
}

}  // namespace test
