#include <tessera/generate/guidance.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

Tensor<float> numbers(std::initializer_list<float> values) {
  return Tensor<float>::from({static_cast<Index>(values.size())}, values);
}

/// Predicts x + time * condition, and counts its calls.
struct Predictor {
  int* calls;
  Tensor<float> operator()(const Tensor<float>& x, double time, double condition) const {
    ++*calls;
    return x + static_cast<float>(time * condition);
  }
};

}  // namespace

TEST_CASE("Guidance goes from the unconditional prediction past the conditional one", "[generate]") {
  const auto conditional = numbers({1, 2, -3}), unconditional = numbers({0, 4, 1});
  const auto same = [](const Tensor<float>& a, const Tensor<float>& b) {
    for (Index i = 0; i < a.size(); ++i) CHECK(a[i] == b[i]);
  };
  same(guide(conditional, unconditional, 1), conditional);
  same(guide(conditional, unconditional, 0), unconditional);
  same(guide(conditional, unconditional, 3), numbers({3, -2, -11}));
  CHECK_THROWS_AS(guide(conditional, numbers({1, 2}), 2), shape_error);
}

TEST_CASE("A guided predictor is a predictor", "[generate]") {
  int calls = 0;
  const auto x = numbers({1, 2});
  SECTION("it asks twice: with the condition and without") {
    const Guided<Predictor, double> guided{{&calls}, 0.0, 2.0};
    const Tensor<float> y = guided(x, 0.5, 10.0);  // x + 2 * 0.5 * 10
    CHECK(y[0] == 11);
    CHECK(y[1] == 12);
    CHECK(calls == 2);
  }
  SECTION("at scale 1 it asks once") {
    const Guided<Predictor, double> guided{{&calls}, 0.0, 1.0};
    CHECK(guided(x, 0.5, 10.0)[0] == 6);
    CHECK(calls == 1);
  }
}
