#include <tessera/gan/gan.hpp>
#include <tessera/gan/mlp.hpp>
#include <tessera/gan/residual.hpp>
#include <tessera/generate/gradient_penalty.hpp>
#include <tessera/nn/save.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;

namespace {
constexpr ConditionConfig labels{.kind = ConditionConfig::Kind::label, .count = 3, .width = 5};
constexpr ConditionConfig text{.kind = ConditionConfig::Kind::text, .count = 6, .width = 4};
const Condition three = Condition::from({3}, {0, 2, 1});
const Condition words = Condition::from({3, 3}, {1, 2, 0, 3, 0, 0, 5, 4, 1});

template <template <class> class Net, class T, class C>
Net<T> make(C config, std::uint64_t seed) {
  Rng rng(seed);
  return Net<T>(config, rng);
}
}  // namespace

TEST_CASE("generators have the gradients of finite differences, by the batch's statistics too", "[gan]") {
  const D z = draw({3, 4}, 1);
  const auto trained = [&](const Condition& c) {
    return [&, c](auto& net, Tape<D>& tape) {
      Seen<double> seen;
      return net.decode(tape.constant(z), c, seen);
    };
  };
  auto mlp = make<MlpGenerator, double>(
      MlpGenerator<double>::Config{.noise = 4, .condition = labels, .body = {.width = 6}}, 1);
  check_module(mlp, trained(three));
  auto told =
      make<MlpGenerator, double>(MlpGenerator<double>::Config{.noise = 4, .condition = text, .body = {.width = 6}}, 2);
  check_module(told, trained(words));
  // ReLUs near their corner: differences are of a piecewise smooth function, hence the wider tolerance.
  auto dcgan = make<DcganGenerator, double>(
      DcganGenerator<double>::Config{.noise = 4, .body = {.side = 8, .channels = 1, .start = 2, .width = 3}}, 3);
  check_module(dcgan, trained({}), 2e-3);
  auto residual = make<ResidualGenerator, double>(
      ResidualGenerator<double>::Config{.noise = 4,
                                        .body = {.side = 4, .channels = 2, .start = 2, .width = 4, .norm = false}},
      4);
  check_module(residual, trained({}), 2e-3);
}

TEST_CASE("critics have the gradients of finite differences, and so do their slopes", "[gan]") {
  const D points = draw({3, 2}, 5), pictures = draw({3, 8, 8, 1}, 6);
  const auto both = [](auto critic, const D& x, const Condition& c) {
    check_module(
        critic, [&](auto& net, Tape<D>& tape) { return net(tape.constant(x), c); }, 2e-3);
    check_gradient([&](const auto& at) { return critic(at, c); }, {x.shape()}, {.rtol = 2e-3});
  };
  both(make<MlpCritic, double>(
           MlpCritic<double>::Config{.condition = labels, .spectral = true, .body = {.width = 5, .depth = 2}}, 1),
       points, three);
  both(make<MlpCritic, double>(
           MlpCritic<double>::Config{.condition = text, .deviation_group = 2, .body = {.width = 5, .depth = 2}}, 2),
       points, words);
  both(make<DcganCritic, double>(
           DcganCritic<double>::Config{.body = {.side = 8, .channels = 1, .start = 2, .width = 2, .norm = false}}, 3),
       pictures, {});
  both(make<ResidualCritic, double>(
           ResidualCritic<double>::Config{.spectral = true, .body = {.side = 8, .channels = 1, .start = 4, .width = 3}},
           4),
       pictures, {});
}

TEST_CASE("a penalty leaves no layer of a critic without its gradient", "[gan]") {
  auto critic = make<DcganCritic, float>(
      DcganCritic<float>::Config{.condition = labels,
                                 .body = {.side = 8, .channels = 1, .start = 2, .width = 2, .norm = false}},
      3);
  Tape<Tensor<float>> tape;
  tape.backward(r1_penalty(
      tape, Noise{1}.normal<float>({3, 8, 8, 1}), [&](const auto& x) { return critic(x, three); }, 1));
  for_each_parameter(critic, [&](const std::string& path, auto& p) {
    INFO(path);
    if (path.ends_with("weight")) REQUIRE(tape.find_gradient(p) != nullptr);
  });
}

TEST_CASE("penalties on convolutional critics have the gradients of finite differences", "[gan]") {
  const D x = draw({3, 8, 8, 1}, 6);
  const auto check = [&](auto critic, const Condition& c) {
    for (const bool two_sided : {false, true}) {
      const auto penalty = [&](Tape<D>& tape) {
        const auto score = [&](const auto& at) { return critic(at, c); };
        return two_sided ? gradient_penalty(tape, x, score, 10) : r1_penalty(tape, x, score, 3);
      };
      Tape<D> tape;
      tape.backward(penalty(tape));
      for_each_parameter(critic, [&](const std::string& path, auto& p) {
        if (!path.ends_with("weight")) return;  // in a piecewise linear critic biases only move the corners
        INFO(path << (two_sided ? ", two-sided" : ", R1"));
        const D gradient = *tape.find_gradient(p);
        double top = 0;
        for (Index i = 0; i < gradient.size(); ++i) top = std::max(top, std::abs(gradient[i]));
        REQUIRE(top > 0);
        const auto moved = [&](Index i, double step) {
          const double before = p.value[i];
          p.value.data()[i] = before + step;
          Tape<D> other;
          const double value = penalty(other).value().item();
          p.value.data()[i] = before;
          return value;
        };
        for (Index i = 0; i < gradient.size(); i += std::max<Index>(gradient.size() / 5, 1)) {
          const double difference = (moved(i, 1e-6) - moved(i, -1e-6)) / 2e-6;
          REQUIRE(gradient[i] == Approx(difference).epsilon(2e-3).margin(1e-5 * top));
        }
      });
    }
  };
  check(make<DcganCritic, double>(
            DcganCritic<double>::Config{.condition = labels,
                                        .body = {.side = 8, .channels = 1, .start = 2, .width = 2, .norm = false}},
            3),
        three);
  check(
      make<ResidualCritic, double>(
          ResidualCritic<double>::Config{.spectral = true, .body = {.side = 8, .channels = 1, .start = 4, .width = 3}},
          4),
      {});
}

