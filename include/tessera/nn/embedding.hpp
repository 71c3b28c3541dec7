// A learned vector per token id: ids [B, T] -> [B, T, D]. Call it with ids, or with `tape.ids(ids)` to record.
#pragma once

#include <tessera/autodiff/op/gather.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct Embedding {
  struct Config {
    Index count = 1, width = 1;
    double deviation = 0.02;  // of the initial values
  };

  Parameter<T> weight;  // [count, width]

  Embedding(Config c, Rng& rng) : weight{init::normal<T>({c.count, c.width}, c.deviation, rng)} {}

  template <Ids I>
  auto operator()(const I& ids) const {
    return embedding(ids, weight);
  }

  static void members(auto& self, auto&& see) { see("weight", self.weight); }
};

}  // namespace tessera::inline TESSERA_ISA
