#include <tessera/nn/init.hpp>
#include <tessera/nn/recurrent.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

constexpr Index count = 40000;

double greatest(const Tensor<double>& x) {
  double most = 0;
  for (Index i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i]));
  return most;
}
double deviation(const Tensor<double>& x) {
  double sum = 0, squares = 0;
  for (Index i = 0; i < x.size(); ++i) sum += x[i], squares += x[i] * x[i];
  const double mean = sum / static_cast<double>(x.size());
  return std::sqrt(squares / static_cast<double>(x.size()) - mean * mean);
}
/// Uniform in [-bound, bound).
void require_uniform(const Tensor<double>& x, double bound) {
  REQUIRE(greatest(x) <= bound);
  REQUIRE(greatest(x) > 0.999 * bound);
  REQUIRE(deviation(x) == Approx(bound / std::sqrt(3.0)).epsilon(0.02));
}

}  // namespace

TEST_CASE("initial values have the deviations and bounds of their names", "[nn]") {
  constexpr Index in = 50, out = 30;
  Rng rng(1);
  const Shape s{count};
  REQUIRE(deviation(init::normal<double>(s, 0.3, rng)) == Approx(0.3).epsilon(0.02));
  REQUIRE(deviation(init::lecun_normal<double>(s, in, rng)) == Approx(std::sqrt(1.0 / in)).epsilon(0.02));
  REQUIRE(deviation(init::kaiming_normal<double>(s, in, rng)) == Approx(std::sqrt(2.0 / in)).epsilon(0.02));
  require_uniform(init::uniform<double>(s, 0.3, rng), 0.3);
  require_uniform(init::xavier_uniform<double>(s, in, out, rng), std::sqrt(6.0 / (in + out)));
  require_uniform(init::kaiming_uniform<double>(s, in, rng), std::sqrt(1.0 / in));
  require_uniform(init::kaiming_uniform<double>(s, in, rng, 1), std::sqrt(3.0 / in));
}

TEST_CASE("a truncated normal has nothing beyond two deviations, and no heap there", "[nn]") {
  Rng rng(2);
  const Tensor<double> x = init::truncated_normal<double>({count}, 0.5, rng);
  REQUIRE(greatest(x) <= 1);
  REQUIRE(deviation(x) == Approx(0.5 * 0.8796).epsilon(0.02));  // of the standard normal, cut at 2
  Index at_the_cut = 0;
  for (Index i = 0; i < x.size(); ++i) at_the_cut += std::abs(x[i]) > 0.9999;
  REQUIRE(at_the_cut < 10);
}

TEST_CASE("float and double modules start alike", "[nn]") {
  Rng a(3), b(3);
  const Tensor<double> wide = init::normal<double>({100}, 0.3, a);
  const Tensor<float> narrow = init::normal<float>({100}, 0.3, b);
  for (Index i = 0; i < 100; ++i) REQUIRE(narrow[i] == static_cast<float>(wide[i]));
}

TEST_CASE("an LSTM begins with open forget gates", "[nn]") {
  Rng rng(4);
  const Lstm<float> lstm({.in = 3, .hidden = 5}, rng);
  for (Index i = 0; i < 20; ++i) REQUIRE((lstm.input.bias->value[i] == 1) == (i >= 5 && i < 10));
}
