// The Frechet distance between two sets of features, each taken for a normal distribution (Heusel et al., 2017, arXiv
// 1706.08500):
//
//   d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2)
//
// The published form with (C1 C2)^1/2 has the same trace; this one has symmetric roots only, so it needs no complex
// numbers and no correction when a covariance is singular. In double throughout. Distances compare only for equal
// features and equal n: the estimate shrinks as n grows.
#pragma once

#include <tessera/core/eigen.hpp>
// Eigen's solvers after Eigen/Core, whose include above keeps g++'s false alarms quiet
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Eigenvalues>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <tessera/generate/metrics/distances.hpp>

namespace tessera::inline TESSERA_ISA {

/// Mean and covariance (divided by n - 1) of features, gathered once for the data and compared with many models.
struct FeatureStatistics {
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
  Index count = 0;
};

/// features [n, d], n >= 2. Throws shape_error, number_error for a NaN or an infinity.
template <class T>
FeatureStatistics feature_statistics(const Tensor<T>& features) {
  detail::check_features("frechet_distance", features, features, 2);
  const Eigen::MatrixXd x = matrix(features).template cast<double>();
  if (!x.allFinite()) throw number_error("frechet_distance: the features hold a NaN or an infinity");
  FeatureStatistics s;
  s.count = features.extent(0);
  s.mean = x.colwise().mean();
  const Eigen::MatrixXd centred = x.rowwise() - s.mean.transpose();
  s.covariance = centred.transpose() * centred / static_cast<double>(s.count - 1);
  return s;
}

namespace detail {
/// The symmetric root of a positive semidefinite matrix; what rounding made negative counts as 0.
inline Eigen::MatrixXd symmetric_root(const Eigen::MatrixXd& m) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(m);
  const Eigen::VectorXd root = solver.eigenvalues().cwiseMax(0).cwiseSqrt();
  return solver.eigenvectors() * root.asDiagonal() * solver.eigenvectors().transpose();
}
}  // namespace detail

/// Squared, as it is always quoted ("FID").
inline double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  if (a.mean.size() != b.mean.size())
    throw shape_error("frechet_distance: features of width " + std::to_string(a.mean.size()) + " and " +
                      std::to_string(b.mean.size()));
  const Eigen::MatrixXd root = detail::symmetric_root(a.covariance);
  const Eigen::MatrixXd inner = root * b.covariance * root;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(0.5 * (inner + inner.transpose()),
                                                              Eigen::EigenvaluesOnly);
  const double cross = solver.eigenvalues().cwiseMax(0).cwiseSqrt().sum();
  const double d = (a.mean - b.mean).squaredNorm() + a.covariance.trace() + b.covariance.trace() - 2 * cross;
  return d > 0 ? d : 0;
}
/// Between features [n, d] and [m, d].
template <class T>
double frechet_distance(const Tensor<T>& a, const Tensor<T>& b) {
  return frechet_distance(feature_statistics(a), feature_statistics(b));
}

}  // namespace tessera::inline TESSERA_ISA
