// A budget of time, as a number of training steps: schedules that come down at the end need to know where that is.
// Processor time counts, not the clock on the wall: a machine that does other things meanwhile favours nobody.
#pragma once

#include <time.h>

#include <tessera/core/index.hpp>

namespace tessera::examples {

/// Of this process, all its threads together.
inline double processor_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// How many steps fit into `seconds`, `trial(n)` being n steps on a copy that is thrown away. At least 2.
template <class Trial>
Index steps_within(double seconds, const Trial& trial) {
  trial(Index{1});  // the first one fills caches and pools
  for (Index n = 2;; n *= 2) {
    const double began = processor_seconds();
    trial(n);
    const double took = processor_seconds() - began;
    if (took < 0.02 * seconds && took < 2) continue;
    const auto steps = static_cast<Index>(seconds / took * static_cast<double>(n));
    return steps < 2 ? 2 : steps;
  }
}

}  // namespace tessera::examples
