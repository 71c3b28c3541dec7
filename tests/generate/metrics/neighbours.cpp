// Kernel distance, precision and recall, modes, duplicates: against numbers worked out by hand.
#include <tessera/generate/collapse.hpp>
#include <tessera/generate/metrics/kernel_distance.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/generate/metrics/precision_recall.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("distances between rows agree with the plain formula, far from the origin too", "[generate]") {
  const D a = draw({300, 5}, 1, 1, 1000), b = draw({7, 5}, 2, 1, 1000);
  for_each_distance_row(a, b, [&](Index i, const std::vector<double>& squared) {
    REQUIRE(squared.size() == 7);
    for (Index j = 0; j < 7; ++j) {
      double s = 0;
      for (Index k = 0; k < 5; ++k) s += std::pow(a[i * 5 + k] - b[j * 5 + k], 2);
      REQUIRE(squared[static_cast<std::size_t>(j)] == Approx(s).epsilon(1e-9));
    }
  });
  const std::vector<double> nearest = nearest_other(D::from({4, 1}, {0.0, 1.0, 3.0, 7.0}));
  REQUIRE(nearest[0] == Approx(1));
  REQUIRE(nearest[2] == Approx(2));
  REQUIRE(nearest[3] == Approx(4));
}

TEST_CASE("the kernel distance is the unbiased estimate, pair by pair", "[generate]") {
  // d = 1, k(x, y) = (x y + 1)^3. a = {0, 1}, b = {2, 3}:
  //   k(0, 1) = 1;  k(2, 3) = 7^3 = 343;  cross: 1, 1, 3^3 = 27, 4^3 = 64, mean 93 / 4
  const D a = D::from({2, 1}, {0.0, 1.0}), b = D::from({2, 1}, {2.0, 3.0});
  REQUIRE(kernel_distance(a, b) == Approx(1 + 343 - 2 * 93 / 4.0));
  // d = 2: k = (x y / 2 + 1)^3
  const D c = D::from({2, 2}, {1.0, 1.0, 1.0, -1.0}), e = D::from({2, 2}, {2.0, 0.0, 0.0, 2.0});
  REQUIRE(kernel_distance(c, e) == Approx(1 + 1 - 2 * (8 + 8 + 8 + 0) / 4.0));
}

TEST_CASE("the kernel distance of two samples of one distribution is about zero", "[generate]") {
  const double same = kernel_distance(draw({600, 4}, 1), draw({700, 4}, 2));
  const double moved = kernel_distance(draw({600, 4}, 1), draw({700, 4}, 2, 1, 0.5));
  REQUIRE(std::abs(same) < 0.05);
  REQUIRE(moved > 0.3);
}

TEST_CASE("precision and recall of points on a line, by hand", "[generate]") {
  // k = 1. Real 0 1 2 10: squared radii 1 1 1 64. Made 0.5 20 21: radii 19.5^2 1 1.
  //   made 0.5 is within 1 of real 0; 20 and 21 are 10 and 11 from real 10, whose radius is 8: precision 1/3
  //   all real points are within 19.5 of made 0.5: recall 1
  const D real = D::from({4, 1}, {0.0, 1.0, 2.0, 10.0}), made = D::from({3, 1}, {0.5, 20.0, 21.0});
  const PrecisionRecall p = precision_recall(real, made, 1);
  REQUIRE(p.precision == Approx(1 / 3.0));
  REQUIRE(p.recall == Approx(1));
  const PrecisionRecall q = precision_recall(made, real, 1);
  REQUIRE(q.precision == Approx(1));
  REQUIRE(q.recall == Approx(1 / 3.0));
  REQUIRE_THROWS_AS(precision_recall(real, made, 3), shape_error);
  REQUIRE_THROWS_AS(precision_recall(real, made, 0), argument_error);
}

TEST_CASE("a collapsed set is precise without recall, a noisy one the reverse", "[generate]") {
  const D real = draw({400, 2}, 1);
  const PrecisionRecall collapsed = precision_recall(real, draw({400, 2}, 2, 0.01));
  REQUIRE(collapsed.precision > 0.95);
  REQUIRE(collapsed.recall < 0.05);
  const PrecisionRecall noisy = precision_recall(real, draw({400, 2}, 3, 20));
  REQUIRE(noisy.precision < 0.1);
  REQUIRE(noisy.recall > 0.8);
}

TEST_CASE("modes are counted by nearness, and a NaN is near none", "[generate]") {
  const D modes = D::from({3, 2}, {0.0, 0.0, 10.0, 0.0, 0.0, 10.0});
  const D samples = D::from({5, 2}, {0.1, 0.0, -0.1, 0.1, 9.9, 0.0, 5.0, 5.0, std::nan(""), 0.0});
  const ModeCount m = count_modes(samples, modes, 0.3);
  REQUIRE(m.covered == 2);
  REQUIRE(m.modes == 3);
  REQUIRE(m.hits == std::vector<Index>{2, 1, 0});
  REQUIRE(m.near == Approx(3 / 5.0));
  REQUIRE(count_modes(samples, modes, 0.3, 2).covered == 1);
  REQUIRE(to_string(m) == "2/3 modes, 60% near one");
  REQUIRE_THROWS_AS(count_modes(samples, D({3, 1}, 0.0), 0.3), shape_error);
}

TEST_CASE("classes and agreement are counted from logits", "[generate]") {
  const D logits = D::from({3, 3}, {0.0, 2.0, 1.0, 5.0, 1.0, 1.0, 0.0, 3.0, 1.0});
  const auto seen = most_likely(logits);
  REQUIRE(seen[0] == 1);
  REQUIRE(seen[1] == 0);
  REQUIRE(seen[2] == 1);
  REQUIRE(count_classes(seen, 3).covered == 2);
  REQUIRE(agreement(logits, Tensor<std::int32_t>::from({3}, {1, 1, 1})) == Approx(2 / 3.0));
  REQUIRE_THROWS_AS(count_classes(seen, 1), argument_error);
  REQUIRE_THROWS_AS(agreement(logits, Tensor<std::int32_t>::from({2}, {1, 1})), shape_error);
}

TEST_CASE("duplicates are told by the scale of the real objects", "[generate]") {
  // Real points one apart: half the median is 0.5. Of the made, 0 and 0.1 are twins, 5 and 9 are not.
  const D real = D::from({5, 1}, {0.0, 1.0, 2.0, 3.0, 4.0}), made = D::from({4, 1}, {0.0, 0.1, 5.0, 9.0});
  REQUIRE(duplicate_rate(real, made) == Approx(0.5));
  REQUIRE(duplicate_rate(real, D({8, 1}, 3.0)) == 1);
  REQUIRE(duplicate_rate(real, real) == 0);
  const Diagnosis d =
      diagnose(AdversarialLoss::hinge, D::from({2}, {2.0, 0.0}), D::from({2}, {-3.0, -2.0}), real, made);
  REQUIRE(d.saturation == Approx(0.75));
  REQUIRE(d.real_score == 1);
  REQUIRE(d.made_score == -2.5);
}
