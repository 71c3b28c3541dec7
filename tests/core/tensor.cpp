#include <cmath>
#include <cstdint>
#include <new>
#include <tessera/core/tensor.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {
const float* address(const Tensor<float>& t) { return t.data(); }
}  // namespace

TEST_CASE("a tensor holds its values in row-major order", "[core]") {
  const auto t = Tensor<float>::from({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(t.shape() == Shape{2, 3});
  CHECK(t.rank() == 2);
  CHECK(t.size() == 6);
  CHECK(t.rows() == 2);
  CHECK(t.cols() == 3);
  CHECK(t.extent(-2) == 2);
  CHECK(t[4] == 5.0f);
  CHECK(t.span().size() == 6);
  static_assert(std::is_same_v<decltype(t.data()), const float*>);
  static_assert(std::is_same_v<decltype(t.span()), std::span<const float>>);
  CHECK_THROWS_WITH(Tensor<float>::from({2, 3}, {1, 2}), "Tensor: 2 values for shape [2, 3]");
}

TEST_CASE("fills", "[core]") {
  for (Index n : {0, 1, 7, 1000}) {
    const Tensor<float> zero({n}, 0.0f), some({n}, 2.5f), negative({n}, -0.0f);
    const Tensor<std::int64_t> whole({n}, -1);
    for (Index i = 0; i < n; ++i) {
      REQUIRE(zero[i] == 0.0f);
      REQUIRE(some[i] == 2.5f);
      REQUIRE(std::signbit(negative[i]));
      REQUIRE(whole[i] == -1);
    }
  }
  CHECK(Tensor<double>::scalar(3).item() == 3.0);
  CHECK_THROWS_WITH(Tensor<double>({2}, 1.0).item(), "item: one element wanted, shape is [2]");
}

TEST_CASE("no tensor, and a tensor without elements", "[core]") {
  const Tensor<float> none;
  CHECK_FALSE(none);
  CHECK(none.size() == 0);
  CHECK(none.rows() == 0);
  CHECK(none.data() == nullptr);
  CHECK_FALSE(none.unique());
  CHECK_FALSE(none.clone());
  const Tensor<float> empty(Shape{0, 3});
  CHECK(empty);
  CHECK(empty.size() == 0);
  CHECK(empty.rows() == 0);
  CHECK(Tensor<float>(Shape{3, 0}).rows() == 0);
  CHECK(same_bytes(empty, empty.clone()));
}

TEST_CASE("copies share memory until one is written to", "[core]") {
  Tensor<float> a({3}, 1.0f);
  CHECK(a.unique());
  Tensor<float> b = a;
  CHECK_FALSE(a.unique());
  CHECK(address(a) == address(b));
  b.data()[0] = 5.0f;
  CHECK(address(a) != address(b));
  CHECK(a[0] == 1.0f);
  CHECK(b[0] == 5.0f);
  CHECK(a.unique());
  const float* before = address(a);
  a.span()[1] = 2.0f;  // alone: written in place
  CHECK(address(a) == before);
}

TEST_CASE("moves and assignments", "[core]") {
  Tensor<float> a({3}, 1.0f);
  const float* at = address(a);
  Tensor<float> b = std::move(a);
  CHECK(address(b) == at);
  CHECK_FALSE(a);
  CHECK(a.size() == 0);
  Tensor<float> c({4}, 2.0f);
  c = b;
  CHECK(c.shape() == Shape{3});
  CHECK(address(c) == at);
  const Tensor<float>& itself = c;
  c = itself;
  CHECK(address(c) == at);
  c = Tensor<float>();
  CHECK_FALSE(c);
  CHECK(b.unique());
}

TEST_CASE("reshaped keeps the memory", "[core]") {
  auto t = Tensor<float>::from({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor<float> r = t.reshaped({3, 2});
  CHECK(address(r) == address(t));
  CHECK(r.shape() == Shape{3, 2});
  CHECK_THROWS_WITH(t.reshaped({4}), "reshape: [2, 3] does not hold as many elements as [4]");
  const float* at = address(t);
  const Tensor<float> s = std::move(t).reshaped({6});
  CHECK(address(s) == at);
}

TEST_CASE("clones and conversions are copies", "[core]") {
  const auto t = Tensor<float>::from({2, 2}, {1, -2, 3.75f, 4});
  const Tensor<float> c = t.clone();
  CHECK(same_bytes(c, t));
  CHECK(address(c) != address(t));
  CHECK(t.as<std::int32_t>()[2] == 3);
  CHECK(t.as<double>()[1] == -2.0);
  CHECK(address(t.as<float>()) == address(t));
  CHECK_FALSE(same_bytes(t, t.reshaped({4})));
}

TEST_CASE("a tensor of more bytes than there are", "[core]") {
  const Index large = Index{1} << 55;
  CHECK_THROWS_AS(Tensor<double>(Shape{large}), std::bad_alloc);
}
