#include <array>
#include <numbers>

#include <tessera/generate/prior.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using F = Tensor<float>;

namespace {
using Covariance = MixturePriorConfig::Covariance;
constexpr Covariance both[] = {Covariance::full, Covariance::diagonal};

template <class T>
MixturePrior<T> nudged(const MixturePriorConfig& c) {
  Rng rng(1);
  MixturePrior<T> p(c, rng);
  std::uint64_t seed = 20;
  for_each_parameter(
      p, [&](const std::string&, auto& v) { v.value = v.value + draw(v.value.shape(), ++seed, 0.4).template as<T>(); });
  return p;
}
}  // namespace

TEST_CASE("priors have the gradients of finite differences", "[generate]") {
  const D z = draw({4, 3}, 9);
  for (const Covariance covariance : both) {
    auto p = nudged<double>({.numbers = 3, .components = 5, .covariance = covariance});
    check_module(p, [&](const auto& m, Tape<D>& t) { return m.log_prob(t.constant(z)); });
    check_gradient([&](const auto& x) { return p.log_prob(x); }, {{4, 3}});
  }
  check_gradient([](const auto& x) { return NormalPrior<double>{}.log_prob(x); }, {{4, 3}});
}

TEST_CASE("a mixture prior of one component is the normal it says", "[generate]") {
  Rng rng(1);
  MixturePrior<double> p({.numbers = 2, .components = 1, .covariance = Covariance::full}, rng);
  p.mean.value = D::from({1, 2}, {0.5, -1});
  p.log_scale.value = D::from({1, 2}, {std::log(2.0), std::log(0.5)});
  p.tilt->value = D::from({1, 2, 2}, {7, 7, 0.8, 7});  // only what is below the diagonal counts
  const double x = 1.5, y = -0.7, a = (x - 0.5) / 2, b = (y + 1) / 0.5 + 0.8 * a;
  REQUIRE(p.log_prob(D::from({1, 2}, {x, y}))[0] == Approx(-0.5 * (a * a + b * b) - std::log(2 * std::numbers::pi)));

  const MixturePrior<double> standard({.numbers = 6, .components = 1}, rng);
  const D z = draw({3, 3, 2}, 4);
  const D seen = standard.log_prob(z + reshape(standard.mean.value, {3, 2})),
          wanted = NormalPrior<double>{}.log_prob(z);
  for (Index i = 0; i < 3; ++i) REQUIRE(seen[i] == Approx(wanted[i]));
}

TEST_CASE("a mixture prior's density sums to one, and its draws follow it", "[generate]") {
  for (const Covariance covariance : both) {
    const auto p = nudged<float>({.numbers = 2, .components = 4, .covariance = covariance});
    const Index side = 240, draws = 20000;
    const double reach = 12, step = 2 * reach / side;
    F at(Shape{side * side, 2});
    for (Index i = 0; i < side * side; ++i) {
      at.data()[2 * i] = static_cast<float>((static_cast<double>(i % side) + 0.5) * step - reach);
      at.data()[2 * i + 1] = static_cast<float>((static_cast<double>(i / side) + 0.5) * step - reach);
    }
    // Mass, means, squares and the product: of the density by its sum, of the draws by their mean.
    const auto moments = [](double x, double y) { return std::array{1.0, x, y, x * x, y * y, x * y}; };
    std::array<double, 6> wanted{}, seen{};
    const F l = p.log_prob(at), z = p.sample({2}, forks(Noise{3}, draws));
    for (Index i = 0; i < l.size(); ++i) {
      const auto m = moments(static_cast<double>(at[2 * i]), static_cast<double>(at[2 * i + 1]));
      for (std::size_t k = 0; k < 6; ++k) wanted[k] += std::exp(static_cast<double>(l[i])) * step * step * m[k];
    }
    for (Index i = 0; i < draws; ++i) {
      const auto m = moments(static_cast<double>(z[2 * i]), static_cast<double>(z[2 * i + 1]));
      for (std::size_t k = 0; k < 6; ++k) seen[k] += m[k] / static_cast<double>(draws);
    }
    REQUIRE(wanted[0] == Approx(1).margin(1e-3));
    for (std::size_t k = 1; k < 6; ++k) {
      INFO("moment " << k);
      REQUIRE(seen[k] == Approx(wanted[k]).margin(0.08));
    }
  }
}

