#include <tessera/kernel/elementwise.hpp>
#include <vector>
#include "tests/kernel/laws.hpp"

using namespace tessera;
using kernel::Pack;
using laws::size;

namespace {

const auto twice = [](auto x) { return x + x; };
const auto less = [](auto a, auto b) { return a - b; };

}  // namespace

TEMPLATE_TEST_CASE("map, zip and zip3 are the plain loop", "[kernel][elementwise]", float, double) {
  using T = TestType;
  for (const Index n : laws::lengths<T>()) {
    for (const Index shift : {0, 1, 3}) {  // unaligned
      const auto a = laws::numbers<T>(n + shift, 1), b = laws::numbers<T>(n + shift, 2),
                 c = laws::numbers<T>(n + shift, 3);
      std::vector<T> y(size(n + shift + 1), T(-9));
      const auto check = [&](auto want) {
        bool same = true;
        for (Index i = 0; i < n; ++i) same = same && y[size(i + shift)] == want(size(i + shift));
        CHECK(same);
        CHECK(y[size(n + shift)] == T(-9));  // not a lane too far
      };
      CAPTURE(n, shift);
      kernel::map(n, a.data() + shift, y.data() + shift, twice);
      check([&](std::size_t i) { return a[i] + a[i]; });
      kernel::zip(n, a.data() + shift, b.data() + shift, y.data() + shift, less);
      check([&](std::size_t i) { return a[i] - b[i]; });
      kernel::zip3(n, a.data() + shift, b.data() + shift, c.data() + shift, y.data() + shift,
                   [](Pack<T> p, Pack<T> q, Pack<T> r) { return max(max(p, q), r); });
      check([&](std::size_t i) { return a[i] > b[i] ? (a[i] > c[i] ? a[i] : c[i]) : (b[i] > c[i] ? b[i] : c[i]); });
    }
  }
}

TEMPLATE_TEST_CASE("map works in place", "[kernel][elementwise]", float, double) {
  using T = TestType;
  auto x = laws::numbers<T>(1003, 1);
  const auto before = x;
  kernel::map(1003, x.data(), x.data(), twice);
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(x[i] == before[i] + before[i]);
}

TEMPLATE_TEST_CASE("an element does not depend on where it lies", "[kernel][elementwise]", float, double) {
  using T = TestType;
  const auto f = [](Pack<T> a, Pack<T> b) { return a * b + b * b - a; };  // open to contraction
  const auto a = laws::numbers<T>(301, 1), b = laws::numbers<T>(301, 2);
  std::vector<T> whole(301), alone(301);
  kernel::zip(301, a.data(), b.data(), whole.data(), f);
  for (std::size_t i = 0; i < 301; ++i) kernel::zip(1, a.data() + i, b.data() + i, alone.data() + i, f);
  CHECK(laws::same_bits(whole, alone));
}

TEMPLATE_TEST_CASE("rows and columns broadcast", "[kernel][elementwise]", float, double) {
  using T = TestType;
  for (const Index cols : {1, 2, 3, 7, 16, 33, 63, 64, 65, 511, 513, 40000}) {
    for (const Index rows : {1, 2, 5, 171}) {
      if (rows * cols > 400000) continue;
      const auto a = laws::numbers<T>(rows * cols, 1), row = laws::numbers<T>(cols, 2), col = laws::numbers<T>(rows, 3);
      std::vector<T> y(a.size()), z(a.size());
      kernel::zip_row(rows, cols, a.data(), row.data(), y.data(), less);
      kernel::zip_col(rows, cols, a.data(), col.data(), z.data(), less);
      bool same = true;
      for (Index r = 0; r < rows; ++r) {
        for (Index c = 0; c < cols; ++c) {
          same = same && y[size(r * cols + c)] == a[size(r * cols + c)] - row[size(c)];
          same = same && z[size(r * cols + c)] == a[size(r * cols + c)] - col[size(r)];
        }
      }
      CAPTURE(rows, cols);
      CHECK(same);
    }
  }
}

namespace {

/// Random extents, operands that repeat along some axes or lie transposed: against the loop over all positions.
template <class T>
void check_broadcast(std::uint64_t seed) {
  const auto dice = laws::numbers<double>(64, seed, 0.0, 1.0);
  std::size_t thrown = 0;
  const auto roll = [&](Index n) { return static_cast<Index>(dice[thrown++] * static_cast<double>(n)); };
  const int rank = static_cast<int>(roll(6));
  Index extents[8], strides[3][8], sizes[3], n = 1;
  for (int d = 0; d < rank; ++d) n *= extents[d] = roll(5) == 0 ? 1 : 1 + roll(seed % 4 == 0 ? 40 : 6);
  if (n > 300000) return;
  for (int k = 0; k < 3; ++k) {
    const Index style = roll(3);  // full, repeating along some axes, or that and transposed
    sizes[k] = 1;
    for (int i = 0; i < rank; ++i) {
      const int d = style == 2 ? i : rank - 1 - i;
      const bool repeats = style > 0 && roll(2) == 0;
      strides[k][d] = repeats ? 0 : sizes[k];
      if (!repeats) sizes[k] *= extents[d];
    }
  }
  const auto a = laws::numbers<T>(sizes[0], 1), b = laws::numbers<T>(sizes[1], 2), c = laws::numbers<T>(sizes[2], 3);
  std::vector<T> two(size(n)), three(size(n)), one(size(n));
  kernel::map_strided(rank, extents, strides[0], a.data(), one.data(), twice);
  kernel::zip_broadcast(rank, extents, strides[0], strides[1], a.data(), b.data(), two.data(), less);
  kernel::zip3_broadcast(rank, extents, strides[0], strides[1], strides[2], a.data(), b.data(), c.data(), three.data(),
                         [](Pack<T> p, Pack<T> q, Pack<T> r) { return select(p < q, r, p); });
  bool same = true;
  for (Index i = 0; i < n; ++i) {
    Index at[3] = {0, 0, 0}, left = i;
    for (int d = rank - 1; d >= 0; --d) {
      for (int k = 0; k < 3; ++k) at[k] += left % extents[d] * strides[k][d];
      left /= extents[d];
    }
    const T p = a[size(at[0])], q = b[size(at[1])], r = c[size(at[2])];
    same = same && one[size(i)] == p + p && two[size(i)] == p - q && three[size(i)] == (p < q ? r : p);
  }
  CAPTURE(seed, rank, n);
  CHECK(same);
}

}  // namespace

TEMPLATE_TEST_CASE("operands broadcast over any axes at any strides", "[kernel][elementwise]", float, double) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) check_broadcast<TestType>(seed);
}

TEST_CASE("an extent of 0 touches nothing", "[kernel][elementwise]") {
  const Index extents[] = {3, 0, 2}, strides[] = {0, 2, 1};
  float untouched = 5.0f;
  kernel::zip_broadcast(3, extents, strides, strides, &untouched, &untouched, &untouched, less);
  CHECK(untouched == 5.0f);
}

TEST_CASE("elementwise results do not depend on threads", "[kernel][elementwise]") {
  const auto a = laws::numbers<float>(300 * 1000, 1), b = laws::numbers<float>(1000, 2);
  laws::check_threads([&] {
    std::vector<float> y(a.size()), z(a.size());
    kernel::map(300000, a.data(), y.data(), [](kernel::F x) { return x * x + x; });
    kernel::zip_row(300, 1000, y.data(), b.data(), z.data(), [](kernel::F p, kernel::F q) { return p * q + p; });
    return z;
  });
}
