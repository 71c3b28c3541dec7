#include "tests/flow/bijection_laws.hpp"

#include <tessera/flow/actnorm.hpp>
#include <tessera/flow/coupling.hpp>
#include <tessera/flow/invertible_linear.hpp>

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("compositions of bijections are bijections", "[flow]") {
  check_bijection("chain",
                  MADE(Chain(ActNorm<T>({.channels = 4}), InvertibleLinear<T>({.channels = 4}, rng),
                             Reversed(Coupling<T, DenseConditioner<T>>({.channels = 4, .hidden = 5}, rng)))),
                  {3, 4}, {.nudge = 0.1});
  check_bijection("stack",
                  [](auto t) {
                    using T = decltype(t);
                    Rng rng(3);
                    using C = Coupling<T, DenseConditioner<T>>;
                    std::vector<C> parts;
                    for (int i = 0; i < 3; ++i)
                      parts.emplace_back(typename C::Config{.channels = 2, .swap = i % 2 == 1, .hidden = 5}, rng);
                    return Stack(std::move(parts));
                  },
                  {3, 2}, {.nudge = 0.2});
}
