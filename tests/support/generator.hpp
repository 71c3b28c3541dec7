// The laws of generation, one line a model: same condition and noise, same object; stopping at step k gives the preview of step k;
// a copied run continues like the original; steps count from 1 and end at the total.
#pragma once

#include <tessera/generate/run.hpp>
#include <vector>

#include "tests/support/catch.hpp"

namespace tessera::testing {

template <class M, class Condition>
void check_generator(const M& model, const Condition& condition, Noise noise) {
  const auto object = generate(model, condition, noise);
  REQUIRE(same_bytes(object, generate(model, condition, noise)));

  std::vector<Index> steps;
  Index total = 0;
  const auto watched = generate(model, condition, noise, [&](const auto& p) {
    steps.push_back(p.step());
    total = p.total();
    return Advice::proceed;
  });
  REQUIRE(same_bytes(object, watched));
  REQUIRE(static_cast<Index>(steps.size()) == total);
  for (Index i = 0; i < total; ++i) REQUIRE(steps[static_cast<std::size_t>(i)] == i + 1);

  auto run = model.begin(condition, noise);
  REQUIRE_FALSE(run.done());
  for (Index k = 1; k <= total; ++k) {
    REQUIRE(run.step());
    const auto stopped =
        generate(model, condition, noise, [k](const auto& p) { return p.step() < k ? Advice::proceed : Advice::stop; });
    REQUIRE(same_bytes(stopped, run.preview()));
    auto fork = run;
    REQUIRE(same_bytes(fork.finish(), object));
  }
  REQUIRE(run.done());
  REQUIRE_FALSE(run.step());
  REQUIRE(same_bytes(run.finish(), object));
}

}  // namespace tessera::testing
