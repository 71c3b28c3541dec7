#include <tessera/nn/batch_norm.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/patch.hpp>
#include <tessera/nn/positions.hpp>
#include <tessera/nn/recurrent.hpp>
#include <tessera/nn/transformer.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {
template <class M>
void check_on(M module, const Shape& input) {
  const D x = draw(input, 1);
  check_module(module, [x](const M& m, Tape<D>& t) { return m(t.constant(x)); });
}
}  // namespace

TEST_CASE("every layer's parameters have the gradients of finite differences", "[nn]") {
  Rng rng(1);
  check_on(Linear<double>({.in = 3, .out = 4}, rng), {2, 3});
  check_on(Conv2d<double>({.in = 2, .out = 3}, rng), {1, 4, 4, 2});
  check_on(Conv2d<double>({.in = 4, .out = 4, .kernel = 3, .stride = 2, .groups = 2}, rng), {1, 5, 4, 4});
  check_on(Conv1d<double>({.in = 2, .out = 3, .kernel = 2, .dilation = 2, .causal = true}, rng), {2, 6, 2});
  check_on(ConvTranspose2d<double>({.in = 3, .out = 2}, rng), {1, 2, 3, 3});
  check_on(LayerNorm<double>({.width = 5}), {3, 5});
  check_on(RMSNorm<double>({.width = 5}), {3, 5});
  check_on(GroupNorm<double>({.channels = 4, .groups = 2}), {2, 2, 2, 4});
  check_on(BatchNorm<double>({.channels = 4}), {6, 4});
  check_on(Mlp<double>({.width = 3, .hidden = 5}, rng), {2, 3});
  check_on(Mlp<double>({.width = 3, .activation = Activation::silu}, rng), {2, 3});
  check_on(LearnedPositions<double>({.length = 4, .width = 3}, rng), {2, 4, 3});
  check_on(Lstm<double>({.in = 3, .hidden = 2}, rng), {2, 3, 3});
  check_on(Gru<double>({.in = 3, .hidden = 2}, rng), {2, 3, 3});
}

TEST_CASE("attention and transformer blocks have the gradients of finite differences", "[nn]") {
  Rng rng(2);
  // A key's bias shifts all scores of a row alike, so its gradient is zero by nature: blocks are checked without biases.
  check_on(Attention<double>({.width = 8, .heads = 2, .bias = false}, rng), {2, 3, 8});
  check_on(
      Attention<double>({.width = 8, .heads = 4, .kv_heads = 2, .causal = true, .rotary = 100, .bias = false}, rng),
      {2, 3, 8});
  TransformerBlock<double> block({.width = 4, .heads = 2, .condition = 3}, rng);
  block.attention.key.bias.reset();
  const D x = draw({2, 3, 4}, 1), c = draw({2, 3}, 2);
  check_module(block, [x, c](const auto& m, Tape<D>& t) { return m.conditioned(t.constant(x), t.constant(c)); });
  Attention<double> cross({.width = 4, .context_width = 6, .heads = 2, .bias = false}, rng);
  const D words = draw({2, 5, 6}, 3);
  check_module(cross, [x, words](const auto& m, Tape<D>& t) { return m(t.constant(x), t.constant(words)); });
}

TEST_CASE("an embedding's table has the gradient of finite differences", "[nn]") {
  Rng rng(3);
  Embedding<double> e({.count = 3, .width = 2}, rng);
  const auto ids = Tensor<std::int32_t>::from({2, 2}, {0, 2, 1, 2});
  check_module(e, [ids](const auto& m, Tape<D>& t) { return m(t.ids(ids)); });
  REQUIRE(e(ids).shape() == Shape{2, 2, 2});
}

TEST_CASE("a causal transformer's position i does not depend on later ones", "[nn]") {
  Rng rng(4);
  const TransformerBlock<float> block({.width = 16, .heads = 2, .causal = true, .rotary = 10000}, rng);
  const Tensor<float> x = Noise{1}.normal<float>({1, 9, 16});
  const Tensor<float> y = block(x);
  for (Index n = 1; n < 9; ++n) {
    Tensor<float> other = x.clone();
    for (Index i = n * 16; i < other.size(); ++i) other.data()[i] = 7;
    REQUIRE(same_bytes(slice(block(other), 1, 0, n), slice(y, 1, 0, n)));
  }
}

