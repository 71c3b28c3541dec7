#include "product.hpp"

namespace consumer {

tessera::Tensor<float> product_elsewhere(const tessera::Tensor<float>& a, const tessera::Tensor<float>& b) {
  return tessera::matmul(a, b);
}

int width_elsewhere() { return tessera::kernel::native_width; }

}  // namespace consumer
