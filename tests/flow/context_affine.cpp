#include <tessera/flow/context_affine.hpp>

#include "tests/flow/bijection_laws.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;

TEST_CASE("a context shifts and scales as a bijection", "[flow]") {
  check_bijection("context affine", MADE(ContextAffine<T>({.numbers = 3, .context = 2}, rng)), {4, 3}, {.context = 2});
}

TEST_CASE("a shift by context starts as the identity and says what it needs", "[flow]") {
  Rng rng(1);
  const ContextAffine<double> map({.numbers = 3, .context = 2}, rng);
  const D x = draw({2, 3}, 1), c = draw({2, 2}, 2);
  CHECK(same_bytes(map.forward(x, c).value, x));
  CHECK_THROWS_WITH(map.forward(x), Contains("needs the context"));
  CHECK_THROWS_WITH(map.forward(draw({2, 4}, 1), c), Contains("[2, 4]"));
}