TEST_CASE("a block with a condition starts as the identity", "[nn]") {
  Rng rng(5);
  const TransformerBlock<float> block({.width = 8, .heads = 2, .condition = 4}, rng);
  const Tensor<float> x = Noise{1}.normal<float>({2, 3, 8}), c = Noise{2}.normal<float>({2, 4});
  REQUIRE(same_bytes(block.conditioned(x, c), x));
  REQUIRE_THROWS_AS(TransformerBlock<float>({.width = 8, .heads = 2}, rng).conditioned(x, c), argument_error);
}

TEST_CASE("a recurrent layer continues from its state as if never cut", "[nn]") {
  Rng rng(6);
  const Lstm<float> lstm({.in = 3, .hidden = 5}, rng);
  const Gru<float> gru({.in = 3, .hidden = 5}, rng);
  const Tensor<float> x = Noise{1}.normal<float>({2, 7, 3});
  auto s = lstm.start(x);
  const Tensor<float> first = lstm(slice(x, 1, 0, 4), s), rest = lstm(slice(x, 1, 4, 7), s);
  REQUIRE(same_bytes(concat({first, rest}, 1), lstm(x)));
  auto h = gru.start(x);
  const Tensor<float> a = gru(slice(x, 1, 0, 4), h), b = gru(slice(x, 1, 4, 7), h);
  REQUIRE(same_bytes(concat({a, b}, 1), gru(x)));
}

TEST_CASE("batch norm trains on the batch and evaluates on what it has seen", "[nn]") {
  BatchNorm<double> norm({.channels = 2, .momentum = 1});
  const D x = draw({64, 2}, 1, 3, 5);
  BatchStatistics<double> seen;
  const D y = norm.train(x, seen);
  REQUIRE(mean(y).item() == Approx(0).margin(1e-9));
  REQUIRE(var(y).item() == Approx(1).epsilon(1e-4));
  for (Index c = 0; c < 2; ++c) REQUIRE(seen.variance[c] == Approx(var(x, {0}, false, 1)[c]));  // n - 1
  norm.update(seen);
  const D z = norm(x);
  REQUIRE(mean(z).item() == Approx(0).margin(1e-9));
  check_module(norm, [x](const auto& m, Tape<D>& t) {
    BatchStatistics<double> s;
    return m.train(t.constant(x), s);
  });
}

TEST_CASE("patches and back are the identity", "[nn]") {
  const Tensor<float> x = Noise{1}.normal<float>({2, 4, 6, 3});
  REQUIRE(patchify(x, 2).shape() == Shape{2, 2, 3, 12});
  REQUIRE(same_bytes(unpatchify(patchify(x, 2), 2), x));
  REQUIRE_THROWS_AS(patchify(x, 4), shape_error);
}

TEST_CASE("sinusoids have the values of their formula", "[nn]") {
  const D y = sinusoids(D::from({2}, {0.0, 3.0}), 4, 100);
  const double expected[] = {1, 1, 0, 0, std::cos(3.0), std::cos(0.3), std::sin(3.0), std::sin(0.3)};
  for (int i = 0; i < 8; ++i) REQUIRE(y[i] == Approx(expected[i]).margin(1e-12));
}

TEST_CASE("a convolution added to something or shifted gives the bits of separate sums and leaves operands alone",
          "[nn]") {
  Rng rng(5);
  for (const bool bias : {true, false}) {
    for (const Index channels : {40, 5}) {  // by Winograd and directly
      Conv2d<float> conv({.in = channels, .out = channels, .bias = bias}, rng);
      if (bias) conv.bias->value = init::normal<float>({channels}, 1, rng);
      const auto x = init::normal<float>({2, 9, 8, channels}, 1, rng), y = init::normal<float>(x.shape(), 1, rng);
      const Tensor<float> before = y.clone(), wanted = y + conv(x);
      CHECK(same_bytes(conv.added_to(y, x), wanted));
      CHECK(same_bytes(y, before));
      CHECK(same_bytes(conv.added_to(y.clone(), x), wanted));
      const auto shift = init::normal<float>({2, channels}, 1, rng);
      Conv2d<float> plain = conv;
      plain.bias.reset();
      const Tensor<float> sums = bias ? shift + conv.bias->value : shift;
      for (Index b = 0; b < 2; ++b) {
        plain.bias = Parameter<float>{slice(sums, 0, b, b + 1).reshaped({channels})};
        CHECK(same_bytes(slice(conv.shifted(x, shift), 0, b, b + 1), plain(slice(x, 0, b, b + 1))));
      }
      CHECK_THROWS_AS(conv.added_to(y, slice(x, 0, 0, 1)), shape_error);
      CHECK_THROWS_AS(conv.shifted(x, slice(shift, 1, 0, 3)), shape_error);
    }
  }
}
