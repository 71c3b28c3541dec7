// Sums of products of rows, against plain loops in double: every number one chain, whatever the block it is in.
#include <tessera/kernel/row_products.hpp>

#include <vector>

#include "tests/kernel/conv_cases.hpp"
#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using testing::numbers;
using testing::relative_error;

namespace {

struct Case {
  Index rows, columns;
  std::vector<Index> depths;  // of each term
};

Index seed(std::size_t term) { return 2 * static_cast<Index>(term) + 1; }

/// c [rows, columns], and that every row of every panel is finished once.
std::vector<float> products(const Case& c, Index from = 0) {
  const int regs = kernel::panel_registers<float>(c.columns);
  const Index W = regs * kernel::lanes_of<float>, panels = (c.columns + W - 1) / W;
  std::vector<std::vector<float>> a, b;
  std::vector<kernel::RowTerm<float>> terms;
  for (std::size_t t = 0; t < c.depths.size(); ++t) {
    const Index depth = c.depths[t];
    a.push_back(numbers<float>((from + c.rows) * depth, seed(t)));
    const auto weights = numbers<float>(depth * c.columns, seed(t) + 1);
    b.emplace_back(static_cast<std::size_t>(panels * depth * W));
    kernel::pack_row_weights<float>(b.back().data(), {weights.data(), c.columns, 1}, depth, panels, W,
                                    [&](Index p, Index j) { return p * W + j < c.columns ? p * W + j : -1; });
  }
  for (std::size_t t = 0; t < a.size(); ++t)
    terms.push_back({a[t].data() + from * c.depths[t], c.depths[t], c.depths[t], b[t].data()});
  std::vector<float> y(static_cast<std::size_t>(c.rows * c.columns), -1.F);
  Index finished = 0;
  kernel::row_products<float>(c.rows, panels, regs, terms.data(), static_cast<Index>(terms.size()),
                              [&](Index first, Index count, Index p, const float* sums) {
                                finished += count;
                                for (Index i = 0; i < count; ++i) {
                                  for (Index j = 0; j < W && p * W + j < c.columns; ++j)
                                    y[static_cast<std::size_t>((first + i) * c.columns + p * W + j)] = sums[i * W + j];
                                }
                              });
  CHECK(finished == c.rows * panels);
  return y;
}

}  // namespace

TEST_CASE("sums of products of rows equal the plain loops", "[kernel]") {
  for (const Case& c :
       {Case{1, 1, {1}}, Case{5, 7, {3, 4}}, Case{43, 33, {64, 64}}, Case{100, 64, {128, 128}},
        Case{252, 130, {70, 1, 9}}, Case{50, 20, {300}}, Case{7, 65, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}}) {
    std::vector<double> wanted(static_cast<std::size_t>(c.rows * c.columns));
    for (std::size_t t = 0; t < c.depths.size(); ++t) {
      const Index depth = c.depths[t];
      const auto a = numbers<float>(c.rows * depth, seed(t)), b = numbers<float>(depth * c.columns, seed(t) + 1);
      for (Index i = 0; i < c.rows * c.columns; ++i) {
        for (Index k = 0; k < depth; ++k)
          wanted[static_cast<std::size_t>(i)] +=
              static_cast<double>(a[static_cast<std::size_t>(i / c.columns * depth + k)]) *
              static_cast<double>(b[static_cast<std::size_t>(k * c.columns + i % c.columns)]);
      }
    }
    INFO(c.rows << " rows, " << c.columns << " columns, " << c.depths.size() << " terms");
    CHECK(relative_error(products(c), wanted) <= 1e-6);
  }
}

TEST_CASE("a row's sums have the same bits in any block", "[kernel]") {
  const Case all{100, 40, {90, 90}}, later{63, 40, {90, 90}};
  const auto whole = products(all), part = products(later, 37);
  CHECK(std::vector<float>(whole.begin() + 37 * 40, whole.end()) == part);
}
