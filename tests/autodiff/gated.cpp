#include <tessera/autodiff/op/gated.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("gated: the gradient of tanh times sigmoid, the second derivative too", "[autodiff]") {
  check_gradient([](const auto& x) { return gated(x); }, {{2, 3, 10}});
}

TEST_CASE("gated: the same bits as its parts, at every width", "[autodiff]") {
  for (const Index width : {1, 3, 8, 16, 17, 64, 100}) {
    const auto x = Noise{3}.normal<float>({5, 2 * width});
    CHECK(same_bytes(gated(x), tanh(slice(x, -1, 0, width)) * sigmoid(slice(x, -1, width, 2 * width))));
  }
  CHECK_THROWS_AS(gated(Tensor<float>(Shape{2, 3}, 0.0F)), shape_error);
}
