#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/actnorm.hpp>
#include <tessera/flow/invertible_linear.hpp>
#include <tessera/flow/planar.hpp>
#include <tessera/flow/squeeze.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("actnorm, invertible 1 x 1 and maps without parameters are bijections", "[flow]") {
  check_bijection("actnorm", MADE(ActNorm<T>({.channels = 3})), {2, 2, 3});
  check_bijection("invertible 1 x 1", MADE(InvertibleLinear<T>({.channels = 4}, rng)), {2, 3, 4}, {.nudge = 0.1});
  check_bijection("squeeze", [](auto) { return Squeeze{}; }, {2, 4, 2, 2});
  check_bijection("logit", [](auto) { return Logit{}; }, {3, 5}, {.offset = 0.5, .scale = 0.1});
  check_bijection("standardise", [](auto) { return Standardise{.shift = 0.5, .scale = -3}; }, {3, 4});
}

TEST_CASE("planar and radial flows are bijections", "[flow]") {
  check_bijection("planar", MADE(Planar<T>({.numbers = 3}, rng)), {4, 3}, {.nudge = 1});
  check_bijection("radial", MADE(Radial<T>({.numbers = 3}, rng)), {4, 3}, {.nudge = 1});
}