TEST_CASE("draws of a mixture prior depend on their own noise alone", "[generate]") {
  const auto p = nudged<float>({.numbers = 4, .components = 3, .covariance = Covariance::full});
  static_assert(Prior<MixturePrior<float>> && Prior<NormalPrior<float>> && Prior<MixturePrior<double>, D>);
  const std::vector<Noise> noises = forks(Noise{5}, 7);
  const F all = p.sample({2, 2}, noises);
  REQUIRE(all.shape() == Shape{7, 2, 2});
  REQUIRE(same_bytes(all, p.sample({2, 2}, noises)));
  for (Index i = 0; i < 7; ++i) {
    const Noise one = noises[static_cast<std::size_t>(i)];
    REQUIRE(same_bytes(slice(all, 0, i, i + 1), p.sample({2, 2}, {&one, 1})));
  }
  const F l = p.log_prob(all);
  for (Index i = 0; i < 7; ++i) REQUIRE(p.log_prob(slice(all, 0, i, i + 1))[0] == l[i]);
  // Without deviations only means are left.
  const F still = p.sample({4}, noises, 0);
  for (Index i = 0; i < 7; ++i) {
    bool found = false;
    for (Index k = 0; k < 3; ++k)
      found = found || same_bytes(slice(still, 0, i, i + 1), slice(p.mean.value, 0, k, k + 1));
    REQUIRE(found);
  }
}

TEST_CASE("a mixture prior starts with a mean in every heap of its data", "[generate]") {
  Rng rng(1);
  MixturePrior<float> p({.numbers = 2, .components = 9}, rng);
  F z = Noise{2}.normal<float>({450, 2}) * 0.1f;
  for (Index i = 0; i < 450; ++i) {
    z.data()[2 * i] += 4 * static_cast<float>(i % 3);
    z.data()[2 * i + 1] += 4 * static_cast<float>(i / 3 % 3);
  }
  p.initialise(z);
  std::array<int, 9> means{};
  for (Index k = 0; k < 9; ++k) {
    const float x = p.mean.value[2 * k] / 4, y = p.mean.value[2 * k + 1] / 4;
    ++means[static_cast<std::size_t>(3 * std::lround(y) + std::lround(x))];
  }
  for (const int m : means) REQUIRE(m == 1);
  REQUIRE(std::exp(p.log_scale.value[0]) == Approx(0.14).margin(0.04));  // from a point of the heap, not its centre
  REQUIRE(static_cast<double>(-mean(p.log_prob(z)).item()) ==
          Approx(std::log(9) + 2 * 1.419 + 2 * std::log(0.1)).margin(0.5));
}

TEST_CASE("mixture priors that cannot work are refused with what would", "[generate]") {
  Rng rng(1);
  using P = MixturePrior<float>;
  REQUIRE_THROWS_WITH(P({.components = 0}, rng), Contains("MixturePrior: components is 0, wanted 1 to"));
  REQUIRE_THROWS_WITH(P({.numbers = 0}, rng), Contains("numbers is 0"));
  REQUIRE_THROWS_WITH(P({.numbers = 2000, .covariance = Covariance::full}, rng), Contains("full covariance"));
  P p({.numbers = 2, .components = 4}, rng);
  REQUIRE_THROWS_WITH(p.log_prob(F({5, 3}, 0.f)), Contains("of 2 numbers wanted, shape is [5, 3]"));
  REQUIRE_THROWS_WITH(p.sample({3}, forks(Noise{1}, 2)), Contains("items of 2 numbers wanted"));
  REQUIRE_THROWS_WITH(p.initialise(F({3, 2}, 0.f)), Contains("at least one for each"));
}
