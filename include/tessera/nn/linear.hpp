// y = x W^T + b over the last axis: [..., in] -> [..., out].
#pragma once

#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct Linear {
  struct Config {
    Index in = 1, out = 1;
    bool bias = true;
    bool zero = false;  // start as the zero map (last layer of a residual branch)
  };

  Parameter<T> weight;               // [out, in]
  std::optional<Parameter<T>> bias;  // [out]

  Linear(Config c, Rng& rng)
      : weight{c.zero ? init::zeros<T>({c.out, c.in}) : init::kaiming_uniform<T>({c.out, c.in}, c.in, rng)} {
    if (c.bias) bias = Parameter<T>{init::zeros<T>({c.out})};
  }

  template <Value X>
  X operator()(const X& x) const {
    return bias ? linear(x, lift(x, weight), lift(x, *bias)) : linear(x, lift(x, weight));
  }

  /// y + the map of x, without a pass of its own; for layers with a bias.
  template <Value X>
  X added_to(X y, const X& x) const {
    if (!bias) return std::move(y) + linear(x, lift(x, weight));
    return linear_added(std::move(y), x, lift(x, weight), lift(x, *bias));
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

}  // namespace tessera::inline TESSERA_ISA
