// How often a second something is done: the twin of rate() in torch_side.py.
#pragma once

#include <chrono>

namespace tessera::bench {

/// Steps a second over so many seconds, three steps at least.
template <class Step>
double rate(double seconds, const Step& step) {
  const auto begin = std::chrono::steady_clock::now();
  double passed = 0, steps = 0;
  while (passed < seconds || steps < 3) {
    step();
    ++steps;
    passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return steps / passed;
}

}  // namespace tessera::bench
