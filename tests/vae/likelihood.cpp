#include <tessera/vae/likelihood.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {
/// Every level of [-1, 1], `levels` items of one number.
D all_levels(Index levels) {
  D x(Shape{levels, 1});
  for (Index i = 0; i < levels; ++i) x.data()[i] = 2 * static_cast<double>(i) / static_cast<double>(levels - 1) - 1;
  return x;
}
}  // namespace

TEST_CASE("likelihoods have the gradients of finite differences", "[vae]") {
  D shares = draw({3, 4}, 1, 0.2, 0.5);
  check_gradient([&](const auto& l) { return bernoulli_log_prob(l, shares); }, {{3, 4}});
  check_gradient([&](const auto& m, const auto& s) { return gaussian_log_prob(m, s, shares); }, {{3, 4}, {3, 4}});
  // The outer bins, some inner ones, means on both sides. One number is far out, where one sigmoid is exactly 0 or 1.
  const D levels = D::from({2, 4}, {-1, 1, 2.0 / 255 - 1, 1 - 2.0 / 255, 1.0 / 255, 101.0 / 255, -1, 1});
  const auto logistic = [&](const auto& m, const auto& s) { return logistic_log_prob(m, s, levels, 256); };
  for (const double offset : {0.0, -3.0}) {
    const D m = draw({2, 4}, 2, 0.7), s = draw({2, 4}, 3, 0.5, offset);
    Tape<D> tape;
    const auto vm = tape.input(m), vs = tape.input(s);
    tape.backward(weigh(logistic(vm, vs), 7));
    check_close(tape.gradient(vm), differences([&](const D& v) { return weigh(logistic(v, s), 7).item(); }, m, 1e-6),
                "mean", 1e-4);
    check_close(tape.gradient(vs), differences([&](const D& v) { return weigh(logistic(m, v), 7).item(); }, s, 1e-6),
                "log-scale", 1e-4);
  }
}

TEST_CASE("the probabilities of all levels of a discretised logistic sum to one", "[vae]") {
  for (const Index levels : {2, 16, 256}) {
    for (const double mean : {-1.3, 0.0, 0.4}) {
      for (const double scale : {-6.0, -2.0, 1.0}) {
        const D x = all_levels(levels);
        const D p = exp(logistic_log_prob(D(x.shape(), mean), D(x.shape(), scale), x, levels));
        REQUIRE(sum(p).item() == Approx(1).margin(1e-9));
      }
    }
  }
}

TEST_CASE("a discretised logistic stays finite and exact in float where sigmoids cancel", "[vae]") {
  const Tensor<float> x(Shape{1, 1}, 0.5f);
  for (const float mean : {-1.f, 0.5f, 30.f}) {
    for (const float scale : {-7.f, 0.f, 6.f}) {
      const float got = logistic_log_prob(Tensor<float>({1, 1}, mean), Tensor<float>({1, 1}, scale), x, 256)[0];
      const double exact = logistic_log_prob(D({1, 1}, static_cast<double>(mean)),
                                             D({1, 1}, static_cast<double>(scale)), x.as<double>(), 256)[0];
      INFO(mean << " " << scale << ": " << got << " " << exact);
      REQUIRE(static_cast<double>(got) == Approx(exact).epsilon(1e-4).margin(1e-4));
    }
  }
}

TEST_CASE("samples have the distribution whose likelihood is told", "[vae]") {
  const Index n = 4000;
  const Tensor<float> logits(Shape{n, 1}, 0.5f);
  const double share = static_cast<double>(mean(Likelihood{}.sample(logits, Noise{1})).item());
  REQUIRE(share == Approx(1 / (1 + std::exp(-0.5))).margin(0.03));
  Tensor<float> h(Shape{n, 2});
  for (Index i = 0; i < n; ++i) h.data()[2 * i] = 0.2f, h.data()[2 * i + 1] = -2.f;
  const Likelihood normal{.kind = Likelihood::Kind::gaussian}, logistic{.kind = Likelihood::Kind::logistic};
  const Tensor<float> a = normal.sample(h, Noise{2}), b = logistic.sample(h, Noise{3});
  REQUIRE(static_cast<double>(mean(a).item()) == Approx(0.2).margin(0.01));
  REQUIRE(std::sqrt(static_cast<double>(var(a).item())) == Approx(std::exp(-2.0)).epsilon(0.05));
  REQUIRE(static_cast<double>(mean(b).item()) == Approx(0.2).margin(0.02));
  // A logistic's deviation is pi / sqrt(3) scales.
  REQUIRE(std::sqrt(static_cast<double>(var(b).item())) == Approx(1.8138 * std::exp(-2.0)).epsilon(0.06));
  const double levels = (static_cast<double>(b[7]) + 1) * 127.5;
  REQUIRE(levels == Approx(std::round(levels)).margin(1e-3));
}
