// Every optimizer against the formulas of its paper, written out in double.
#include <tessera/train/optimizer.hpp>

#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;
using Kind = OptimizerConfig::Kind;

namespace {

/// One matrix (decays), one vector (does not) and one that is frozen. 37 elements: whole packs and a tail.
template <class T>
struct Three {
  Parameter<T> matrix{Noise{1}.normal<T>({1, 37})}, vector{Noise{2}.normal<T>({37})},
      frozen{Noise{3}.normal<T>({5}), true};
  static void members(auto& self, auto&& see) {
    see("matrix", self.matrix);
    see("vector", self.vector);
    see("frozen", self.frozen);
  }
};

/// The plain loop. `t` counts from 1.
struct Reference {
  OptimizerConfig c;
  bool decays;
  std::vector<double> x, m, v;

  Reference(OptimizerConfig config, const Tensor<double>& start)
      : c(config), decays(start.rank() >= 2), x(start.span().begin(), start.span().end()), m(x.size()), v(x.size()) {}

  void step(const Tensor<double>& gradient, int t, double rate) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      double g = gradient[static_cast<Index>(i)];
      const double decay = decays ? c.decay : 0;
      if (c.kind == Kind::sgd) {
        g += decay * x[i];
        m[i] = c.beta1 * m[i] + g;
        x[i] -= rate * (c.nesterov ? g + c.beta1 * m[i] : m[i]);
      } else if (c.kind == Kind::lion) {
        const double u = c.beta1 * m[i] + (1 - c.beta1) * g;
        x[i] -= rate * ((u > 0) - (u < 0) + decay * x[i]);
        m[i] = c.beta2 * m[i] + (1 - c.beta2) * g;
      } else {
        if (c.kind == Kind::adam) g += decay * x[i];
        m[i] = c.beta1 * m[i] + (1 - c.beta1) * g;
        v[i] = c.beta2 * v[i] + (1 - c.beta2) * g * g;
        const double mean = m[i] / (1 - std::pow(c.beta1, t)), square = v[i] / (1 - std::pow(c.beta2, t));
        const double shrink = c.kind == Kind::adamw ? rate * decay * x[i] : 0;
        x[i] -= rate * mean / (std::sqrt(square) + c.epsilon) + shrink;
      }
    }
  }
};

template <class T>
double furthest(const Tensor<T>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    worst = std::fmax(worst, std::fabs(static_cast<double>(a[static_cast<Index>(i)]) - b[i]));
  return worst;
}

template <class T>
void follows_the_formula(OptimizerConfig config, double tolerance) {
  Three<double> exact;
  Three<T> net;
  for_each_parameter(net, [](const std::string&, auto& p) { p.value = p.value.clone(); });
  net.matrix.value = exact.matrix.value.as<T>();
  net.vector.value = exact.vector.value.as<T>();
  const Tensor<T> before = net.frozen.value.clone();
  Reference matrix(config, exact.matrix.value), vector(config, exact.vector.value);
  Optimizer<T> optimizer(config);
  for (int t = 1; t <= 12; ++t) {
    const Noise noise = Noise{9}.fork(static_cast<std::uint64_t>(t));
    const Tensor<double> a = noise.fork(0).normal<double>({1, 37}), b = noise.fork(1).normal<double>({37});
    Tape<Tensor<T>> tape;
    const auto x = tape.constant(a.as<T>()), y = tape.constant(b.as<T>());
    tape.backward(sum(lift(x, net.matrix) * x) + sum(lift(y, net.vector) * y) + sum(lift(x, net.frozen)));
    Gradients<T> gradients;
    gradients.add(net, tape);
    const double factor = 1.0 / t;
    optimizer.step(net, gradients, factor, 0.5);
    Tensor<double> half_a = a * 0.5, half_b = b * 0.5;
    matrix.step(half_a, t, config.rate * factor);
    vector.step(half_b, t, config.rate * factor);
  }
  CHECK(furthest(net.matrix.value, matrix.x) < tolerance);
  CHECK(furthest(net.vector.value, vector.x) < tolerance);
  CHECK(same_bytes(net.frozen.value, before));
  CHECK(optimizer.steps() == 12);
}

OptimizerConfig with_decay(OptimizerConfig c, double decay) {
  c.decay = decay;
  return c;
}

}  // namespace

