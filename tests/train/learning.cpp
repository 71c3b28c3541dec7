// Learning tests: tiny tasks, fixed seeds, bounds with margin.
#include <tessera/train/loop.hpp>
#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;

namespace {

/// Rows of (x, y) and labels 0 or 1.
struct Plane {
  Tensor<float> points, labels;
};

Plane exclusive_or() {
  return {Tensor<float>::from({4, 2}, {-1, -1, -1, 1, 1, -1, 1, 1}), Tensor<float>::from({4, 1}, {0, 1, 1, 0})};
}

/// Two arms of a spiral, one turn and a half each.
Plane spirals(Index each) {
  Plane p{Tensor<float>(Shape{2 * each, 2}), Tensor<float>(Shape{2 * each, 1})};
  float *x = p.points.data(), *y = p.labels.data();
  for (Index i = 0; i < 2 * each; ++i) {
    const Index arm = i % 2;
    const double r = 0.15 + 0.85 * static_cast<double>(i / 2) / static_cast<double>(each);
    const double a = 3 * std::numbers::pi * r + (arm == 0 ? 0 : std::numbers::pi);
    x[2 * i] = static_cast<float>(r * std::cos(a));
    x[2 * i + 1] = static_cast<float>(r * std::sin(a));
    y[i] = static_cast<float>(arm);
  }
  return p;
}

double accuracy(const test::Net<float>& net, const Plane& data) {
  const Tensor<float> logits = net(data.points);
  Index right = 0;
  for (Index i = 0; i < logits.size(); ++i) right += (logits[i] > 0) == (data.labels[i] > 0.5f);
  return static_cast<double>(right) / static_cast<double>(logits.size());
}

double learn(const Plane& data, OptimizerConfig optimizer, Index width, Index steps) {
  Rng rng(1);
  test::Net<float> net(2, width, rng);
  const Schedule schedule{.decay = Decay::cosine, .warmup = steps / 20, .floor = 0.01};
  const auto result = train(net,
                            [&](auto& tape, const auto& n, const TrainStep&) {
                              return bce_logits(n(tape.constant(data.points)), data.labels);
                            },
                            optimizer, {.steps = steps, .ema_decay = 0.9, .schedule = schedule});
  CHECK(accuracy(*result.average, data) == accuracy(net, data));
  CHECK(accuracy(net, data) == 1);
  return static_cast<double>(result.history[steps - 1]);
}

}  // namespace

TEST_CASE("every optimizer learns exclusive or", "[train]") {
  const Plane data = exclusive_or();
  CHECK(learn(data, adam(0.05), 8, 200) < 0.05);
  CHECK(learn(data, adamw(0.05), 8, 200) < 0.05);
  CHECK(learn(data, lion(0.01, 0.01), 8, 200) < 0.05);
  CHECK(learn(data, sgd(0.5, 0.9), 8, 200) < 0.05);
  CHECK(learn(data, sgd(0.5, 0.9, true), 8, 200) < 0.05);
}

TEST_CASE("two spirals are told apart", "[train]") {
  CHECK(learn(spirals(100), adamw(0.01), 32, 800) < 0.1);  // guessing: 0.69
}
