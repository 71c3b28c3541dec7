#include <cmath>
#include <cstdio>

#include "product.hpp"

int main() {
  using tessera::Tensor;
  const Tensor<float> a({37, 41}, 0.25f), b({41, 53}, 0.5f);
  const Tensor<float> here = tessera::matmul(a, b);
  const Tensor<float> there = consumer::product_elsewhere(a, b);
  float worst = 0;
  for (tessera::Index i = 0; i < here.size(); ++i) {
    const float difference = std::fabs(here.data()[i] - there.data()[i]);
    const float error = std::fabs(here.data()[i] - 41 * 0.125f);
    worst = std::fmax(worst, std::fmax(difference, error));
  }
  std::printf("%d lanes here, %d in the other translation unit, largest error %g\n", tessera::kernel::native_width,
              consumer::width_elsewhere(), static_cast<double>(worst));
  return worst < 1e-5f && here.size() == 37 * 53 ? 0 : 1;
}
