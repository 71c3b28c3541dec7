#include <tessera/train/loop.hpp>

#include <tessera/nn/save.hpp>

#include <tessera/flow/coupling.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/flow/multiscale.hpp>
#include <tessera/flow/squeeze.hpp>

#include "tests/io/scratch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/generator.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;

namespace {
using Layer = Coupling<float, DenseConditioner<float>>;
using Net = Flow<float, Stack<Layer>>;

Net small_net(std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Layer> layers;
  for (int i = 0; i < 4; ++i) layers.emplace_back(Layer::Config{.swap = i % 2 == 1, .hidden = 16}, rng);
  return Net({.item = {2}}, Stack(std::move(layers)));
}
template <class M>
M nudged(M m) {
  Rng rng(50);
  for_each_parameter(
      m, [&](const std::string&, auto& p) { p.value = p.value + init::normal<float>(p.value.shape(), 0.1, rng); });
  return m;
}
MultiScaleConfig tiny_glow() {
  return {.height = 8, .width = 4, .channels = 1, .levels = 2, .steps = 2, .hidden = 8, .learned_split = true};
}
}  // namespace

TEST_CASE("a flow's density is one: it sums to one over the plane", "[flow]") {
  const Net net = nudged(small_net(1));
  const Index side = 200;
  const double reach = 12, step = 2 * reach / side;
  Tensor<float> at(Shape{side * side, 2});
  for (Index i = 0; i < side * side; ++i) {
    at.data()[2 * i] = static_cast<float>((static_cast<double>(i % side) + 0.5) * step - reach);
    at.data()[2 * i + 1] = static_cast<float>((static_cast<double>(i / side) + 0.5) * step - reach);
  }
  const auto l = net.log_prob(at);
  double sum = 0;
  for (Index i = 0; i < l.size(); ++i) sum += std::exp(static_cast<double>(l[i])) * step * step;
  REQUIRE(sum == Approx(1).margin(0.01));
}

TEST_CASE("a flow learns a bent distribution to its entropy", "[flow]") {
  // x normal, y = x^2 / 2 + 0.3 n: the entropy is that of two normals, whatever the bend.
  Net net = small_net(1);
  const auto points = [](const Noise& noise, Index n) {
    Tensor<float> x = noise.normal<float>({n, 2});
    for (Index i = 0; i < n; ++i)
      x.data()[2 * i + 1] = 0.5f * x.data()[2 * i] * x.data()[2 * i] + 0.3f * x.data()[2 * i + 1];
    return x;
  };
  train(net,
        [&](auto& tape, const auto& m, const TrainStep& at) {
          return flow_loss(m, tape.constant(points(at.noise, 128)));
        },
        adam(5e-3), {.steps = 500, .schedule = {.decay = Decay::cosine}});
  const double entropy = 2 * 1.4189385332 + std::log(0.3);
  REQUIRE(flow_loss(net, points(Noise{77}, 4000)).item() == Approx(entropy).margin(0.06));
}

TEST_CASE("flows generate, and items do not depend on the batch", "[flow]") {
  Rng rng(1);
  const Flow<float, MultiScale<float>> glow =
      nudged(Flow<float, MultiScale<float>>({.item = {32}}, MultiScale<float>(tiny_glow(), rng)));
  static_assert(LatentModel<Flow<float, MultiScale<float>>>);
  check_generator(glow, Nothing{}, Noise{5});
  const std::vector<Noise> noises = forks(Noise{6}, 3);
  const Tensor<float> all = glow.begin(Tensor<float>(), noises).finish();
  REQUIRE(all.shape() == Shape{3, 8, 4, 1});
  for (Index i = 0; i < 3; ++i)
    REQUIRE(same_bytes(generate(glow, Nothing{}, noises[static_cast<std::size_t>(i)]),
                       slice(all, 0, i, i + 1).reshaped({8, 4, 1})));
  const Tensor<float> again = glow.encode(all), drawn = glow.prior(noises);
  for (Index i = 0; i < drawn.size(); ++i) REQUIRE(again[i] == Approx(drawn[i]).margin(1e-4));
}

TEST_CASE("a flow with a mixture prior is torn where its data is, and is a latent model still", "[flow]") {
  using Torn = Flow<float, Stack<Layer>, MixturePrior<float>>;
  static_assert(LatentModel<Torn>);
  const auto made = [](std::uint64_t seed) {
    Rng rng(seed);
    std::vector<Layer> layers;
    for (int i = 0; i < 2; ++i) layers.emplace_back(Layer::Config{.swap = i % 2 == 1, .hidden = 8}, rng);
    return Torn({.item = {2}}, Stack(std::move(layers)), MixturePrior<float>({.numbers = 2, .components = 6}, rng));
  };
  // Three heaps, each of deviation 0.1.
  const auto points = [](const Noise& noise, Index n) {
    Tensor<float> x = noise.normal<float>({n, 2}) * 0.1f;
    for (Index i = 0; i < n; ++i) x.data()[2 * i] += 2 * static_cast<float>(i % 3) - 2;
    return x;
  };
  Torn flow = made(1);
  flow.initialise(points(Noise{5}, 60));
  train(flow,
        [&](auto& tape, const auto& m, const TrainStep& at) {
          return flow_loss(m, tape.constant(points(at.noise, 126)));
        },
        adam(1e-2), {.steps = 200, .schedule = {.decay = Decay::cosine}});
  const double entropy = 2 * (1.4189385332 + std::log(0.1)) + std::log(3.0);
  REQUIRE(flow_loss(flow, points(Noise{77}, 3000)).item() == Approx(entropy).margin(0.08));
  // None of its draws lies between the heaps.
  const Tensor<float> x = flow.decode(flow.prior(Noise{8}, 600));
  int between = 0;
  for (Index i = 0; i < 600; ++i) between += std::abs(std::abs(x[2 * i]) - 1) < 0.4f;
  REQUIRE(between < 6);

  check_generator(flow, Nothing{}, Noise{5});
  const Tensor<float> z = flow.prior(Noise{9}, 5), there = flow.decode(z), back = flow.encode(there);
  for (Index i = 0; i < z.size(); ++i) REQUIRE(back[i] == Approx(z[i]).margin(1e-4));
  REQUIRE(same_bytes(flow.decode(lerp(z, z, 0.5)), there));
  const test::Scratch folder;
  save(folder / "torn.safetensors", flow);
  Torn other = made(2);
  load(folder / "torn.safetensors", other);
  REQUIRE(same_bytes(other.log_prob(there), flow.log_prob(there)));
  REQUIRE(same_bytes(generate(other, Nothing{}, Noise{6}), generate(flow, Nothing{}, Noise{6})));
}

