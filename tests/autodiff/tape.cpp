#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/tanh.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("a value used twice gathers both gradients", "[autodiff]") {
  Tape<D> tape;
  const auto x = tape.input(D::scalar(3));
  tape.backward(x * x + x);
  REQUIRE(tape.gradient(x).item() == 7);
}

TEST_CASE("a parameter is one leaf however often it is lifted, and frozen ones are constants", "[autodiff]") {
  Parameter<double> w{D::scalar(2)}, f{D::scalar(5), true};
  Tape<D> tape;
  const auto x = tape.constant(D::scalar(3));
  tape.backward(x * lift(x, w) + lift(x, w) * lift(x, f));
  REQUIRE(tape.gradient(w).item() == 8);
  REQUIRE(tape.find_gradient(f) == nullptr);
}

TEST_CASE("a tape of a million operations runs both ways", "[autodiff]") {
  Tape<D> tape;
  auto y = tape.input(D::scalar(0.5));
  const auto x = y;
  for (int i = 0; i < 1000000; ++i) y = y + 1e-6;
  tape.backward(y);
  REQUIRE(tape.gradient(x).item() == 1);
}

TEST_CASE("a tape can be cleared and used again", "[autodiff]") {
  Tape<D> tape;
  for (int round = 0; round < 3; ++round) {
    tape.clear();
    const auto x = tape.input(D::scalar(round));
    tape.backward(tanh(x));
    REQUIRE(tape.gradient(x).item() == Approx(1 - std::pow(std::tanh(round), 2)));
  }
}

TEST_CASE("gradients never change the values they were made from", "[autodiff]") {
  Tape<D> tape;
  const D value = draw({4}, 1);
  const D copy = value.clone();
  const auto x = tape.input(value);
  const auto y = x + x, z = y * y;
  tape.backward(sum(z + y));
  REQUIRE(same_bytes(value, copy));
  for (Index i = 0; i < 4; ++i) REQUIRE(tape.gradient(x)[i] == Approx(8 * copy[i] + 2));
}

TEST_CASE("misuse of a tape is explained", "[autodiff]") {
  Tape<D> tape;
  const auto x = tape.input(draw({3}, 1));
  REQUIRE_THROWS_AS(tape.backward(x), shape_error);
  REQUIRE_THROWS_AS(tape.backward(tape.constant(D::scalar(1))), argument_error);
  REQUIRE_THROWS_AS(tape.gradient(x), argument_error);
  REQUIRE_THROWS_AS(tape.backward(x, D({2}, 1.0)), shape_error);
}

TEST_CASE("a constant's gradient is zero", "[autodiff]") {
  Tape<D> tape;
  const auto x = tape.constant(draw({3}, 1)), y = tape.input(draw({3}, 2));
  tape.backward(sum(x * y));
  const D none = tape.take_gradient(x);
  CHECK(none.shape() == Shape{3});
  CHECK((none[0] == 0 && none[1] == 0 && none[2] == 0));
}
