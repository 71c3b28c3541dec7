#include <tessera/autodiff/op/logistic_mixture.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;

namespace {

/// Levels of pixels, from -1 to 1.
Tensor<double> some_levels(const Shape& shape, Index levels) {
  Tensor<double> x(shape);
  for (Index i = 0; i < x.size(); ++i)
    x.data()[i] = 2.0 * static_cast<double>((i * 7 + 3) % levels) / static_cast<double>(levels - 1) - 1;
  x.data()[0] = -1;
  x.data()[x.size() - 1] = 1;
  return x;
}

}  // namespace

TEST_CASE("logistic mixture: the gradient is that of finite differences, and once more", "[autodiff]") {
  for (const Index channels : {1, 3}) {
    const LogisticMixture m{.components = 2, .channels = channels, .levels = 8};
    const Tensor<double> x = some_levels({2, 3, channels}, 8);
    testing::check_gradient([&](const auto& p) { return logistic_mixture(p, x, m); }, {Shape{2, 3, m.parameters()}});
  }
}

TEST_CASE("logistic mixture: one component is the difference of two logistic functions", "[autodiff]") {
  const LogisticMixture m{.components = 1, .channels = 1, .levels = 256};
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  for (const double mean : {-0.9, 0.0, 0.4}) {
    for (const double log_scale : {-4.0, -2.0, 0.5}) {
      for (const double level : {0.0, 1.0, 100.0, 254.0, 255.0}) {
        const double x = level / 127.5 - 1, half = 1 / 255.0, s = std::exp(log_scale);
        const double upper = level == 255 ? 1 : sigmoid((x + half - mean) / s);
        const double lower = level == 0 ? 0 : sigmoid((x - half - mean) / s);
        const auto got = logistic_mixture(Tensor<double>::from({1, 3}, {0.7, mean, log_scale}),
                                          Tensor<double>::from({1, 1}, {x}), m);
        if (upper - lower > 1e-9) CHECK(std::exp(got[0]) == Approx(upper - lower).epsilon(1e-6));
        CHECK(std::isfinite(got[0]));
      }
    }
  }
}

TEST_CASE("logistic mixture: levels far from every mean have finite probabilities in single precision", "[autodiff]") {
  const LogisticMixture m{.components = 1, .channels = 1, .levels = 256};
  const auto p = Tensor<float>::from({1, 3}, {0.f, 1.f, -20.f});  // sharper than the least scale
  const auto y = logistic_mixture(p, Tensor<float>::from({1, 1}, {-1.f}), m);
  CHECK(std::isfinite(y[0]));
  CHECK(y[0] < -1000);
}

TEST_CASE("logistic mixture: the widest scales have the same values in single precision as in double", "[autodiff]") {
  const LogisticMixture m{.components = 1, .channels = 1, .levels = 256};
  for (const float scale : {5.f, 12.5f, 16.f, 30.f}) {
    for (const float level : {-1.f, 1 / 255.f, 1.f}) {
      Tape<Tensor<float>> tape;
      const auto p = tape.input(Tensor<float>::from({1, 3}, {0.f, 0.f, scale}));
      const auto y = logistic_mixture(p, Tensor<float>::from({1, 1}, {level}), m);
      const auto want = logistic_mixture(Tensor<double>::from({1, 3}, {0., 0., static_cast<double>(scale)}),
                                         Tensor<double>::from({1, 1}, {static_cast<double>(level)}), m);
      INFO("log-scale " << scale << ", level " << level);
      CHECK(static_cast<double>(y.value()[0]) == Approx(want[0]).epsilon(1e-5));
      tape.backward(sum(y));
      CHECK(std::isfinite(tape.gradient(p)[2]));
    }
  }
}

TEST_CASE("logistic mixture: the levels offered to generation are those of the op, and sum to one", "[autodiff]") {
  const LogisticMixture m{.components = 3, .channels = 3, .levels = 6};
  const Tensor<double> numbers = testing::draw({m.parameters()}, 5);
  const auto value = [](Index level) { return 2.0 * static_cast<double>(level) / 5 - 1; };
  const auto joint = [&](const std::vector<double>& pixel) {
    return logistic_mixture(numbers.reshaped({1, m.parameters()}), Tensor<double>::from({1, 3}, pixel), m)[0];
  };
  for (const std::vector<double>& before : {std::vector<double>{}, {value(2)}, {value(0), value(5)}}) {
    const auto levels = logistic_mixture_levels<double>(numbers.span(), before, m);
    REQUIRE(levels.size() == 6);
    double sum = 0;
    for (const float l : levels) sum += std::exp(static_cast<double>(l));
    CHECK(sum == Approx(1).epsilon(1e-5));
  }
  const std::vector<double> pixel = {value(4), value(1), value(3)};  // the chain of the three is the joint
  double chain = 0;
  const Index chosen[] = {4, 1, 3};
  for (std::size_t c = 0; c < 3; ++c) {
    const std::vector<double> before(pixel.begin(), pixel.begin() + static_cast<std::ptrdiff_t>(c));
    chain += static_cast<double>(
        logistic_mixture_levels<double>(numbers.span(), before, m)[static_cast<std::size_t>(chosen[c])]);
  }
  CHECK(chain == Approx(joint(pixel)).epsilon(1e-5));
}
