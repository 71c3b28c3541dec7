// CTC against the sum over every row of units and blanks, written out, and against finite differences.
#include <tessera/autodiff/op/ctc.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Row = std::vector<std::int32_t>;

namespace {

/// -log of the sum of the probabilities of all V^T rows that say y.
double by_enumeration(const D& logits, Index steps, const Row& y, std::int32_t blank) {
  const Index v = logits.cols();
  const D p = softmax(logits);
  double sum = 0;
  Row path(static_cast<std::size_t>(steps), 0);
  for (bool more = true; more;) {
    if (ctc_collapse(path, blank) == y) {
      double product = 1;
      for (Index t = 0; t < steps; ++t) product *= p[t * v + path[static_cast<std::size_t>(t)]];
      sum += product;
    }
    more = false;
    for (std::size_t t = 0; t < path.size() && !more; ++t) {
      more = ++path[t] < v;
      if (!more) path[t] = 0;
    }
  }
  return -std::log(sum);
}
CtcTargets targets(const std::vector<Row>& rows, Index longest, std::int32_t blank = 0) {
  CtcTargets y{.units = Tensor<std::int32_t>({static_cast<Index>(rows.size()), longest}, -1), .blank = blank};
  for (std::size_t b = 0; b < rows.size(); ++b) {
    for (std::size_t i = 0; i < rows[b].size(); ++i)
      y.units.data()[static_cast<Index>(b) * longest + static_cast<Index>(i)] = rows[b][i];
  }
  return y;
}

}  // namespace

TEST_CASE("repeats are merged before blanks are dropped", "[autodiff]") {
  CHECK(ctc_collapse(Row{0, 1, 1, 0, 1, 2, 2, 0}) == Row{1, 1, 2});
  CHECK(ctc_collapse(Row{3, 3, 1, 3}, 3) == Row{1});
  CHECK(ctc_collapse(Row{}).empty());
  CHECK(ctc_steps(Row{1, 1, 2, 2, 2}) == 8);
}

TEST_CASE("CTC equals the sum over all alignments", "[autodiff]") {
  const std::vector<Row> all = {{}, {1}, {2, 1}, {1, 1}, {1, 2, 1}, {2, 2, 1}, {1, 2, 3, 1}};
  for (const Row& y : all) {
    for (const std::int32_t blank : {0, 4}) {
      if (blank == 4 && y.empty()) continue;
      for (Index steps = std::max<Index>(ctc_steps(y), 1); steps <= 5; ++steps) {
        const D logits = draw({1, steps, 5}, 10 + static_cast<std::uint64_t>(steps), 1.5);
        INFO("steps " << steps << ", units " << y.size());
        const D found = ctc(logits, targets({y}, 4, blank));
        CHECK(found.item() == Approx(by_enumeration(logits, steps, y, blank)).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("the probabilities of everything that can be said add up to one", "[autodiff]") {
  const D logits = draw({1, 3, 3}, 4);
  double sum = 0;
  const std::vector<Row> all = {{}, {1}, {2}, {1, 2}, {2, 1}, {1, 1}, {2, 2}, {1, 2, 1}, {2, 1, 2}};
  for (const Row& y : all) sum += std::exp(-ctc(logits, targets({y}, 3)).item());
  CHECK(sum == Approx(1).epsilon(1e-12));
}

TEST_CASE("a batch of CTC is the mean of its items, whose padding counts for nothing", "[autodiff]") {
  const std::vector<Row> rows = {{1, 2, 2}, {3}, {}};
  CtcTargets y = targets(rows, 3);
  y.steps = Tensor<std::int32_t>::from({3}, {6, 2, 4});
  const D logits = draw({3, 6, 4}, 9);
  double mean = 0;
  for (Index b = 0; b < 3; ++b) {
    D item({1, y.steps[b], 4});
    std::memcpy(item.data(), logits.data() + b * 24, static_cast<std::size_t>(item.size()) * sizeof(double));
    mean += ctc(item, targets({rows[static_cast<std::size_t>(b)]}, 3)).item() / 3;
  }
  CHECK(ctc(logits, y).item() == Approx(mean).epsilon(1e-12));
  check_gradient_of([&](const auto& x) { return ctc(x, y); }, {{3, 6, 4}}, {.second = false});
}

TEST_CASE("CTC stays finite where probabilities are not", "[autodiff]") {
  D logits({1, 40, 3}, -400.0);
  for (Index t = 0; t < 40; ++t) logits.data()[t * 3] = 400;  // blanks for certain, as far as double goes
  Tape<D> tape;
  const Var<D> x = tape.input(logits), loss = ctc(x, targets({{1, 2}}, 2));
  CHECK(loss.value().item() == Approx(1600 - std::log(780)).epsilon(1e-9));  // C(40, 2) places for the two
  tape.backward(loss);
  for (Index i = 0; i < logits.size(); ++i) CHECK(std::isfinite(tape.gradient(x)[i]));
}

TEST_CASE("what CTC cannot say is refused", "[autodiff]") {
  const D logits = draw({1, 3, 4}, 1);
  CHECK_THROWS_AS(ctc(logits, targets({{1, 1, 2}}, 3)), argument_error);  // 4 steps
  CHECK_THROWS_AS(ctc(logits, targets({{1, 0}}, 2)), argument_error);     // the blank
  CHECK_THROWS_AS(ctc(logits, targets({{4}}, 2)), argument_error);
  CHECK_THROWS_AS(ctc(logits, targets({{1}, {2}}, 2)), shape_error);
  CtcTargets y = targets({{1}}, 1);
  y.steps = Tensor<std::int32_t>::from({1}, {4});
  CHECK_THROWS_AS(ctc(logits, y), argument_error);
}
