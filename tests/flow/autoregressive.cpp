#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/autoregressive.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("autoregressive flows are bijections", "[flow]") {
  check_bijection("MAF", MADE(MaskedAutoregressive<T>({.numbers = 4, .hidden = 7}, rng)), {3, 4});
  check_bijection("MAF backwards with a context",
                  MADE(MaskedAutoregressive<T>({.numbers = 3, .hidden = 7, .context = 2, .backwards = true}, rng)),
                  {3, 3}, {.context = 2});
  check_bijection("IAF", MADE(Reversed(MaskedAutoregressive<T>({.numbers = 3, .hidden = 6}, rng))), {3, 3});
  check_bijection("autoregressive spline", MADE(MaskedAutoregressive<T, SplineMap>({.numbers = 3, .hidden = 7}, rng)),
                  {3, 3});
}

TEST_CASE("a condition reaches every number of a masked flow, the first too", "[flow]") {
  for (const Index numbers : {1, 3}) {
    for (const bool backwards : {false, true}) {
      Rng rng(1);
      MaskedAutoregressive<double> flow({.numbers = numbers, .hidden = 8, .context = 2, .backwards = backwards}, rng);
      flow_detail::nudge<double>(flow, 0.5);
      const Tensor<double> x(Shape{1, numbers}, 0.3);
      const auto z = [&](double c) { return flow.forward(x, Tensor<double>(Shape{1, 2}, c)).value; };
      const Tensor<double> one = z(1), other = z(-1);
      for (Index i = 0; i < numbers; ++i) {
        INFO(numbers << " numbers, backwards " << backwards << ", number " << i);
        CHECK(std::abs(one[i] - other[i]) > 1e-3);
      }
    }
  }
}
