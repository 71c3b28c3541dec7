#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/log.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/sin.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/autodiff/op/tanh.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("arithmetic has the gradients of finite differences, broadcasting included", "[autodiff]") {
  const Shape pairs[][2] = {{{3, 4}, {3, 4}}, {{3, 4}, {4}}, {{3, 1}, {1, 4}}, {{2, 1, 3}, {4, 1}}, {{2, 2}, {}}};
  for (const auto& s : pairs) {
    check_gradient([](const auto& a, const auto& b) { return a + b; }, s);
    check_gradient([](const auto& a, const auto& b) { return a - b; }, s);
    check_gradient([](const auto& a, const auto& b) { return a * b; }, s);
    check_gradient([](const auto& a, const auto& b) { return a / b; }, s, {.scale = 0.3, .offset = 2});
  }
  check_gradient([](const auto& a) { return 2.0 - (1.5 * a + 3.0) / 0.7; }, {{2, 3}});
  check_gradient([](const auto& a) { return 3.0 / a; }, {{2, 3}}, {.scale = 0.3, .offset = 2});
}

TEST_CASE("elementwise functions have the gradients of finite differences", "[autodiff]") {
  check_gradient([](const auto& x) { return exp(x); }, {{5}});
  check_gradient([](const auto& x) { return log(x); }, {{5}}, {.scale = 0.3, .offset = 2});
  check_gradient([](const auto& x) { return tanh(x); }, {{5}});
  check_gradient([](const auto& x) { return sigmoid(x); }, {{5}});
  check_gradient([](const auto& x) { return silu(x); }, {{5}});
  check_gradient([](const auto& x) { return gelu(x); }, {{5}});
  check_gradient([](const auto& x) { return gelu_tanh(x); }, {{5}});
  check_gradient([](const auto& x) { return erf(x); }, {{5}});
  check_gradient([](const auto& x) { return sin(x); }, {{5}});
  check_gradient([](const auto& x) { return cos(x); }, {{5}});
  check_gradient([](const auto& x) { return softplus(x); }, {{5}});
  check_gradient([](const auto& x) { return square(x); }, {{5}});
  check_gradient([](const auto& x) { return sqrt(x); }, {{5}}, {.scale = 0.3, .offset = 2});
  check_gradient([](const auto& x) { return rsqrt(x); }, {{5}}, {.scale = 0.3, .offset = 2});
  check_gradient([](const auto& x) { return pow(x, 2.5); }, {{5}}, {.scale = 0.3, .offset = 2});
  check_gradient([](const auto& x) { return relu(x); }, {{7}});
  check_gradient([](const auto& x) { return leaky_relu(x, 0.2); }, {{7}});
  check_gradient([](const auto& x) { return abs(x); }, {{7}});
  check_gradient([](const auto& x) { return clamp(x, -0.5, 0.5); }, {{7}});
  check_gradient([](const auto& a, const auto& b) { return maximum(a, b); }, {{7}, {7}});
  check_gradient([](const auto& a, const auto& b) { return minimum(a, b); }, {{7}, {2, 7}});
  const D mask = D::from({3}, {1.0, 0.0, 1.0});
  check_gradient([mask](const auto& a, const auto& b) { return where(mask, a, b); }, {{3}, {2, 1}});
}

TEST_CASE("fused float adjoints agree with double ones", "[autodiff]") {
  const D x = draw({257}, 3, 3.0);
  const auto both = [&](const auto& f) {
    Tape<D> wide;
    const auto a = wide.input(x);
    wide.backward(sum(f(a)));
    Tape<Tensor<float>> narrow;
    const auto b = narrow.input(x.as<float>());
    narrow.backward(sum(f(b)));
    for (Index i = 0; i < x.size(); ++i)
      REQUIRE(static_cast<double>(narrow.gradient(b)[i]) == Approx(wide.gradient(a)[i]).epsilon(1e-4).margin(2e-6));
  };
  both([](const auto& v) { return silu(v); });
  both([](const auto& v) { return gelu(v); });
  both([](const auto& v) { return gelu_tanh(v); });
  both([](const auto& v) { return tanh(v); });
  both([](const auto& v) { return sigmoid(v); });
}

TEST_CASE("a maximum shares its gradient among the places that attain it", "[autodiff]") {
  Tape<D> tape;
  const auto x = tape.input(D::from({2, 3}, {1.0, 5.0, 5.0, 2.0, 0.0, -1.0}));
  tape.backward(sum(max(x, {1})));
  const D& g = tape.gradient(x);
  const double expected[] = {0, 0.5, 0.5, 1, 0, 0};
  for (int i = 0; i < 6; ++i) REQUIRE(g[i] == expected[i]);
}

TEST_CASE("shapes that do not broadcast are an error that shows both", "[autodiff]") {
  const D a({2, 3}, 0.0), b({2}, 0.0);
  REQUIRE_THROWS_WITH(a + b, Catch::Matchers::Contains("[2, 3]") && Catch::Matchers::Contains("[2]"));
  REQUIRE_THROWS_AS(clamp(a, 1.0, 0.0), argument_error);
}
