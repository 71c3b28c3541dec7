// Numbers for tests of kernels.
#pragma once

#include <cstdint>
#include <tessera/core/index.hpp>
#include <vector>

namespace tessera::testing {

/// They look random, lie in [-1, 1) and have full mantissas, so that a sum in another order has other bits.
template <class T>
std::vector<T> numbers(Index count, Index seed = 1) {
  std::vector<T> x(static_cast<std::size_t>(count));
  auto state = static_cast<std::uint32_t>(seed * 2654435761u);
  for (T& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<T>(static_cast<std::int32_t>(state)) * static_cast<T>(0x1p-31);
  }
  return x;
}

}  // namespace tessera::testing
