#include "examples/support/learning_curve.hpp"

#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

TEST_CASE("a learning curve goes on after a pause with every digit it had", "[examples]") {
  std::map<std::string, std::string> kept;
  LearningCurve first({.every = 10, .plot = {.y_label = "nats a letter"}}, kept);
  first.add(0.1);
  first.add(1.0 / 3);
  REQUIRE(first.line(20) == "step 20: held out 0.3333 nats a letter");
  const LearningCurve second({.every = 10}, kept);
  REQUIRE(second.last() == 1.0 / 3);
}

TEST_CASE("a learning curve catches up with the look that came after the checkpoint", "[examples]") {
  int looks = 0;
  const auto look = [&] { return ++looks, 0.5; };
  std::map<std::string, std::string> kept;
  LearningCurve curve({.every = 10}, kept);
  curve.catch_up(9, look);
  REQUIRE(looks == 0);
  curve.catch_up(10, look);
  curve.catch_up(10, look);
  curve.catch_up(19, look);
  REQUIRE(looks == 1);
  REQUIRE(kept["held out"] == "0.5 ");
  curve.catch_up(40, look);  // 20 and 30 were never looked at: gaps, or 40's would stand at 20
  REQUIRE(looks == 2);
  REQUIRE(kept["held out"] == "0.5 nan nan 0.5 ");

  std::map<std::string, std::string> none;
  LearningCurve never({.every = 0}, none);
  never.catch_up(40, look);
  REQUIRE(looks == 2);
  REQUIRE(!never.due(40));
}
