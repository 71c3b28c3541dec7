#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/coupling.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("couplings of vectors are bijections", "[flow]") {
  check_bijection("additive", MADE(Coupling<T, DenseConditioner<T>, Additive>({.channels = 4, .hidden = 6}, rng)),
                  {3, 4});
  check_bijection<true>("affine", MADE(Coupling<T, DenseConditioner<T>>({.channels = 4, .hidden = 6}, rng)), {3, 4});
  check_bijection("affine, the other half, with a context",
                  MADE(Coupling<T, DenseConditioner<T>>({.channels = 6, .swap = true, .hidden = 5, .context = 2}, rng)),
                  {3, 6}, {.context = 2});
  check_bijection("spline", MADE(Coupling<T, DenseConditioner<T>, SplineMap>({.channels = 4, .hidden = 6}, rng)),
                  {3, 4});
  check_bijection(
      "spline, the other half, with a context",
      MADE(Coupling<T, DenseConditioner<T>, SplineMap>(
          {.channels = 2, .swap = true, .hidden = 6, .context = 3, .transform = {{.bins = 5, .range = 2}}}, rng)),
      {4, 2}, {.context = 3});
}
