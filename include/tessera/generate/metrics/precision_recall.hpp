// Precision and recall of a generator over features (Kynkaanniemi et al., 2019, arXiv 1904.06991).
//
// A set's manifold is the union of balls round its points, each out to the point's k-th nearest other point.
//   precision   share of made points within the manifold of the real ones: how good
//   recall      share of real points within the manifold of the made ones: how varied
// Frechet and kernel distance mix the two; a collapsed generator has precision and no recall, a noisy one the reverse.
#pragma once

#include <tessera/generate/metrics/distances.hpp>

namespace tessera::inline TESSERA_ISA {

struct PrecisionRecall {
  double precision = 0, recall = 0;
};

namespace detail {
/// Squared distance of each row to its k-th nearest other row.
template <class T>
std::vector<double> manifold_radii(const Tensor<T>& x, Index k) {
  std::vector<double> radii, others;
  for_each_distance_row(x, x, [&](Index i, const std::vector<double>& squared) {
    others = squared;
    others.erase(others.begin() + i);
    const auto nth = others.begin() + (k - 1);
    std::nth_element(others.begin(), nth, others.end());
    radii.push_back(*nth);
  });
  return radii;
}
/// Share of the rows of x that lie in a ball of y's.
template <class T>
double share_within(const Tensor<T>& x, const Tensor<T>& y, const std::vector<double>& radii) {
  Index inside = 0;
  for_each_distance_row(x, y, [&](Index, const std::vector<double>& squared) {
    for (std::size_t j = 0; j < squared.size(); ++j) {
      if (squared[j] <= radii[j]) {
        ++inside;
        return;
      }
    }
  });
  return static_cast<double>(inside) / static_cast<double>(x.extent(0));
}
}  // namespace detail

/// Features [n, d] and [m, d], each of more than k rows. Throws shape_error, argument_error.
template <class T>
PrecisionRecall precision_recall(const Tensor<T>& real, const Tensor<T>& made, Index k = 3) {
  if (k < 1) throw argument_error("precision_recall: neighbour " + std::to_string(k) + " asked for, wanted 1 or more");
  detail::check_features("precision_recall", real, made, k + 1);
  return {detail::share_within(made, real, detail::manifold_radii(real, k)),
          detail::share_within(real, made, detail::manifold_radii(made, k))};
}

}  // namespace tessera::inline TESSERA_ISA
