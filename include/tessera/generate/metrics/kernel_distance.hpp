// The kernel distance between two sets of features (Binkowski et al., 2018, arXiv 1801.01401): the unbiased estimate of
// the squared maximum mean discrepancy under the kernel k(x, y) = (x y / d + 1)^3.
//
//   mean over i != j of k(x_i, x_j)  +  mean over i != j of k(y_i, y_j)  -  2 mean over i, j of k(x_i, y_j)
//
// Unlike the Frechet distance it assumes no distribution and has no bias, so that it compares across sample sizes; by
// chance it can be slightly negative.
#pragma once

#include <tessera/generate/metrics/distances.hpp>

namespace tessera::inline TESSERA_ISA {

/// Between features [n, d] and [m, d], n and m at least 2.
template <class T>
double kernel_distance(const Tensor<T>& a, const Tensor<T>& b) {
  detail::check_features("kernel_distance", a, b, 2);
  const double width = static_cast<double>(a.cols());
  const auto mean_kernel = [&](const Tensor<T>& x, const Tensor<T>& y, bool same) {
    const Index n = x.extent(0), m = y.extent(0), block = 256;
    double total = 0;
    for (Index begin = 0; begin < n; begin += block) {
      const Index end = begin + block < n ? begin + block : n;
      Tensor<T> part(Shape{end - begin, x.cols()});
      std::memcpy(part.data(), x.data() + begin * x.cols(), static_cast<std::size_t>(part.size()) * sizeof(T));
      const Tensor<T> dots = product(part, y, false, true);
      for (Index i = begin; i < end; ++i) {
        for (Index j = 0; j < m; ++j) {
          if (same && i == j) continue;
          const double k = static_cast<double>(dots[(i - begin) * m + j]) / width + 1;
          total += k * k * k;
        }
      }
    }
    return total / (static_cast<double>(n) * static_cast<double>(same ? m - 1 : m));
  };
  return mean_kernel(a, a, true) + mean_kernel(b, b, true) - 2 * mean_kernel(a, b, false);
}

}  // namespace tessera::inline TESSERA_ISA