TEST_CASE("each optimizer follows the formula of its paper", "[train]") {
  const OptimizerConfig configs[] = {
      sgd(0.1),         sgd(0.1, 0.9),  with_decay(sgd(0.1, 0.9, true), 0.1), adam(0.05), with_decay(adam(0.05), 0.1),
      adamw(0.05, 0.2), lion(0.02, 0.3)};
  for (const OptimizerConfig& c : configs) {
    CAPTURE(static_cast<int>(c.kind), c.decay, c.nesterov);
    follows_the_formula<double>(c, 1e-12);
    // Lion takes the sign: a float gradient near zero may fall on the other side, but not among these.
    follows_the_formula<float>(c, 2e-5);
  }
}

TEST_CASE("AdamW's decay does not pass through the gradient", "[train]") {
  Three<double> net;
  const Tensor<double> before = net.matrix.value.clone();
  Optimizer<double> optimizer(adamw(0.1, 0.5));
  Gradients<double> gradients;
  Tape<Tensor<double>> tape;
  const auto x = tape.constant(Tensor<double>(Shape{1, 37}, 0.0));
  tape.backward(sum(lift(x, net.matrix) * x));  // a gradient of zeros
  gradients.add(net, tape);
  optimizer.step(net, gradients);
  for (Index i = 0; i < 37; ++i) CHECK(net.matrix.value[i] == Approx(before[i] * (1 - 0.1 * 0.5)).epsilon(1e-14));
}

TEST_CASE("a parameter freed late starts like a new one", "[train]") {
  Three<double> net;
  net.vector.frozen = true;
  Optimizer<double> optimizer(adam(0.1));
  const auto step = [&] {
    Tape<Tensor<double>> tape;
    const auto x = tape.constant(Tensor<double>(Shape{1, 37}, 2.0));
    tape.backward(sum(lift(x, net.matrix) * x) + sum(lift(x, net.vector) * x));
    Gradients<double> gradients;
    gradients.add(net, tape);
    optimizer.step(net, gradients);
  };
  for (int i = 0; i < 50; ++i) step();
  const Tensor<double> before = net.vector.value.clone();
  net.vector.frozen = false;
  step();
  for (Index i = 0; i < 37; ++i)
    CHECK(net.vector.value[i] == Approx(before[i] - 0.1).margin(1e-8));  // Adam's first step: rate
}

TEST_CASE("an optimizer refuses settings that make no sense", "[train]") {
  CHECK_THROWS_AS(Optimizer<float>(adamw(-1)), argument_error);
  CHECK_THROWS_AS(Optimizer<float>(adamw(std::nan(""))), argument_error);
  CHECK_THROWS_AS(Optimizer<float>(sgd(0.1, 1)), argument_error);
  CHECK_THROWS_AS(Optimizer<float>(adamw(0.1, -0.1)), argument_error);
}

namespace {
struct Many {
  std::vector<Parameter<float>> all;
  static void members(auto& self, auto&& see) { see("all", self.all); }
};
}  // namespace

TEST_CASE("a parameter's step does not depend on what stands beside it", "[train]") {
  // All parameters are one pass, cut into blocks: sizes that end within packs, within blocks and beyond several.
  const Index sizes[] = {5, 16379, 1, 40000, 17, 16384};
  Many together;
  Gradients<float> gradients;
  const auto take = [](Many& net, Gradients<float>& into) {
    Tape<Tensor<float>> tape;
    const Var<Tensor<float>> one = tape.constant(Tensor<float>(Shape{}, 1.f));
    Var<Tensor<float>> total = one;
    for (const Parameter<float>& p : net.all) total = total + sum(lift(one, p) * lift(one, p));
    tape.backward(total);
    into.add(net, tape);
  };
  for (std::uint64_t i = 0; i < 6; ++i) together.all.push_back({Noise{i}.normal<float>({sizes[i]})});
  take(together, gradients);
  Optimizer<float> optimizer(adamw(1e-2));
  optimizer.step(together, gradients);
  for (std::uint64_t i = 0; i < 6; ++i) {
    Many alone;
    alone.all.push_back({Noise{i}.normal<float>({sizes[i]})});
    Gradients<float> own;
    take(alone, own);
    Optimizer<float> other(adamw(1e-2));
    other.step(alone, own);
    CHECK(same_bytes(alone.all[0].value, together.all[i].value));
  }
}
