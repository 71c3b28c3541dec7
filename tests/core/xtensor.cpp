#include <cstdint>
#include <tessera/core/noise.hpp>
#include <tessera/core/xtensor.hpp>
#include <utility>
#if __has_include(<xtensor/views/xview.hpp>)
#include <xtensor/generators/xbuilder.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>
#endif

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("view is the tensor's own memory", "[core][xtensor]") {
  Tensor<float> t = Noise{1}.normal<float>({2, 3, 4});
  auto v = view(t);
  CHECK(v.data() == std::as_const(t).data());
  CHECK(v.dimension() == 3);
  CHECK(v.shape(2) == 4);
  CHECK(v(1, 2, 3) == t[23]);
  v(1, 0, 2) = 5.0f;
  CHECK(t[14] == 5.0f);
  xt::view(v, xt::all(), 1, xt::all()) = 7.0f;
  CHECK(t[4] == 7.0f);
  CHECK(t[19] == 7.0f);

  const Tensor<float>& fixed = t;
  const auto w = view(fixed);
  CHECK(w.data() == fixed.data());
  static_assert(std::is_same_v<decltype(*w.data()), const float&>, "a const tensor gives a const view");
  CHECK(xt::sum(w)() == Approx(static_cast<double>(xt::sum(v)())));
}

TEST_CASE("a mutable view leaves earlier copies of the tensor alone", "[core][xtensor]") {
  Tensor<float> t({4}, 1.0f);
  const Tensor<float> before = t;
  view(t) = xt::ones<float>({4}) * 2.0f;
  CHECK(t[3] == 2.0f);
  CHECK(before[3] == 1.0f);
}

TEST_CASE("scalars and empty tensors have views", "[core][xtensor]") {
  Tensor<double> scalar = Tensor<double>::scalar(3);
  CHECK(view(scalar).dimension() == 0);
  CHECK(view(scalar)() == 3.0);
  Tensor<double> none(Shape{2, 0, 3});
  CHECK(view(none).size() == 0);
  CHECK(view(none).shape(2) == 3);
}

TEST_CASE("every expression becomes a tensor", "[core][xtensor]") {
  const Tensor<float> t = Tensor<float>::from({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto v = view(t);
  const Tensor<float> twice = to_tensor<float>(v * 2.0 + 1.0);
  CHECK(twice.shape() == Shape{2, 3});
  CHECK(twice[5] == 13.0f);
  const auto transposed = to_tensor(xt::transpose(v));
  static_assert(std::is_same_v<decltype(transposed), const Tensor<float>>);
  CHECK(transposed.shape() == Shape{3, 2});
  CHECK(transposed[1] == 4.0f);
  const auto large = to_tensor(v > 2.5f);
  static_assert(std::is_same_v<decltype(large), const Tensor<std::uint8_t>>);
  CHECK(large[1] == 0);
  CHECK(large[2] == 1);
  CHECK(to_tensor<float>(xt::mean(v, {0})).shape() == Shape{3});
  CHECK(to_tensor<double>(xt::sum(v)).item() == 21.0);
  CHECK(to_tensor<std::int64_t>(xt::arange<int>(5))[4] == 4);
  const xt::xarray<double, xt::layout_type::column_major> column = {{1, 2}, {3, 4}};
  CHECK(to_tensor(column)[1] == 2.0);
  CHECK(to_tensor<float>(xt::view(v, xt::all(), xt::range(1, 3))).shape() == Shape{2, 2});
  const xt::xarray<float> nine(std::vector<std::size_t>(9, 1));
  CHECK_THROWS_AS(to_tensor(nine), shape_error);
}
