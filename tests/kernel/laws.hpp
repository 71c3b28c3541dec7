// The laws every kernel over arrays keeps: equal to the plain loop at lengths about the pack's width, aligned or not;
// the same bits whatever the number of threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <vector>
#include "tests/support/catch.hpp"

namespace laws {

using tessera::Index;

template <class T>
std::vector<Index> lengths() {
  const Index w = tessera::kernel::Pack<T>::width;
  return {0, 1, w - 1, w, w + 1, 2 * w, 4 * w + 3, 257, 1024, 40009};
}

inline std::size_t size(Index n) { return static_cast<std::size_t>(n); }

/// n numbers spread evenly over [low, high), the same each time.
template <class T>
std::vector<T> numbers(Index n, std::uint64_t seed, double low = -2.0, double high = 2.0) {
  std::vector<T> x(size(n));
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (T& v : x) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    v = static_cast<T>(low + (high - low) * static_cast<double>(state >> 33) / 2147483648.0);
  }
  return x;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The greatest |got - want| / (scale_i + 1e-30).
template <class T, class Want, class Scale>
double worst(const std::vector<T>& got, const Want& want, const Scale& scale) {
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double e =
        std::fabs(static_cast<double>(got[i]) - want(static_cast<Index>(i))) / (scale(static_cast<Index>(i)) + 1e-30);
    if (!(e <= most)) most = e;  // NaN too
  }
  return most;
}

template <class T>
constexpr double epsilon = sizeof(T) == 4 ? 1.2e-7 : 2.3e-16;

/// run() gives a vector: the same bits with one thread, two and five.
template <class Run>
void check_threads(const Run& run) {
  const int before = tessera::threads();
  tessera::set_threads(1);
  const auto alone = run();
  for (int n : {2, 5}) {
    tessera::set_threads(n);
    CHECK(same_bits(alone, run()));
  }
  tessera::set_threads(before);
}

}  // namespace laws
