#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/multiscale.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("multi-scale flows are bijections", "[flow]") {
  const auto glow = [](auto t) {
    Rng rng(3);
    return MultiScale<decltype(t)>({.height = 4,
                                    .width = 4,
                                    .channels = 1,
                                    .levels = 2,
                                    .steps = 1,
                                    .hidden = 4,
                                    .context = 2,
                                    .learned_split = true},
                                   rng);
  };
  check_bijection("Glow", glow, {2, 4, 4, 1}, {.context = 2, .nudge = 0.1});
  const auto real_nvp = [](auto t) {
    Rng rng(3);
    return MultiScale<decltype(t)>(
        {.height = 4, .width = 4, .channels = 1, .levels = 2, .steps = 2, .hidden = 4, .mix = false}, rng);
  };
  check_bijection("RealNVP", real_nvp, {2, 4, 4, 1}, {.nudge = 0.1});
}
