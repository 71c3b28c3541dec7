// y = x^-1 of a small square matrix, by elimination with pivots.    dx = -y^T dy y^T
#pragma once

#include <cmath>
#include <tessera/autodiff/op/matmul.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// x [N, N]. Throws shape_error, and number_error for a singular matrix. Works in double, O(N^3).
template <std::floating_point T>
Tensor<T> matrix_inverse(const Tensor<T>& x) {
  if (x.rank() != 2 || x.extent(0) != x.extent(1))
    throw shape_error("matrix_inverse: a square matrix wanted, shape is " + x.shape().to_string());
  const Index n = x.extent(0), w = 2 * n;
  std::vector<double> m(static_cast<std::size_t>(n * w), 0.0);  // [x | I]
  const auto at = [&](Index r, Index c) -> double& { return m[static_cast<std::size_t>(r * w + c)]; };
  for (Index r = 0; r < n; ++r) {
    for (Index c = 0; c < n; ++c) at(r, c) = static_cast<double>(x[r * n + c]);
    at(r, n + r) = 1;
  }
  for (Index k = 0; k < n; ++k) {
    Index best = k;
    for (Index r = k + 1; r < n; ++r) best = std::abs(at(r, k)) > std::abs(at(best, k)) ? r : best;
    if (!(std::abs(at(best, k)) > 1e-300))
      throw number_error("matrix_inverse: the matrix is singular (column " + std::to_string(k) + " of " +
                         std::to_string(n) + ")");
    if (best != k) {
      for (Index c = 0; c < w; ++c) std::swap(at(k, c), at(best, c));
    }
    const double scale = 1 / at(k, k);
    for (Index c = 0; c < w; ++c) at(k, c) *= scale;
    for (Index r = 0; r < n; ++r) {
      const double f = at(r, k);
      if (r == k || f == 0) continue;
      for (Index c = k; c < w; ++c) at(r, c) -= f * at(k, c);
    }
  }
  Tensor<T> y(x.shape());
  T* to = y.data();
  for (Index r = 0; r < n; ++r) {
    for (Index c = 0; c < n; ++c) to[r * n + c] = static_cast<T>(at(r, n + c));
  }
  return y;
}
template <class V>
Var<V> matrix_inverse(const Var<V>& x) {
  V y = matrix_inverse(x.value());
  return x.tape()->record(y, wrt(x, [y](const V& g) { return -product(y, product(g, y, false, true), true, false); }));
}

}  // namespace tessera::inline TESSERA_ISA
