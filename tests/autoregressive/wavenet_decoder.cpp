#include <tessera/autoregressive/wavenet_decoder.hpp>
#include <tessera/kernel/softmax.hpp>

#include <cmath>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

Tensor<std::int32_t> some_units(Index length, Index classes) {
  Tensor<std::int32_t> units(Shape{1, length});
  for (Index i = 0; i < length; ++i)
    units.data()[i] = static_cast<std::int32_t>(Noise{1}.below(classes, static_cast<std::uint64_t>(i)));
  return units;
}

/// Biases away from 0, where they would hide.
void shake(WaveNet<float>& net) {
  std::uint64_t i = 0;
  for_each_parameter(net, [&](const std::string& path, auto& p) {
    if (path.ends_with("bias")) p.value = p.value + Noise{77}.fork(++i).normal<float>(p.value.shape()) * 0.1F;
  });
}

std::vector<WaveNetConfig> shapes() {
  return {{.residual = 64, .skip = 64, .cycles = 2, .depth = 4},
          {.residual = 64, .skip = 128, .cycles = 1, .depth = 5, .condition = 11, .hop = 10},
          {.classes = 30, .residual = 5, .skip = 7, .cycles = 2, .depth = 3, .condition = 3, .hop = 4, .start = 9},
          {.classes = 300, .residual = 24, .skip = 40, .cycles = 3, .depth = 2},
          {.classes = 33, .residual = 1, .skip = 1, .cycles = 1, .depth = 1, .start = 16},
          {.residual = 100, .skip = 200, .cycles = 1, .depth = 3, .condition = 40, .hop = 5}};
}

/// Largest difference between the logits of the forward pass and those of the steps.
double difference(const WaveNet<float>& net, const WaveNetDecoder& decoder, Index length = 60) {
  const WaveNetConfig& c = net.config;
  const auto units = some_units(length, c.classes);
  const Tensor<float> frames =
      c.condition > 0 ? Noise{5}.normal<float>({1, length / c.hop, c.condition}) : Tensor<float>();
  const auto wanted = net(net.delayed(units), frames);
  auto state = decoder.begin(frames ? frames.reshaped({length / c.hop, c.condition}) : frames);
  double worst = 0;
  for (Index t = 0; t < length; ++t) {
    for (Index k = 0; k < c.classes; ++k)
      worst = std::max(worst, std::fabs(static_cast<double>(state.logits()[static_cast<std::size_t>(k)] -
                                                            wanted[t * c.classes + k])));
    if (t + 1 < length) decoder.next(state, units[t]);
  }
  return worst;
}

}  // namespace

static_assert(NextUnit<WaveNetDecoder>);

TEST_CASE("wavenet decoder: stepping has the bits of the forward pass", "[autoregressive][wavenet]") {
  for (const WaveNetConfig& c : shapes()) {
    Rng rng(7);
    WaveNet<float> net(c, rng);
    shake(net);
    INFO(c.residual << " / " << c.skip << " channels, " << c.condition << " features");
    CHECK(difference(net, WaveNetDecoder(net)) == 0);
  }
}

TEST_CASE("wavenet decoder: the bits stay those of the forward pass over many blocks of samples",
          "[autoregressive][wavenet]") {
  Rng rng(7);
  WaveNet<float> net({.residual = 64, .skip = 48, .cycles = 2, .depth = 9, .condition = 3, .hop = 20}, rng);
  shake(net);
  CHECK(difference(net, WaveNetDecoder(net), 700) == 0);
}

TEST_CASE("wavenet decoder: longer sums agree within rounding", "[autoregressive][wavenet]") {
  Rng rng(7);
  WaveNet<float> net({.residual = 160, .skip = 300, .cycles = 1, .depth = 2}, rng);
  CHECK(difference(net, WaveNetDecoder(net)) < 1e-5);
}

TEST_CASE("wavenet decoder: half weights move the distribution by less than 1 in 500", "[autoregressive][wavenet]") {
  for (const WaveNetConfig& c : shapes()) {
    Rng rng(7);
    WaveNet<float> net(c, rng);
    shake(net);
    const WaveNetDecoder full(net), half(net, {.half = true});
    CHECK(half.bytes() * 2 == full.bytes());
    const Tensor<float> frames = c.condition > 0 ? Noise{5}.normal<float>({4, c.condition}) : Tensor<float>();
    auto a = full.begin(frames), b = half.begin(frames);
    const auto units = some_units(50, c.classes);
    for (Index t = 0; t < 50; ++t) {
      full.next(a, units[t]);
      half.next(b, units[t]);
      std::vector<float> p(a.logits().size()), q(p.size());
      kernel::softmax<float>(1, c.classes, a.logits().data(), p.data());
      kernel::softmax<float>(1, c.classes, b.logits().data(), q.data());
      double moved = 0;
      for (std::size_t k = 0; k < p.size(); ++k) moved += std::fabs(static_cast<double>(p[k] - q[k])) / 2;
      REQUIRE(moved < 0.002);
    }
  }
}

TEST_CASE("wavenet decoder: a copied state goes on by itself", "[autoregressive][wavenet]") {
  Rng rng(8);
  const WaveNet<float> net({.residual = 16, .skip = 16, .depth = 4, .condition = 2, .hop = 3}, rng);
  const WaveNetDecoder model(net);
  const auto units = some_units(40, 256);
  auto state = model.begin(Noise{2}.normal<float>({5, 2}));
  for (Index t = 0; t < 17; ++t) model.next(state, units[t]);
  auto fork = state;
  for (Index t = 17; t < 30; ++t) model.next(fork, 255 - units[t]);
  auto again = model.begin(Noise{2}.normal<float>({5, 2}));
  for (Index t = 0; t < 40; ++t) model.next(again, units[t]);
  for (Index t = 17; t < 40; ++t) model.next(state, units[t]);
  CHECK(state.length() == 40);
  CHECK(std::memcmp(state.logits().data(), again.logits().data(), 256 * sizeof(float)) == 0);
  CHECK(std::memcmp(state.logits().data(), fork.logits().data(), 256 * sizeof(float)) != 0);
}

TEST_CASE("wavenet decoder: what does not fit is named", "[autoregressive][wavenet]") {
  Rng rng(9);
  const WaveNet<float> net({.residual = 8, .skip = 8, .depth = 2, .condition = 2}, rng);
  const WaveNetDecoder model(net);
  CHECK_THROWS_AS(model.begin({}), shape_error);
  CHECK_THROWS_AS(model.begin(Tensor<float>(Shape{4, 3}, 0.0F)), shape_error);
  auto state = model.begin(Tensor<float>(Shape{4, 2}, 0.0F));
  CHECK_THROWS_AS(model.next(state, 256), argument_error);
  CHECK_THROWS_AS(model.next(state, -1), argument_error);
}