TEST_CASE("a saved flow loads into one of another seed, its fixed permutations with it", "[flow]") {
  Rng one(1), other(2);
  const MultiScale<float> a = nudged(MultiScale<float>(tiny_glow(), one));
  MultiScale<float> b(tiny_glow(), other);
  const test::Scratch folder;
  save(folder / "glow.safetensors", a);
  load(folder / "glow.safetensors", b);
  const auto x = Noise{3}.normal<float>({2, 8, 4, 1});
  REQUIRE(same_bytes(a.forward(x).value, b.forward(x).value));
  REQUIRE(same_bytes(a.inverse(x.reshaped({2, 32})).value, b.inverse(x.reshaped({2, 32})).value));
}

TEST_CASE("actnorm makes a first batch even", "[flow]") {
  Rng rng(1);
  MultiScale<float> glow({.height = 4, .width = 4, .channels = 2, .levels = 1, .steps = 3, .hidden = 4}, rng);
  const Tensor<float> x = Noise{1}.normal<float>({64, 4, 4, 2}) * 7.f + 3.f;
  const Tensor<float> z = glow.initialise(x).value;
  REQUIRE(same_bytes(z, glow.forward(x).value));
  REQUIRE(static_cast<double>(mean(z).item()) == Approx(0).margin(0.02));
  REQUIRE(static_cast<double>(var(z).item()) == Approx(1).epsilon(0.03));
}

TEST_CASE("dequantised levels stay in their bins, and bits a dimension have their values", "[flow]") {
  Tensor<std::uint8_t> y(Shape{2, 100});
  for (Index i = 0; i < 200; ++i) y.data()[i] = static_cast<std::uint8_t>(i % 8);
  const Tensor<float> x = dequantise<float>(y, 8, Noise{1});
  for (Index i = 0; i < 200; ++i) REQUIRE(static_cast<int>(x[i] * 8) == y[i]);
  const Tensor<float> top =
      dequantise<float>(Tensor<std::uint8_t>(Shape{1, 1 << 20}, std::uint8_t{255}), 256, Noise{1});
  REQUIRE(max(top).item() < 1.f);  // 255 + u rounds to 256 once in 10^5
  // Uniform over all levels: log2(levels) bits.
  REQUIRE(bits_a_dimension(0, 100, 256) == Approx(8));
  REQUIRE(bits_a_dimension(-100 * std::log(2.0), 100, 256) == Approx(9));
  REQUIRE_THROWS_WITH(dequantise<float>(y, 4, Noise{1}), Contains("level 4 of 4"));
  REQUIRE_THROWS_WITH(dequantise<float>(y, 1, Noise{1}), Contains("2 to 256"));
}

TEST_CASE("flows that cannot work are refused with what would", "[flow]") {
  Rng rng(1);
  REQUIRE_THROWS_WITH(Layer({.channels = 3}, rng), Contains("put a Squeeze in front"));
  REQUIRE_THROWS_WITH(MultiScale<float>({.height = 28, .width = 28, .levels = 3}, rng), Contains("multiple of 8"));
  REQUIRE_THROWS_WITH(Squeeze{}.forward(Tensor<float>({1, 3, 4, 1}, 0.f)), Contains("use fewer levels"));
  REQUIRE_THROWS_WITH(InvertibleLinear<float>({.channels = 1}, rng), Contains("2 or more"));
  REQUIRE_THROWS_WITH(small_net(1).log_prob(Tensor<float>({1, 3}, 0.f)), Contains("not 2 channels"));
  REQUIRE_THROWS_WITH(small_net(1).log_prob(Tensor<float>({1, 2}, 0.f), Tensor<float>({1, 2}, 0.f)),
                      Contains("set `context`"));
  REQUIRE_THROWS_WITH(Net({.temperature = 0}, Stack<Layer>()), Contains("temperature"));
  using Mixed = Flow<float, Stack<Layer>, MixturePrior<float>>;
  REQUIRE_THROWS_WITH(Mixed({.item = {3}}, Stack<Layer>(), MixturePrior<float>({.numbers = 2}, rng)),
                      Contains("does not fit latents [3]"));
  REQUIRE_THROWS_WITH(matrix_inverse(Tensor<float>({2, 2}, 1.f)), Contains("singular"));
}
