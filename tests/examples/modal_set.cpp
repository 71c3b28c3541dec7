#include "examples/support/modal_set.hpp"

#include "examples/support/budget.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;
using Catch::Matchers::Contains;

TEST_CASE("the laboratory's own draws are possible and cover all modes", "[examples]") {
  for (const Modal set : modal_sets) {
    INFO(name_of(set));
    CHECK(modal_named(name_of(set)) == set);
    const ModalForm f = form_of(set);
    const Tensor<float> points = modal_points(set, 2000, Noise{1});
    REQUIRE(points.shape() == Shape{2000, f.numbers});
    const ModalScore score = score_modal(set, points, Noise{2});
    CHECK(score.modes.impossible < 0.003);
    CHECK(score.modes.covered == score.modes.modes);
    CHECK(score.nats.joint < score.nats.per_unit + 0.1);

    // Through units and back nothing is lost.
    const Tensor<std::int32_t> units = to_units(set, points);
    REQUIRE(units.shape() == Shape{2000, f.units});
    Index outside = 0;
    for (Index i = 0; i < units.size(); ++i) outside += units[i] < 0 || units[i] >= f.values;
    CHECK(outside == 0);
    CHECK(same_bytes(to_units(set, to_points(set, units, Noise{3})), units));
    CHECK(modal_panel(set, points).shape() == Shape{modal_panel_side, modal_panel_side, 3});
  }
  CHECK_THROWS_WITH(modal_named("square"), Contains("sentence, runner, ring, grid"));
}

TEST_CASE("units of different answers are impossible, but not on the grid", "[examples]") {
  for (const Modal set : modal_sets) {
    INFO(name_of(set));
    // Every unit from a draw of its own.
    const Index n = 1000, units = form_of(set).units;
    Tensor<std::int32_t> mixed(Shape{n, units});
    for (Index k = 0; k < units; ++k) {
      const auto from = to_units(set, modal_points(set, n, Noise{4}.fork(static_cast<std::uint64_t>(k))));
      for (Index i = 0; i < n; ++i) mixed.data()[i * units + k] = from[i * units + k];
    }
    const ModalScore score = score_modal(set, to_points(set, mixed, Noise{5}), Noise{6});
    if (set == Modal::grid)
      CHECK(score.modes.impossible < 0.02);
    else
      CHECK(score.modes.impossible > 0.4);
  }
}

TEST_CASE("a budget is a number of steps", "[examples]") {
  Index taken = 0;
  const Index steps = steps_within(0.2, [&](Index n) {
    taken += n;
    const double until = processor_seconds() + 0.001 * static_cast<double>(n);
    while (processor_seconds() < until) {}
  });
  CHECK(taken > 2);
  CHECK(steps > 20);  // 200 but for what the machine does meanwhile
  CHECK(steps <= 201);
}
