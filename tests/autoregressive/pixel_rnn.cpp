// The laws of a PixelRnn: gradients, causality, generation equal to the forward pass, runs, batches, completion.
#include <tessera/autoregressive/pixel_rnn_decoder.hpp>
#include <tessera/generate/sequence.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;

namespace {

PixelRnnConfig tiny(Index layers = 2) { return {.side = 4, .colours = 5, .width = 6, .hidden = 7, .layers = layers}; }
Tensor<std::int32_t> some_pixels(Index items, Index n, std::uint64_t seed = 3) {
  Tensor<std::int32_t> p(Shape{items, n});
  for (Index i = 0; i < p.size(); ++i)
    p.data()[i] = static_cast<std::int32_t>(Noise{seed}.below(5, static_cast<std::uint64_t>(i)));
  return p;
}
bool same_row(const Tensor<float>& a, const Tensor<float>& b, Index i) {
  return std::memcmp(a.data() + i * 5, b.data() + i * 5, 5 * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("PixelRNN: every parameter has the gradient of finite differences", "[autoregressive][pixel_rnn]") {
  Rng rng(1);
  PixelRnn<double> net(tiny(), rng);
  testing::check_module(net, [](const auto& m, auto& tape) { return m(tape.ids(some_pixels(2, 16))); });
}

TEST_CASE("PixelRNN: a pixel depends on all pixels before it and on none after", "[autoregressive][pixel_rnn]") {
  Rng rng(2);
  const PixelRnn<float> net(tiny(), rng);
  const Tensor<std::int32_t> pixels = some_pixels(1, 16);
  const Tensor<float> all = net(pixels);
  REQUIRE(all.shape() == Shape{1, 16, 5});
  for (Index changed = 0; changed < 16; ++changed) {
    Tensor<std::int32_t> other = pixels;
    other.data()[changed] = (other[changed] + 1) % 5;
    const Tensor<float> now = net(other);
    for (Index i = 0; i < 16; ++i) CHECK(same_row(now, all, i) == (i <= changed));
  }
  CHECK(same_bytes(net(slice(pixels, 1, 0, 7)), slice(all, 1, 0, 7)));  // a beginning is read alike
}

TEST_CASE("PixelRNN: painting pixel by pixel, alone or side by side, has the bits of the forward pass",
          "[autoregressive][pixel_rnn]") {
  Rng rng(3);
  const PixelRnn<float> net(tiny(), rng);
  const PixelRnnDecoder model(net);
  const Tensor<std::int32_t> pixels = some_pixels(2, 16);
  const Tensor<float> all = net(pixels);
  std::vector<PixelRnnDecoder::State> states = {model.begin(), model.begin()};
  std::vector<PixelRnnDecoder::State*> pointers = {&states[0], &states[1]};
  PixelRnnDecoder::State alone = model.begin();
  for (Index i = 0; i < 16; ++i) {
    for (Index item = 0; item < 2; ++item)
      CHECK(std::memcmp(states[static_cast<std::size_t>(item)].logits().data(), all.data() + (item * 16 + i) * 5, 20) ==
            0);
    CHECK(std::memcmp(alone.logits().data(), all.data() + i * 5, 20) == 0);
    if (i == 15) break;
    const Unit units[] = {pixels[i], pixels[16 + i]};
    model.next(pointers, units);
    model.next(alone, pixels[i]);
  }
  CHECK_THROWS_AS(model.next(alone, 0), argument_error);
}

TEST_CASE("PixelRNN: its run keeps the laws of generation", "[autoregressive][pixel_rnn]") {
  Rng rng(4);
  const PixelRnnDecoder model(PixelRnn<float>(tiny(1), rng));
  testing::check_generator(writer(model, {.length = 16}), PixelRnnDecoder::Condition{}, Noise{3});
}

TEST_CASE("PixelRNN: a picture is completed after the pixels that are given", "[autoregressive][pixel_rnn]") {
  Rng rng(5);
  const PixelRnnDecoder model(PixelRnn<float>(tiny(1), rng));
  const std::vector<Unit> upper = {0, 1, 2, 3, 4, 3, 2, 1};
  const Tensor<Unit> made = begin_sequence(model, {}, Noise{1}, {.length = 16, .forced = upper}).finish();
  REQUIRE(made.shape() == Shape{16});
  for (Index i = 0; i < 8; ++i) CHECK(made[i] == upper[static_cast<std::size_t>(i)]);
}

TEST_CASE("PixelRNN: what does not fit is refused", "[autoregressive][pixel_rnn]") {
  Rng rng(6);
  const PixelRnn<float> net(tiny(), rng);
  CHECK_THROWS_AS(net(some_pixels(1, 17)), shape_error);
  CHECK_THROWS_AS(net(Tensor<std::int32_t>({1, 4}, 6)), argument_error);
  CHECK_THROWS_AS(PixelRnn<float>({.layers = 0}, rng), argument_error);
  const PixelRnnDecoder model(net);
  auto state = model.begin();
  CHECK_THROWS_AS(model.next(state, 5), argument_error);
}
