#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autoregressive/wavenet.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

Tensor<std::int32_t> some_units(const Shape& shape, Index classes, std::uint64_t seed = 1) {
  Tensor<std::int32_t> units(shape);
  for (Index i = 0; i < units.size(); ++i)
    units.data()[i] = static_cast<std::int32_t>(Noise{seed}.below(classes, static_cast<std::uint64_t>(i)));
  return units;
}

constexpr WaveNetConfig small{
    .classes = 7, .residual = 3, .skip = 5, .cycles = 2, .depth = 2, .condition = 2, .hop = 3, .start = 3};

}  // namespace

TEST_CASE("wavenet: every parameter has its gradient", "[autoregressive][wavenet]") {
  Rng rng(1);
  WaveNet<double> net(small, rng);
  const auto units = some_units({2, 9}, 7);
  const auto frames = draw({2, 3, 2}, 5);
  check_module(net, [&](auto& n, auto& tape) { return n(tape.ids(n.delayed(units)), tape.constant(frames)); });

  WaveNetConfig free = small;
  free.condition = 0;
  WaveNet<double> alone(free, rng);
  check_module(alone, [&](auto& n, auto& tape) { return n(tape.ids(n.delayed(units))); });
}

TEST_CASE("wavenet: no output depends on what comes after, and each on all it should reach",
          "[autoregressive][wavenet]") {
  Rng rng(2);
  const WaveNetConfig c{.classes = 16, .residual = 8, .skip = 8, .cycles = 2, .depth = 3, .start = 8};
  const WaveNet<float> net(c, rng);
  REQUIRE(c.reach() == 15);
  const Index length = 40, changed = 17;
  const auto units = some_units({1, length}, 16);
  auto other = units;
  other.data()[changed] = (units[changed] + 5) % 16;
  const auto a = net(net.delayed(units)), b = net(net.delayed(other));
  for (Index t = 0; t < length; ++t) {
    bool same = true;
    for (Index k = 0; k < 16; ++k) same = same && a[t * 16 + k] == b[t * 16 + k];
    INFO("time " << t);
    CHECK(same == (t <= changed || t > changed + c.reach()));
  }
}

TEST_CASE("wavenet: a frame's features move its own samples and those after", "[autoregressive][wavenet]") {
  Rng rng(3);
  WaveNetConfig c = small;
  const WaveNet<float> net(c, rng);
  const auto units = some_units({1, 12}, 7);
  const auto frames = Noise{4}.normal<float>({1, 4, 2});
  auto other = frames;
  other.data()[2 * 2] += 1;  // of frame 2: samples 6, 7, 8
  const auto a = net(net.delayed(units), frames), b = net(net.delayed(units), other);
  for (Index t = 0; t < 12; ++t) {
    bool same = true;
    for (Index k = 0; k < 7; ++k) same = same && a[t * 7 + k] == b[t * 7 + k];
    INFO("time " << t);
    CHECK(same == (t < 6));
  }
}

TEST_CASE("wavenet: a batch is its items one by one", "[autoregressive][wavenet]") {
  Rng rng(4);
  const WaveNet<float> net(
      {.classes = 32, .residual = 16, .skip = 24, .depth = 4, .condition = 3, .hop = 5, .start = 16}, rng);
  const auto units = some_units({3, 25}, 32);
  const auto frames = Noise{4}.normal<float>({3, 5, 3});
  const auto together = net(net.delayed(units), frames);
  for (Index i = 0; i < 3; ++i)
    CHECK(same_bytes(slice(together, 0, i, i + 1),
                     net(slice(net.delayed(units), 0, i, i + 1), slice(frames, 0, i, i + 1))));
}

TEST_CASE("wavenet: it learns a pattern that is longer than any of its filters", "[autoregressive][wavenet]") {
  // Period 6 of 3 levels: what comes next is certain once 4 samples are known.
  Rng rng(5);
  WaveNet<float> net({.classes = 3, .residual = 8, .skip = 8, .cycles = 1, .depth = 3, .start = 0}, rng);
  Tensor<std::int32_t> units(Shape{1, 60});
  constexpr std::int32_t pattern[] = {0, 0, 1, 0, 2, 1};
  for (Index t = 0; t < 60; ++t) units.data()[t] = pattern[t % 6];
  const auto ids = net.delayed(units);
  const auto loss_now = [&] { return cross_entropy(net(ids), units).item(); };
  CHECK(loss_now() > 0.8F);
  for (int step = 0; step < 200; ++step) {
    Tape<Tensor<float>> tape;
    tape.backward(cross_entropy(net(tape.ids(ids)), units));
    for_each_parameter(net, [&](const std::string&, auto& p) {
      if (const auto* g = tape.find_gradient(p)) p.value = p.value - *g * 0.3F;
    });
  }
  CHECK(loss_now() < 0.1F);
}

TEST_CASE("wavenet: what does not fit is named", "[autoregressive][wavenet]") {
  Rng rng(6);
  const WaveNet<float> net(small, rng);
  const auto ids = some_units({1, 9}, 7);
  CHECK_THROWS_AS(net(ids), shape_error);
  CHECK_THROWS_AS(net(ids, Tensor<float>(Shape{1, 2, 2}, 0.0F)), shape_error);
  CHECK_THROWS_AS(net(some_units({1, 10}, 7), Tensor<float>(Shape{1, 3, 2}, 0.0F)), shape_error);
  CHECK_THROWS_AS(net.delayed(some_units({9}, 7)), shape_error);
  CHECK_THROWS_AS(WaveNet<float>({.depth = 0}, rng), argument_error);
  CHECK_THROWS_AS(WaveNet<float>({.start = 256}, rng), argument_error);
}
