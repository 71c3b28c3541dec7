#include <limits>
#include <tessera/kernel/reduce.hpp>
#include <vector>
#include "tests/kernel/laws.hpp"

using namespace tessera;
using laws::size;

TEMPLATE_TEST_CASE("sum, dot and max of an array are the plain loop's", "[kernel][reduce]", float, double) {
  using T = TestType;
  auto lengths = laws::lengths<T>();
  lengths.push_back(3000001);
  for (const Index n : lengths) {
    const auto a = laws::numbers<T>(n + 1, 1), b = laws::numbers<T>(n + 1, 2);
    const T *x = a.data() + 1, *z = b.data() + 1;
    double total = 0, product = 0, size_of_sum = 0, size_of_dot = 0, greatest = -HUGE_VAL;
    for (Index i = 0; i < n; ++i) {
      const double p = static_cast<double>(x[i]), q = static_cast<double>(z[i]);
      total += p, size_of_sum += std::fabs(p), product += p * q, size_of_dot += std::fabs(p * q);
      if (p > greatest) greatest = p;
    }
    CAPTURE(n);
    CHECK(std::fabs(static_cast<double>(kernel::sum(n, x)) - total) <= 3 * laws::epsilon<T> * size_of_sum);
    CHECK(std::fabs(static_cast<double>(kernel::dot(n, x, z)) - product) <= 3 * laws::epsilon<T> * size_of_dot);
    CHECK(static_cast<double>(kernel::max(n, x)) == greatest);
    CHECK(kernel::all_finite(n, x));
  }
}

TEST_CASE("a long sum of floats keeps its digits", "[kernel][reduce]") {
  const std::vector<float> x(20000000, 0.1f);  // a plain float loop gives 2.15e6
  CHECK(static_cast<double>(kernel::sum(20000000, x.data())) == Approx(2.0e6).epsilon(5e-6));  // one lane: 2.4e-6
}

TEMPLATE_TEST_CASE("reductions over the middle of [outer, reduced, inner]", "[kernel][reduce]", float, double) {
  using T = TestType;
  const Index cases[][3] = {{1, 1, 1},      {1, 0, 3},     {4, 7, 1},      {3, 1000, 1}, {1, 300, 3},
                            {1, 17, 16},    {1, 513, 65},  {5, 40, 33},    {2, 3, 200},  {1, 5000, 129},
                            {1, 300, 3000}, {1, 70000, 8}, {3, 2000, 200}, {1, 2, 50000}};
  for (const auto& e : cases) {
    const Index outer = e[0], reduced = e[1], inner = e[2];
    const auto x = laws::numbers<T>(outer * reduced * inner, 1);
    std::vector<T> total(size(outer * inner)), greatest(size(outer * inner));
    kernel::sum(outer, reduced, inner, x.data(), total.data());
    kernel::max(outer, reduced, inner, x.data(), greatest.data());
    std::vector<double> want(total.size()), magnitude(total.size()), top(total.size(), -HUGE_VAL);
    for (Index i = 0; i < outer * reduced * inner; ++i) {
      const std::size_t at = size(i / (reduced * inner) * inner + i % inner);
      const double v = static_cast<double>(x[size(i)]);
      want[at] += v, magnitude[at] += std::fabs(v);
      if (v > top[at]) top[at] = v;
    }
    CAPTURE(outer, reduced, inner);
    CHECK(laws::worst(
              total, [&](Index i) { return want[size(i)]; }, [&](Index i) { return magnitude[size(i)]; }) <
          8 * laws::epsilon<T>);
    bool same = true;
    for (std::size_t i = 0; i < top.size(); ++i) same = same && static_cast<double>(greatest[i]) == top[i];
    CHECK(same);
  }
}

TEST_CASE("NaN wins, -inf is the greatest of nothing", "[kernel][reduce]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Index n : {1, 15, 16, 17, 100}) {
    for (Index at = 0; at < n; ++at) {
      auto x = laws::numbers<float>(n, 1);
      x[size(at)] = nan;
      REQUIRE(std::isnan(kernel::max(n, x.data())));
      REQUIRE(kernel::argmax(n, x.data()) == at);
      REQUIRE(!kernel::all_finite(n, x.data()));
    }
  }
  CHECK(kernel::max(0, &nan) == -std::numeric_limits<float>::infinity());
  const float ties[] = {1.0f, 3.0f, 3.0f, 2.0f};
  CHECK(kernel::argmax(4, ties) == 1);
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(!kernel::all_finite(1, &inf));
}

TEST_CASE("reductions do not depend on threads", "[kernel][reduce]") {
  const auto x = laws::numbers<float>(1000003, 1);
  laws::check_threads([&] {
    std::vector<float> y(1000 + 8 + 3000 + 2);
    kernel::sum_rows(1000, 1000, x.data(), y.data());
    kernel::sum_rows(125000, 8, x.data(), y.data() + 1000);
    kernel::sum_cols(3000, 333, x.data(), y.data() + 1008);
    y[4008] = kernel::sum(1000003, x.data());
    y[4009] = kernel::dot(1000003, x.data(), x.data());
    return y;
  });
}

TEST_CASE("a row's sum does not depend on the other rows", "[kernel][reduce]") {
  const auto x = laws::numbers<float>(37 * 1001, 1);
  std::vector<float> together(37), alone(37);
  kernel::sum_cols(37, 1001, x.data(), together.data());
  for (Index r = 0; r < 37; ++r) kernel::sum_cols(1, 1001, x.data() + r * 1001, alone.data() + r);
  CHECK(laws::same_bits(together, alone));
}
