#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/coupling.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("couplings of pictures are bijections", "[flow]") {
  check_bijection("affine", MADE(Coupling<T, ConvConditioner<T>>({.channels = 4, .hidden = 5}, rng)), {2, 2, 3, 4},
                  {.nudge = 0.2});
  check_bijection("affine with a context",
                  MADE(Coupling<T, ConvConditioner<T>>({.channels = 2, .swap = true, .hidden = 5, .context = 2}, rng)),
                  {2, 3, 2, 2}, {.context = 2, .nudge = 0.2});
  check_bijection("checkerboard", MADE(CheckerboardCoupling<T>({.channels = 1, .hidden = 4}, rng)), {2, 3, 4, 1},
                  {.nudge = 0.2});
  check_bijection("checkerboard, the other pixels, with a context",
                  MADE(CheckerboardCoupling<T>({.channels = 2, .swap = true, .hidden = 4, .context = 3}, rng)),
                  {2, 2, 3, 2}, {.context = 3, .nudge = 0.2});
}
