#include <cmath>
#include <cstring>
#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/gather.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/permute.hpp>
#include <tessera/autodiff/op/pool.hpp>
#include <tessera/autodiff/op/resize.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <utility>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("reductions have the gradients of finite differences", "[autodiff]") {
  check_gradient([](const auto& x) { return sum(x); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return sum(x, {0, 2}); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return sum(x, {-2}, true); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return mean(x, {1}); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return var(x, {-1}, false, 1); }, {{2, 3}});
  check_gradient([](const auto& x) { return max(x, {0}); }, {{3, 4}});
}

TEST_CASE("sums over any axes equal the plain loop", "[autodiff]") {
  const D x = draw({2, 3, 4, 5}, 1);
  for (unsigned mask = 1; mask < 16; ++mask) {
    double naive[120] = {};
    for (Index i = 0; i < 120; ++i) {
      const Index at[4] = {i / 60, i / 20 % 3, i / 5 % 4, i % 5}, extent[4] = {2, 3, 4, 5};
      Index k = 0;
      for (int a = 0; a < 4; ++a) {
        if (!(mask >> a & 1u)) k = k * extent[a] + at[a];
      }
      naive[k] += x[i];
    }
    const D y = detail::sum_keep(x, mask);
    INFO("axes " << mask);
    for (Index i = 0; i < y.size(); ++i) REQUIRE(y[i] == Approx(naive[i]).margin(1e-12));
  }
  REQUIRE_THROWS_AS(sum(x, {1, 1}), shape_error);
  REQUIRE_THROWS_AS(sum(x, {4}), shape_error);
}

TEST_CASE("shape ops have the gradients of finite differences", "[autodiff]") {
  check_gradient([](const auto& x) { return reshape(x, {4, 3}); }, {{2, 6}});
  check_gradient([](const auto& x) { return permute(x, {2, 0, 1}); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return transpose(x); }, {{2, 3, 4}});
  check_gradient([](const auto& x) { return slice(x, 1, 1, 3); }, {{2, 4, 2}});
  check_gradient([](const auto& x) { return pad(x, 0, 1, 2); }, {{2, 3}});
  check_gradient([](const auto& a, const auto& b) { return concat({a, b, a}, 1); }, {{2, 3}, {2, 1}});
  check_gradient([](const auto& a, const auto& b) { return stack({a, b}, -1); }, {{2, 3}, {2, 3}});
  check_gradient([](const auto& x) { return repeat(x, 0, 3); }, {{2, 3}});
  check_gradient([](const auto& x) { return broadcast_to(x, {3, 2, 4}); }, {{2, 1}});
  const auto index = Tensor<std::int32_t>::from({2, 2}, {2, 0, 2, 1});
  check_gradient([index](const auto& x) { return gather(x, index); }, {{3, 4}});
  check_gradient([index](const auto& x) { return scatter_add(x, index, 5); }, {{2, 2, 3}});
  check_gradient([](const auto& x) { return upsample_nearest(x, 2); }, {{1, 2, 3, 2}});
  check_gradient([](const auto& x) { return average_pool(x, 2); }, {{1, 4, 2, 2}});
  check_gradient(
      [](const auto& x) { return average_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .count_padding = false}); },
      {{1, 4, 3, 2}});
  check_gradient([](const auto& x) { return max_pool(x, {.kernel = 2, .stride = 1}); }, {{2, 3, 4, 2}});
  check_gradient([](const auto& x) { return resize(x, 5, 3); }, {{1, 3, 4, 2}});
  check_gradient([](const auto& x) { return resize(x, 5, 3, Resize::nearest); }, {{1, 3, 4, 2}});
}

// The first slice's gradient is put among zeros, the others' are added in place.
TEST_CASE("slices of one value add up where they overlap, and with its other uses", "[autodiff]") {
  check_gradient([](const auto& x) { return slice(x, 0, 0, 2) * slice(x, 0, 1, 3); }, {{3, 4}});
  check_gradient([](const auto& x) { return slice(x, 1, 0, 3) * slice(x, 1, 1, 4); }, {{2, 4, 3}});
  check_gradient([](const auto& x) { return slice(x, 1, 0, 2) * slice(x, 1, 1, 3) + slice(x, 1, 2, 4); }, {{2, 4, 19}});
  check_gradient([](const auto& x) { return slice(x, -1, 0, 18) * slice(x, -1, 3, 21); }, {{3, 21}});
  check_gradient([](const auto& x) { return x * concat({slice(x, 1, 2, 4), slice(x, 1, 0, 3)}, 1); }, {{2, 5, 2}});
  check_gradient([](const auto& x) { return concat({slice(x, -1, 1, 3), x * x, slice(x, -1, 0, 2)}, -1); }, {{2, 3}});
  // Both terms of a sum are handed the same gradient: what the slice adds to a's is not b's.
  check_gradient(
      [](const auto& a, const auto& b) {
        const auto part = slice(a, 1, 0, 2);
        return concat({a + b, part}, 1);
      },
      {{2, 3}, {2, 3}});
}

