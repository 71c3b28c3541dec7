// For comparison: Eigen, one product.
#include <Eigen/Dense>

int main() {
  const Eigen::MatrixXf a = Eigen::MatrixXf::Random(8, 8);
  return static_cast<int>((a * a).sum());
}