TEST_CASE("a saved generator makes the same objects, running statistics included", "[gan]") {
  const DcganGenerator<float>::Config config{
      .noise = 4, .condition = labels, .body = {.side = 8, .channels = 1, .start = 2, .width = 3}};
  auto a = make<DcganGenerator, float>(config, 1), b = make<DcganGenerator, float>(config, 2);
  Seen<float> seen;
  a.decode(a.prior(Noise{1}, 3), three, seen);
  REQUIRE(seen.size() == 2);
  const auto before = a.decode(a.prior(Noise{2}, 3), three);
  a.update(seen);
  REQUIRE_FALSE(same_bytes(before, a.decode(a.prior(Noise{2}, 3), three)));
  Safetensors file;
  put(file, a);
  get(file, b);
  REQUIRE(same_bytes(a.decode(a.prior(Noise{2}, 3), three), b.decode(b.prior(Noise{2}, 3), three)));
}

TEST_CASE("a GAN keeps the laws of generation, and an item is what it would have been alone", "[gan]") {
  auto net = make<DcganGenerator, float>(
      DcganGenerator<float>::Config{
          .noise = 4, .condition = labels, .body = {.side = 8, .channels = 1, .start = 2, .width = 8}},
      1);
  const Gan model(net);
  using Request = decltype(model)::Request;
  check_generator(model, Request(three), Noise{3});
  const Tensor<float> all = generate(model, Request(three), Noise{3});
  REQUIRE(all.shape() == Shape{3, 8, 8, 1});
  const Tensor<float> z = model.prior(Noise{3}, 3);
  for (Index i = 0; i < 3; ++i) {
    const Tensor<float> alone = model.decode(slice(z, 0, i, i + 1), Condition(Shape{1}, three[i]));
    REQUIRE(same_bytes(alone, slice(all, 0, i, i + 1)));
  }
  REQUIRE_THROWS_AS(generate(model, Request(3), Noise{3}), argument_error);
  REQUIRE_THROWS_AS(generate(model, Request(Condition::from({1}, {7})), Noise{3}), argument_error);
}

TEST_CASE("a generator without noise makes one object", "[gan]") {
  auto net = make<MlpGenerator, float>(MlpGenerator<float>::Config{.noise = 0}, 1);
  const Tensor<float> x = generate(Gan(net), decltype(Gan(net))::Request(5), Noise{1});
  for (Index i = 1; i < 5; ++i) REQUIRE(same_bytes(slice(x, 0, i, i + 1), slice(x, 0, 0, 1)));
}

TEST_CASE("minibatch deviation is the mean deviation of a group", "[gan]") {
  const D x = D::from({4, 2}, {1.0, 0.0, 3.0, 0.0, 5.0, 7.0, 5.0, 7.0});
  const D y = minibatch_deviation(x, 2);
  REQUIRE(y.shape() == Shape{4, 3});
  REQUIRE(y[2] == Approx(0.5).epsilon(1e-3));  // deviations 1 and 0
  REQUIRE(y[5] == y[2]);
  REQUIRE(y[8] == Approx(1e-4));
  check_gradient([](const auto& v) { return minibatch_deviation(v, 2); }, {{5, 3}}, {.rtol = 1e-3});
  REQUIRE_THROWS_AS(minibatch_deviation(x, 1), argument_error);
}

TEST_CASE("networks that can't be say how to mend them", "[gan]") {
  Rng rng(1);
  REQUIRE_THROWS_WITH(DcganGenerator<float>({.body = {.side = 30}}, rng), Contains("doubled") && Contains("start 7"));
  REQUIRE_THROWS_AS(DcganCritic<float>({.body = {.side = 4}}, rng), argument_error);
  REQUIRE_THROWS_AS(MlpGenerator<float>({.noise = -1}, rng), argument_error);
  REQUIRE_THROWS_AS(MlpCritic<float>({.condition = {.kind = ConditionConfig::Kind::label}}, rng), argument_error);
  const MlpCritic<float> critic({.condition = labels}, rng);
  REQUIRE_THROWS_WITH(critic(Tensor<float>({2, 2}, 0.f)), Contains("labels [B]"));
  REQUIRE_THROWS_AS(critic(Tensor<float>({2, 3}, 0.f), three), shape_error);
}
