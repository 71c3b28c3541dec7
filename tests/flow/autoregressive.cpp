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
