#include <tessera/generate/latent.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using F = Tensor<float>;

namespace {
double length(const F& z) { return std::sqrt(detail::dot_of(z.size(), z.data(), z.data())); }
/// Twice the latent, and back.
struct Doubling {
  F encode(const F& x, const F&) const { return x * 0.5f; }
  F decode(const F& z, const F& = {}) const { return z * 2.f; }
  F prior(std::span<const Noise> noises) const { return detail::normal_rows<float>(noises, {3}); }
};
}  // namespace

TEST_CASE("interpolations begin and end where they should", "[generate]") {
  const F a = Noise{1}.normal<float>({2, 3, 4}), b = Noise{2}.normal<float>({2, 3, 4});
  for (const Interpolation way : {Interpolation::linear, Interpolation::spherical}) {
    const F first = interpolate(a, b, 0, way), last = interpolate(a, b, 1, way);
    for (Index i = 0; i < a.size(); ++i) {
      REQUIRE(first[i] == Approx(a[i]).margin(1e-6));
      REQUIRE(last[i] == Approx(b[i]).margin(1e-6));
    }
  }
  const F middle = lerp(a, b, 0.5);
  for (Index i = 0; i < a.size(); ++i) REQUIRE(middle[i] == Approx((a[i] + b[i]) / 2).margin(1e-6));
}

TEST_CASE("a spherical path keeps lengths, and its angles are even", "[generate]") {
  const F a = F::from({1, 2}, {2, 0}), b = F::from({1, 2}, {0, 4});
  const F path = latent_path(a, b, 5, Interpolation::spherical);
  for (Index i = 0; i < 5; ++i) {
    REQUIRE(length(slice(path, 0, i, i + 1)) == Approx(2 + 0.5 * static_cast<double>(i)));
    REQUIRE(std::atan2(path[2 * i + 1], path[2 * i]) == Approx(0.3926990817 * static_cast<double>(i)).margin(1e-6));
  }
  // In one line, or at zero, there is no arc.
  const F opposite = slerp(a, a * -1.f, 0.5), from_zero = slerp(F({1, 2}, 0.f), b, 0.25);
  REQUIRE(length(opposite) == Approx(0).margin(1e-6));
  REQUIRE(from_zero[1] == Approx(1));
}

TEST_CASE("a grid has its corners in its corners", "[generate]") {
  std::vector<F> c;
  for (std::uint64_t i = 0; i < 4; ++i) c.push_back(Noise{i}.normal<float>({1, 2, 3}));
  const F grid = latent_grid(c[0], c[1], c[2], c[3], 3, 4, Interpolation::linear);
  REQUIRE(grid.shape() == Shape{12, 2, 3});
  const Index corners[] = {0, 3, 8, 11};
  for (std::size_t k = 0; k < 4; ++k) {
    for (Index i = 0; i < 6; ++i) REQUIRE(grid[corners[k] * 6 + i] == Approx(c[k][i]).margin(1e-6));
  }
}

TEST_CASE("an attribute's direction is the difference of the groups' means", "[generate]") {
  const F z = F::from({4, 2}, {1, 0, 3, 0, 0, 5, 0, 7});
  const auto has = Tensor<std::uint8_t>::from({4}, {0, 0, 1, 1});
  const F v = attribute_vector(z, has);
  REQUIRE(v[0] == Approx(-2));
  REQUIRE(v[1] == Approx(6));
  const F moved = with_attribute(z, v, 0.5);
  REQUIRE(moved[0] == Approx(0));
  REQUIRE(moved[7] == Approx(10));
  REQUIRE_THROWS_WITH(attribute_vector(z, Tensor<std::uint8_t>({4}, std::uint8_t{1})), Contains("0 without"));
  REQUIRE_THROWS_AS(attribute_vector(z, Tensor<std::uint8_t>({3}, std::uint8_t{1})), shape_error);
  REQUIRE_THROWS_AS(with_attribute(z, z), shape_error);
  const F a = slice(z, 0, 0, 1), b = slice(z, 0, 1, 2), c = slice(z, 0, 2, 3);
  REQUIRE(analogy(a, b, c)[0] == Approx(2));
}

TEST_CASE("neighbours lie around a latent and keep the prior's spread", "[generate]") {
  const F z = Noise{1}.normal<float>({1, 2000});
  const F same = neighbours(z, 3, 0, Noise{2}), near = neighbours(z, 3, 0.3, Noise{2});
  for (Index i = 0; i < z.size(); ++i) REQUIRE(same[i] == z[i]);
  REQUIRE(length(slice(near, 0, 1, 2)) == Approx(length(z)).epsilon(0.05));
  const double cosine = detail::dot_of(2000, z.data(), near.data()) / (length(z) * length(slice(near, 0, 0, 1)));
  REQUIRE(cosine == Approx(std::sqrt(1 - 0.09)).margin(0.03));
  // The first neighbours do not depend on how many there are.
  REQUIRE(same_bytes(slice(neighbours(z, 7, 0.3, Noise{2}), 0, 0, 3), near));
  REQUIRE_THROWS_WITH(neighbours(z, 1, 1.5, Noise{2}), Contains("not in [0, 1]"));
}

TEST_CASE("nearest finds the rows by distance", "[generate]") {
  const F all = F::from({4, 2}, {0, 0, 5, 5, 1, 0, 2, 2});
  REQUIRE(nearest(F::from({1, 2}, {0.9f, 0}), all, 3) == std::vector<Index>{2, 0, 3});
  REQUIRE(nearest(F::from({1, 2}, {0, 0}), all, 9).size() == 4);
}

TEST_CASE("a latent model is what encodes, decodes and has a prior; it reconstructs", "[generate]") {
  static_assert(LatentModel<Doubling>);
  static_assert(!LatentModel<F>);
  const Doubling model;
  const F x = Noise{1}.normal<float>({2, 3});
  REQUIRE(same_bytes(reconstruct(model, x), x));
  OneShotRun<Doubling> run(model, model.prior(forks(Noise{2}, 2)));
  static_assert(Run<OneShotRun<Doubling>>);
  const F before = run.preview();
  REQUIRE(run.step());
  REQUIRE(same_bytes(before, run.finish()));
}
