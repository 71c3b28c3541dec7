#include <tessera/generate/metrics/frechet.hpp>

#include <Eigen/Geometry>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("the Frechet distance of one-dimensional normals is that of their means and deviations", "[generate]") {
  // a: mean 1, variance 2 (of -0, 2 -> (1 + 1) / 1); b: mean 5, variance 8.  (1 - 5)^2 + (sqrt 2 - sqrt 8)^2 = 16 + 2
  const D a = D::from({2, 1}, {0.0, 2.0}), b = D::from({2, 1}, {3.0, 7.0});
  REQUIRE(frechet_distance(a, b) == Approx(18));
  REQUIRE(frechet_distance(a, a) == Approx(0).margin(1e-12));
}

TEST_CASE("the Frechet distance takes correlation into account", "[generate]") {
  // Equal means, covariances 2/3 [[1, 1], [1, 1]] and 2/3 [[1, -1], [-1, 1]]: both rank one, orthogonal, so the cross
  // term is 0 and the distance is the sum of the traces, 4/3 + 4/3.
  const D a = D::from({3, 2}, {1.0, 1.0, 0.0, 0.0, -1.0, -1.0}), b = D::from({3, 2}, {1.0, -1.0, 0.0, 0.0, -1.0, 1.0});
  REQUIRE(feature_statistics(a).covariance(0, 1) == Approx(1));
  REQUIRE(frechet_distance(a, b) == Approx(4));  // divided by n - 1 = 2: traces of 2 each
}

TEST_CASE("commuting covariances have the distance of their deviations", "[generate]") {
  FeatureStatistics a, b;
  a.mean = Eigen::Vector3d(0, 0, 0);
  b.mean = Eigen::Vector3d(1, 2, 2);
  a.covariance = Eigen::Vector3d(1, 4, 9).asDiagonal();
  b.covariance = Eigen::Vector3d(4, 4, 1).asDiagonal();
  REQUIRE(frechet_distance(a, b) == Approx(9 + 1 + 0 + 4));
  const Eigen::MatrixXd turn = Eigen::AngleAxisd(0.7, Eigen::Vector3d(1, 2, 3).normalized()).toRotationMatrix();
  FeatureStatistics c = a, d = b;  // a rotation of both changes nothing
  c.mean = turn * a.mean;
  d.mean = turn * b.mean;
  c.covariance = turn * a.covariance * turn.transpose();
  d.covariance = turn * b.covariance * turn.transpose();
  REQUIRE(frechet_distance(c, d) == Approx(14));
  REQUIRE(frechet_distance(d, c) == Approx(14));
}

TEST_CASE("the Frechet distance refuses what it can't compare", "[generate]") {
  REQUIRE_THROWS_AS(frechet_distance(draw({4, 2}, 1), draw({4, 3}, 2)), shape_error);
  REQUIRE_THROWS_AS(frechet_distance(draw({1, 2}, 1), draw({4, 2}, 2)), shape_error);
  D bad = draw({4, 2}, 1);
  bad.data()[3] = std::nan("");
  REQUIRE_THROWS_AS(feature_statistics(bad), number_error);
}
