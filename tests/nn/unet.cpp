#include <tessera/nn/text_encoder.hpp>
#include <tessera/nn/unet.hpp>

#include "tests/support/gradient.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("residual blocks and resolution changes have the gradients of finite differences", "[nn]") {
  Rng rng(1);
  ResidualBlock<double> block({.in = 8, .out = 16, .embedding = 3}, rng);
  const D x = draw({1, 4, 4, 8}, 1), e = draw({1, 3}, 2);
  check_module(block, [x, e](const auto& m, Tape<D>& t) { return m(t.constant(x), t.constant(e)); });
  Downsample<double> down({.in = 8, .out = 4}, rng);
  check_module(down, [x](const auto& m, Tape<D>& t) { return m(t.constant(x)); });
  Upsample<double> up({.in = 8, .out = 4}, rng);
  check_module(up, [x](const auto& m, Tape<D>& t) { return m(t.constant(x)); });
}

TEST_CASE("a small U-Net with words has the gradients of finite differences", "[nn]") {
  Rng rng(2);
  UNet<double> net(
      {.in = 1, .out = 1, .patch = 2, .channels = {8, 16}, .attention = {false, true}, .embedding = 4, .context = 6},
      rng);
  for_each_parameter(net, [](const std::string& path, auto& p) {  // a key's bias has no gradient by nature
    if (path.ends_with("key.bias")) p.frozen = true;
  });
  const D x = draw({2, 8, 8, 1}, 1), e = draw({2, 4}, 2), words = draw({2, 3, 6}, 3);
  const auto keep = Tensor<std::uint8_t>::from({2, 3}, {1, 1, 0, 1, 1, 1});
  Tape<D> tape;
  std::uint64_t seed = 10;
  for_each_parameter(net, [&](const std::string&, auto& p) { p.value = p.value + draw(p.value.shape(), ++seed, 0.1); });
  const auto f = [&](Tape<D>& t) { return weigh(net(t.constant(x), t.constant(e), t.constant(words), keep), 7); };
  tape.backward(f(tape));
  for_each_parameter(net, [&](const std::string& path, auto& p) {
    if (p.frozen) return;
    INFO(path);
    const D g = tape.gradient(p);
    Index most = 0;
    for (Index i = 0; i < g.size(); ++i) most = std::abs(g[i]) > std::abs(g[most]) ? i : most;
    REQUIRE(g[most] != 0);
    const double at = p.value[most], h = 1e-5;
    const auto value = [&](double v) {
      p.value.data()[most] = v;
      Tape<D> t;
      return f(t).value().item();
    };
    const double numeric = (value(at + h) - value(at - h)) / (2 * h);
    p.value.data()[most] = at;
    REQUIRE(g[most] == Approx(numeric).epsilon(1e-4));
  });
}

TEST_CASE("an item of a batch is bit for bit what it is alone, whatever the hidden words are", "[nn]") {
  Rng rng(3);
  UNet<float> net({.patch = 2, .channels = {32, 64}, .attention = {false, true}, .embedding = 16, .context = 24}, rng);
  testing::nudge(net, 0.05, rng);
  const Tensor<float> x = Noise{1}.normal<float>({3, 16, 16, 3}), e = Noise{2}.normal<float>({3, 16}),
                      words = Noise{4}.normal<float>({3, 5, 24});
  const auto keep = Tensor<std::uint8_t>::from({3, 5}, {1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1});
  const Tensor<float> all = net(x, e, words, keep);
  for (Index i = 0; i < 3; ++i) {
    const Tensor<float> one =
        net(slice(x, 0, i, i + 1), slice(e, 0, i, i + 1), slice(words, 0, i, i + 1), slice(keep, 0, i, i + 1));
    REQUIRE(same_bytes(one, slice(all, 0, i, i + 1)));
  }
  Tensor<float> other = words.clone();
  for (Index i = 0; i < other.size(); ++i) other.data()[i] = keep[i / 24] ? words[i] : 9;
  REQUIRE(same_bytes(net(x, e, other, keep), all));
  REQUIRE_THROWS_AS(net(Tensor<float>({1, 6, 8, 3}, 0.f), e, words, keep), shape_error);
}

TEST_CASE("padding never changes what a text means", "[nn]") {
  Rng rng(4);
  const TextEncoder<float> text({.vocabulary = 20, .length = 12, .width = 16, .heads = 2, .layers = 2}, rng);
  const auto brief = text(Tensor<std::int32_t>::from({1, 3}, {1, 7, 2}));
  const auto padded = text(Tensor<std::int32_t>::from({1, 6}, {1, 7, 2, 0, 0, 0}));
  for (Index i = 0; i < 16; ++i) REQUIRE(brief.pooled[i] == Approx(padded.pooled[i]).margin(1e-5));
  for (Index i = 0; i < 16; ++i) {
    const float mean = (padded.tokens[i] + padded.tokens[16 + i] + padded.tokens[32 + i]) / 3;
    REQUIRE(padded.pooled[i] == Approx(mean).margin(1e-5));
  }
}
