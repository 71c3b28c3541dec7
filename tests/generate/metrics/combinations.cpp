#include <tessera/generate/metrics/combinations.hpp>

#include <tessera/core/noise.hpp>
#include "tests/support/catch.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using Units = Tensor<std::int32_t>;

namespace {
/// Two readings of two units, 0 1 and 2 3, equally often; `apart`: each unit drawn by itself.
Units readings(Index n, std::uint64_t seed, bool apart) {
  Units x(Shape{n, 2});
  for (Index i = 0; i < n; ++i) {
    const Noise own = Noise{seed}.fork(static_cast<std::uint64_t>(i));
    const std::int32_t first = own.unit(0) < 0.5 ? 0 : 2, second = own.unit(apart ? 1 : 0) < 0.5 ? 1 : 3;
    x.data()[2 * i] = first;
    x.data()[2 * i + 1] = second;
  }
  return x;
}
const Units possible = Units::from({2, 2}, {0, 1, 2, 3});
}  // namespace

TEST_CASE("impossible combinations and modes are counted", "[generate]") {
  const Units made = Units::from({5, 2}, {0, 1, 0, 3, 2, 1, 0, 1, 7, 7});
  const Combinations c = count_combinations(made, possible);
  CHECK(c.impossible == Approx(3.0 / 5));
  CHECK(c.covered == 1);
  CHECK(c.modes == 2);
  CHECK(c.hits == std::vector<Index>{2, 0});
  CHECK(to_string(c) == "60% impossible, 1/2 modes");
  CHECK(count_combinations(made, possible, 3).covered == 0);
}

TEST_CASE("units drawn apart are impossible half of the time", "[generate]") {
  CHECK(count_combinations(readings(4000, 1, false), possible).impossible == 0);
  CHECK(count_combinations(readings(4000, 1, true), possible).impossible == Approx(0.5).margin(0.03));
}

TEST_CASE("joint and per-unit nats tell what is lost between units", "[generate]") {
  const double bit = std::log(2.0);
  const Units data = readings(4000, 2, false);
  const SampleNats together = sample_nats(readings(4000, 3, false), data, 4);
  CHECK(together.joint == Approx(bit).margin(0.01));
  CHECK(together.per_unit == Approx(2 * bit).margin(0.01));
  // Units by themselves are right, but the total correlation, a bit, is missing.
  const SampleNats apart = sample_nats(readings(4000, 3, true), data, 4);
  CHECK(apart.joint == Approx(2 * bit).margin(0.05));
  CHECK(apart.per_unit == Approx(2 * bit).margin(0.01));
  // Half of the data is what a model with one mode never makes: log 2n for each such object, and for each of its units.
  const SampleNats one = sample_nats(Units::from({1, 2}, {0, 1}), data, 4);
  CHECK(one.joint > together.joint);
  CHECK(one.per_unit > together.per_unit);
}

TEST_CASE("smoothed counts agree with a count by hand", "[generate]") {
  // Three kinds of objects on either side, 0 1, 2 1 and 2 3: joint counts of 3 and 0 in 4 + 3/2. Four values a unit.
  const Units made = Units::from({4, 2}, {0, 1, 0, 1, 0, 1, 2, 1});
  const SampleNats s = sample_nats(made, possible, 4);
  CHECK(s.joint == Approx(-0.5 * (std::log(3.5 / 5.5) + std::log(0.5 / 5.5))));
  CHECK(s.per_unit == Approx(-0.5 * (std::log(3.5 / 6) + std::log(4.5 / 6) + std::log(1.5 / 6) + std::log(0.5 / 6))));
}

TEST_CASE("combinations refuse what does not fit together", "[generate]") {
  CHECK_THROWS_WITH(count_combinations(Units(Shape{2, 3}, 0), possible), Contains("[2, 3] and [2, 2]"));
  CHECK_THROWS_WITH(count_combinations(possible, Units(Shape{2, 2}, 0)), Contains("twice"));
  CHECK_THROWS_WITH(count_combinations(Units(Shape{0, 2}), possible), Contains("[0, 2]"));
  CHECK_THROWS_WITH(sample_nats(possible, possible, 3), Contains("unit 3"));
}