TEST_CASE("shape ops put elements where they belong", "[autodiff]") {
  const D x = D::from({2, 3}, {0.0, 1.0, 2.0, 3.0, 4.0, 5.0});
  const D t = transpose(x);
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j) REQUIRE(t[j * 2 + i] == x[i * 3 + j]);
  const D c = concat({x, slice(x, 1, 2, 3)}, 1);
  const double wide[] = {0, 1, 2, 2, 3, 4, 5, 5};
  for (int i = 0; i < 8; ++i) REQUIRE(c[i] == wide[i]);
  const D r = repeat(x, 1, 2);
  const double twice[] = {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5};
  for (int i = 0; i < 12; ++i) REQUIRE(r[i] == twice[i]);
  REQUIRE_THROWS_AS(slice(x, 1, 2, 5), shape_error);
  REQUIRE_THROWS_AS(concat({x, t}, 0), shape_error);
  REQUIRE_THROWS_AS(permute(x, {0, 0}), shape_error);
  REQUIRE_THROWS_AS(gather(x, Tensor<std::int32_t>::from({1}, {2})), argument_error);
}

TEST_CASE("products have the gradients of finite differences, transposed, batched and broadcast", "[autodiff]") {
  check_gradient([](const auto& a, const auto& b) { return matmul(a, b); }, {{2, 3}, {3, 4}});
  check_gradient([](const auto& a, const auto& b) { return matmul(a, b); }, {{2, 2, 3}, {3, 2}});
  check_gradient([](const auto& a, const auto& b) { return matmul(a, b); }, {{2, 2, 3}, {2, 3, 2}});
  check_gradient([](const auto& a, const auto& b) { return matmul(a, b); }, {{2, 1, 2, 3}, {3, 3, 2}});
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Shape s[2] = {ta ? Shape{3, 2} : Shape{2, 3}, tb ? Shape{4, 3} : Shape{3, 4}};
      check_gradient([ta, tb](const auto& a, const auto& b) { return product(a, b, ta, tb); }, s);
    }
  }
  check_gradient([](const auto& x, const auto& w, const auto& b) { return linear(x, w, b); }, {{2, 3, 4}, {5, 4}, {5}});
  check_gradient([](const auto& x, const auto& w) { return linear(x, w); }, {{4}, {3, 4}});
  REQUIRE_THROWS_WITH(matmul(D({2, 3}, 0.0), D({4, 5}, 0.0)), Catch::Matchers::Contains("[2, 3] x [4, 5]"));
}

TEST_CASE("an order that is no permutation is refused before anything is written", "[autodiff]") {
  Tape<D> tape;
  const auto x = tape.input(draw({2, 3, 4}, 1));
  REQUIRE_THROWS_AS(permute(x, {0, 1, -1}), shape_error);
  REQUIRE_THROWS_AS(permute(x, {0, 1, 100000}), shape_error);
  REQUIRE_THROWS_AS(permute(x, {0, 1, 1}), shape_error);
}

TEST_CASE("products with an extent of none have empty gradients of the right shape", "[autodiff]") {
  const auto gradients = [](const D& a, const D& b, const auto& product_of) {
    Tape<D> tape;
    const auto x = tape.input(a), y = tape.input(b);
    tape.backward(sum(product_of(x, y)));
    return std::pair(tape.take_gradient(x), tape.take_gradient(y));
  };
  const auto times = [](const auto& x, const auto& y) { return matmul(x, y); };
  const auto mapped = [](const auto& x, const auto& w) { return linear(x, w); };
  for (const auto& [a, b] : {std::pair(Shape{5, 0}, Shape{0, 3}), std::pair(Shape{5, 4}, Shape{4, 0}),
                             std::pair(Shape{0, 4}, Shape{4, 3}), std::pair(Shape{2, 5, 0}, Shape{0, 3})}) {
    const auto [da, db] = gradients(D(a, 1.0), D(b, 1.0), times);
    CHECK(da.shape() == a);
    CHECK(db.shape() == b);
  }
  const auto [dx, dw] = gradients(D({5, 0}, 1.0), D({3, 0}, 1.0), mapped);
  CHECK(dx.shape() == Shape{5, 0});
  CHECK(dw.shape() == Shape{3, 0});
}

TEST_CASE("a window over a picture without pixels is refused", "[autodiff]") {
  REQUIRE_THROWS_AS(max_pool(draw({1, 0, 4, 2}, 1), {.kernel = 2, .stride = 2, .pad = 1}), shape_error);
}

TEST_CASE("maximum and minimum are the same recorded and not, where one side is NaN too", "[autodiff]") {
  const double nan = std::nan("");
  const D a = D::from({4}, {nan, 1, 2, 3}), b = D::from({4}, {1, nan, 3, 2});
  Tape<D> tape;
  const auto x = tape.input(a), y = tape.input(b);
  const auto same = [](const D& p, const D& q) { return std::memcmp(p.data(), q.data(), 4 * sizeof(double)) == 0; };
  CHECK(same(maximum(a, b), maximum(x, y).value()));
  CHECK(same(minimum(a, b), minimum(x, y).value()));
  CHECK(maximum(a, b)[2] == 3);
  CHECK(minimum(a, b)[2] == 2);
}

TEST_CASE("rows are not added by an index that leaves no axis for them", "[autodiff]") {
  const D x(Shape{1, 1, 1, 1, 1, 1, 1, 1}, 1.0);
  REQUIRE_THROWS_AS(scatter_add(x, Tensor<std::int32_t>::scalar(0), 2), shape_error);
}
