#include <tessera/nonautoregressive/independent.hpp>

#include <tessera/train/loop.hpp>
#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using Units = Tensor<std::int32_t>;

namespace {
template <class T>
Independent<T> two_units(std::uint64_t seed, std::vector<Index> hidden = {5}) {
  Rng rng(seed);
  return Independent<T>({.item = {2, 1}, .values = 3, .context = 4, .hidden = std::move(hidden)},
                        ClassReader<T>({.classes = 2, .width = 4}, rng), rng);
}
}  // namespace

TEST_CASE("a model of independent units is a module, and its likelihood a distribution", "[nonautoregressive]") {
  const Units labels = Units::from({3}, {0, 1, 1}), units = Units::from({3, 2, 1}, {0, 2, 1, 1, 2, 0});
  Independent<double> net = two_units<double>(1);
  check_module(net, [&](const auto& m, Tape<D>& t) { return independent_loss(m, t.ids(labels), units); });
  const D each = net.log_prob(labels, units);
  CHECK(independent_loss(net, labels, units).item() == Approx(-(each[0] + each[1] + each[2]) / 3));
  double whole = 0;
  for (std::int32_t a = 0; a < 3; ++a) {
    for (std::int32_t b = 0; b < 3; ++b)
      whole += std::exp(net.log_prob(Units::from({1}, {1}), Units::from({1, 2, 1}, {a, b})).item());
  }
  CHECK(whole == Approx(1));
}

TEST_CASE("everything is drawn in one step, unit by unit", "[nonautoregressive]") {
  const Independent<float> net = two_units<float>(1);
  check_generator(net, Units::from({1}, {1}), Noise{7});
  const std::vector<Noise> noises = {Noise{6}, Noise{7}};
  const Units both = net.begin(Units::from({2}, {0, 1}), noises).finish();
  CHECK(both.shape() == Shape{2, 2, 1});
  CHECK(same_bytes(slice(both, 0, 1, 2).reshaped({2, 1}), generate(net, Units::from({1}, {1}), Noise{7})));

  // Shares of what is drawn are the probabilities.
  constexpr Index n = 4000;
  const Units drawn = net.begin(Units(Shape{n}, 0), forks(Noise{3}, n)).finish();
  const Tensor<float> p = softmax(net(Units::from({1}, {0})));
  for (Index unit = 0; unit < 2; ++unit) {
    for (std::int32_t v = 0; v < 3; ++v) {
      Index hits = 0;
      for (Index i = 0; i < n; ++i) hits += drawn[2 * i + unit] == v;
      CHECK(static_cast<double>(hits) / n == Approx(static_cast<double>(p[unit * 3 + v])).margin(0.03));
    }
  }
}

TEST_CASE("a low temperature takes the likeliest value of every unit", "[nonautoregressive]") {
  Independent<float> net = two_units<float>(4, {});
  net.config.temperature = 1e-3;
  const Units drawn = net.begin(Units(Shape{50}, 1), forks(Noise{3}, 50)).finish();
  const Tensor<float> logits = net(Units::from({1}, {1}));
  for (Index i = 0; i < 100; ++i) {
    const float* row = logits.data() + i % 2 * 3;
    for (int v = 0; v < 3; ++v) CHECK(row[drawn[i]] >= row[v]);
  }
}

TEST_CASE("it learns each unit's shares, and not that they belong together", "[nonautoregressive]") {
  // Class 0: always 0 then 2. Class 1: 0 0 or 1 1, a coin's throw: a bit in truth, two for units apart.
  Rng rng(1);
  Independent<float> net({.item = {2}, .values = 3, .context = 4, .hidden = {8}},
                         ClassReader<float>({.classes = 2, .width = 4}, rng), rng);
  const Units labels = Units::from({4}, {0, 0, 1, 1}), units = Units::from({4, 2}, {0, 2, 0, 2, 0, 0, 1, 1});
  train(net, [&](auto& tape, const auto& m, const TrainStep&) { return independent_loss(m, tape.ids(labels), units); },
        adam(0.05), {.steps = 200});
  const Tensor<float> l = net.log_prob(labels, units);
  CHECK(l[0] == Approx(0).margin(0.05));
  CHECK(l[2] == Approx(-2 * std::log(2)).margin(0.05));
}

TEST_CASE("a text is a condition too", "[nonautoregressive]") {
  Rng rng(2);
  const Independent<float, TextReader<float>> net(
      {.item = {3}, .values = 4, .context = 8},
      TextReader<float>({.vocabulary = 9, .length = 4, .width = 8, .heads = 2, .layers = 1}, rng), rng);
  check_generator(net, Units::from({1, 3}, {1, 5, 2}), Noise{3});
}

TEST_CASE("a model of independent units says what it cannot work with", "[nonautoregressive]") {
  Rng rng(1);
  const ClassReader<float> reader({.classes = 2, .width = 4}, rng);
  using Net = Independent<float>;
  CHECK_THROWS_WITH(Net({.item = {2}, .values = 1, .context = 4}, reader, rng), Contains("at least 2 values"));
  CHECK_THROWS_WITH(Net({.item = {1 << 20}, .values = 1 << 20, .context = 4}, reader, rng), Contains("2^31"));
  CHECK_THROWS_WITH(Net({.item = {2}, .values = 2, .context = 4, .temperature = 0}, reader, rng),
                    Contains("temperature"));
  const Net wide({.item = {2}, .values = 3, .context = 5}, reader, rng);
  CHECK_THROWS_WITH(wide(Units::from({1}, {0})), Contains("set `context`"));
  const Net net({.item = {2}, .values = 3, .context = 4}, reader, rng);
  CHECK_THROWS_WITH(net.log_prob(Units::from({1}, {0}), Units::from({1, 3}, {0, 0, 0})), Contains("[1, 2]"));
  CHECK_THROWS_WITH(net.log_prob(Units::from({1}, {0}), Units::from({1, 2}, {0, 3})), Contains("unit 3"));
  CHECK_THROWS_WITH(net.begin(Units::from({2}, {0, 1}), Noise{1}), Contains("one condition"));
  const std::vector<Noise> one(1, Noise{1});
  CHECK_THROWS_WITH(net.begin(Units::from({2}, {0, 1}), one), Contains("2] for 1"));
}
