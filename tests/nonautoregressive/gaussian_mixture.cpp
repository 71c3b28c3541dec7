#include <tessera/nonautoregressive/gaussian_mixture.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/generator.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using Covariance = GaussianMixtureConfig::Covariance;

namespace {
/// Two groups in four numbers, 30 % and 70 %, the first one long in one direction.
Tensor<float> two_groups(Index n, std::uint64_t seed) {
  const Tensor<float> e = Noise{seed}.normal<float>({n, 5});
  Tensor<float> x(Shape{n, 4});
  for (Index i = 0; i < n; ++i) {
    const float* z = e.data() + 5 * i;
    float* to = x.data() + 4 * i;
    const bool first = Noise{seed}.unit(static_cast<std::uint64_t>(i)) < 0.3;
    for (int k = 0; k < 4; ++k)
      to[k] = first ? 5 + 0.5f * z[k] + (k < 2 ? 2 * z[4] : 0) : (k == 3 ? -3.f : 0.f) + 0.7f * z[k];
  }
  return x;
}
double mean_of(const Tensor<double>& x) {
  double s = 0;
  for (Index i = 0; i < x.size(); ++i) s += x[i] / static_cast<double>(x.size());
  return s;
}
}  // namespace

TEST_CASE("a mixture of Gaussians finds the groups it was drawn from", "[nonautoregressive]") {
  const Tensor<float> data = two_groups(3000, 1), other = two_groups(3000, 2);
  // The entropy of the source: of the choice, and of each group's normal (log-determinants of their covariances).
  const double constant = 0.5 * 4 * std::log(2 * 3.14159265358979 * 2.718281828459045);
  const double first = 0.5 * (4 * std::log(0.25) + std::log(1 + 2 * 4 / 0.25)), second = 0.5 * 4 * std::log(0.49);
  const double entropy = -0.3 * std::log(0.3) - 0.7 * std::log(0.7) + constant + 0.3 * first + 0.7 * second;
  for (const Covariance kind : {Covariance::full, Covariance::diagonal, Covariance::low_rank}) {
    const GaussianMixture m(data, {.components = 2, .covariance = kind, .rank = 1}, Noise{3});
    for (std::size_t i = 1; i < m.history().size(); ++i) REQUIRE(m.history()[i] > m.history()[i - 1] - 1e-6);
    const auto& c = m.components();
    const std::size_t long_one = c[0].mean[0] > c[1].mean[0] ? 0 : 1;
    REQUIRE(c[long_one].weight == Approx(0.3).margin(0.03));
    REQUIRE(c[long_one].mean[0] == Approx(5).margin(0.3));
    REQUIRE(c[1 - long_one].mean[3] == Approx(-3).margin(0.1));
    const double got = -mean_of(m.log_prob(other));
    if (kind == Covariance::diagonal)
      REQUIRE(got > entropy + 0.1);  // it cannot tell of the long direction
    else
      REQUIRE(got == Approx(entropy).margin(0.08));
    const Tensor<double> r = m.responsibilities(other);
    for (Index i = 0; i < 10; ++i) REQUIRE(r[2 * i] + r[2 * i + 1] == Approx(1));
  }
}

TEST_CASE("what is drawn from a mixture has its likelihood", "[nonautoregressive]") {
  const Tensor<float> data = two_groups(2000, 1);
  for (const Covariance kind : {Covariance::full, Covariance::diagonal, Covariance::low_rank}) {
    const GaussianMixture m(data, {.components = 2, .covariance = kind, .rank = 2}, Noise{3});
    const Tensor<float> drawn = m.sample(forks(Noise{5}, 4000)), again = m.sample(forks(Noise{6}, 4000));
    REQUIRE(mean_of(m.log_prob(drawn)) == Approx(mean_of(m.log_prob(again))).margin(0.1));
    // Refitted to its own draws it says the same of them.
    const GaussianMixture refit(drawn, {.components = 2, .covariance = kind, .rank = 2}, Noise{3});
    REQUIRE(mean_of(refit.log_prob(again)) == Approx(mean_of(m.log_prob(again))).margin(0.1));
    check_generator(m, Nothing{}, Noise{7});
  }
}

TEST_CASE("a conditional mixture keeps the classes apart", "[nonautoregressive]") {
  const Tensor<float> data = two_groups(1000, 1);
  Tensor<std::int32_t> labels(Shape{1000});
  for (Index i = 0; i < 1000; ++i) labels.data()[i] = data[4 * i] > 2 ? 1 : 0;
  const ConditionalMixture m(data, labels, 2, {.components = 2}, Noise{3});
  REQUIRE(generate(m, Index{1}, Noise{4})[3] > 1);
  REQUIRE(generate(m, Index{0}, Noise{4})[3] < 1);
  REQUIRE_THROWS_WITH(m[2], Contains("class 2 of 2"));
  REQUIRE_THROWS_WITH(ConditionalMixture(data, labels, 3, {.components = 2}, Noise{3}),
                      Contains("class 2 has 0 points"));
}

TEST_CASE("a mixture survives points that repeat, and refuses what cannot work", "[nonautoregressive]") {
  const Tensor<float> same(Shape{20, 3}, 1.f);
  const GaussianMixture m(same, {.components = 3}, Noise{1});
  REQUIRE(std::isfinite(m.log_prob(same)[0]));
  REQUIRE_THROWS_WITH(m.log_prob(Tensor<float>({2, 4}, 1.f)), Contains("[N, 3] wanted"));
  REQUIRE_THROWS_WITH(m.responsibilities(Tensor<float>({2, 4}, 1.f)), Contains("[N, 3] wanted"));
  REQUIRE_THROWS_WITH(GaussianMixture(same, {.components = 30}, Noise{1}), Contains("at least a point for each"));
  REQUIRE_THROWS_WITH(GaussianMixture(same, {.covariance = Covariance::low_rank, .rank = 3}, Noise{1}),
                      Contains("rank 3 of 3"));
  Tensor<float> broken = same.clone();
  broken.data()[4] = std::nanf("");
  REQUIRE_THROWS_AS(GaussianMixture(broken, {.components = 2}, Noise{1}), number_error);
}
