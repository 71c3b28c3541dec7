// Networks for tests that look at what comes out.
#pragma once

#include <string>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::testing {

/// Moves every parameter by some noise: branches that start at zero would hide what is behind them.
template <class M>
void nudge(M& module, double deviation, Rng& rng) {
  for_each_parameter(module, [&](const std::string&, auto& p) {
    p.value = p.value + init::normal<ScalarOf<std::remove_cvref_t<decltype(p.value)>>>(p.value.shape(), deviation, rng);
  });
}

}  // namespace tessera::testing
