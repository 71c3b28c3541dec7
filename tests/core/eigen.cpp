#include <tessera/core/eigen.hpp>
#include <tessera/core/noise.hpp>
#include <utility>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("matrix is the tensor's own memory", "[core][eigen]") {
  Tensor<float> t = Noise{1}.normal<float>({2, 3, 4});
  auto m = matrix(t);
  CHECK(m.data() == std::as_const(t).data());
  CHECK(m.rows() == 6);
  CHECK(m.cols() == 4);
  CHECK(m(5, 1) == t[21]);
  m(1, 2) = 5.0f;
  CHECK(t[6] == 5.0f);
  m.row(0).setZero();
  CHECK(t[3] == 0.0f);

  const Tensor<float>& fixed = t;
  CHECK(matrix(fixed).data() == fixed.data());
  static_assert(std::is_same_v<decltype(matrix(fixed).data()), const float*>, "a const tensor gives a const map");
}

TEST_CASE("a mutable map leaves earlier copies of the tensor alone", "[core][eigen]") {
  Tensor<double> t({2, 2}, 1.0);
  const Tensor<double> before = t;
  matrix(t) *= 3.0;
  CHECK(t[3] == 3.0);
  CHECK(before[3] == 1.0);
}

TEST_CASE("vectors, scalars and empty tensors are matrices", "[core][eigen]") {
  Tensor<float> vector({5}, 1.0f), scalar = Tensor<float>::scalar(2), none(Shape{0, 3}), empty(Shape{3, 0});
  CHECK(matrix(vector).rows() == 1);
  CHECK(matrix(vector).cols() == 5);
  CHECK(matrix(scalar)(0, 0) == 2.0f);
  CHECK(matrix(none).size() == 0);
  CHECK(matrix(empty).size() == 0);
}

TEST_CASE("every dense expression becomes a tensor", "[core][eigen]") {
  const Tensor<float> a = Noise{1}.normal<float>({3, 4}), b = Noise{2}.normal<float>({4, 5});
  const Tensor<float> product = to_tensor(matrix(a) * matrix(b));
  CHECK(product.shape() == Shape{3, 5});
  float sum = 0;
  for (Index k = 0; k < 4; ++k) sum += a[2 * 4 + k] * b[k * 5 + 3];
  CHECK(product[2 * 5 + 3] == Approx(sum));
  const Eigen::MatrixXf column_major = matrix(a);
  CHECK(same_bytes(to_tensor(column_major), a));
  CHECK(to_tensor(matrix(a).transpose())[1] == a[4]);
  CHECK(to_tensor<double>(matrix(a).array().square())[7] == Approx(static_cast<double>(a[7] * a[7])));
  CHECK(to_tensor(Eigen::VectorXd::Ones(3)).shape() == Shape{3, 1});
}
