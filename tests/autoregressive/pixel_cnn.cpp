// The laws of a PixelCNN: gradients, causality without a blind spot, a batch item is what it is alone, the loss is a
// likelihood.
#include <tessera/autoregressive/pixel_cnn.hpp>
#include <tessera/nn/save.hpp>

#include "tests/support/gradient.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using Catch::Matchers::Contains;

namespace {

PixelCnnConfig tiny(Index channels, Index components, Index condition = 3) {
  return {.channels = channels,
          .levels = 5,
          .width = 4,
          .layers = 3,
          .first = 5,
          .kernel = 3,
          .head = 6,
          .condition = condition,
          .components = components};
}
/// Its levels are read as vectors.
PixelCnnConfig embedded(Index condition = 3) {
  PixelCnnConfig c = tiny(1, 0, condition);
  c.embed = 3;
  return c;
}
Tensor<std::uint8_t> some_pictures(const Shape& shape, std::uint64_t seed = 3) {
  Tensor<std::uint8_t> p(shape);
  for (Index i = 0; i < p.size(); ++i)
    p.data()[i] = static_cast<std::uint8_t>(Noise{seed}.below(5, static_cast<std::uint64_t>(i)));
  return p;
}
template <class T>
PixelCnn<T> network(const PixelCnnConfig& c, std::uint64_t seed = 1) {
  Rng rng(seed);
  PixelCnn<T> net(c, rng);
  testing::nudge(net, 0.2, rng);
  return net;
}

}  // namespace

TEST_CASE("PixelCNN: every parameter has the gradient of finite differences", "[autoregressive][pixel_cnn]") {
  for (const Index components : {0, 2}) {
    PixelCnn<double> net = network<double>(tiny(2, components));
    const auto pictures = some_pictures({2, 3, 4, 2});
    const auto condition = Noise{4}.normal<double>({2, 3});
    testing::check_module(net, [&](const auto& m, auto& tape) { return m.loss(tape, pictures, condition); });
  }
}

TEST_CASE("PixelCNN: the levels' vectors have their gradient", "[autoregressive][pixel_cnn]") {
  PixelCnn<double> net = network<double>(embedded());
  REQUIRE(net.vectors->weight.value.shape() == Shape{5, 3});
  const auto pictures = some_pictures({2, 3, 4, 1});
  const auto condition = Noise{4}.normal<double>({2, 3});
  testing::check_module(net, [&](const auto& m, auto& tape) { return m.loss(tape, pictures, condition); });
}

TEST_CASE("PixelCNN: of vectors, the order of the levels says nothing", "[autoregressive][pixel_cnn]") {
  const auto net = network<double>(embedded());
  const auto pictures = some_pictures({2, 3, 4, 1});
  const auto condition = Noise{4}.normal<double>({2, 3});
  // Levels 0 and 3 change their names: in the pictures, in the table, and in what the head says.
  const auto other = [](std::uint8_t l) -> std::uint8_t { return l == 0 ? 3 : l == 3 ? 0 : l; };
  PixelCnn<double> renamed = net;
  Tensor<std::uint8_t> moved = pictures;
  for (Index i = 0; i < moved.size(); ++i) moved.data()[i] = other(pictures[i]);
  for (std::uint8_t l = 0; l < 5; ++l) {
    for (Index i = 0; i < 3; ++i)
      renamed.vectors->weight.value.data()[other(l) * 3 + i] = net.vectors->weight.value[l * 3 + i];
    for (Index i = 0; i < 6; ++i)
      renamed.heads[0].last.weight.value.data()[other(l) * 6 + i] = net.heads[0].last.weight.value[l * 6 + i];
    renamed.heads[0].last.bias->value.data()[other(l)] = net.heads[0].last.bias->value[l];
  }
  CHECK(renamed.loss(moved, condition).item() == Approx(net.loss(pictures, condition).item()).epsilon(1e-12));
  CHECK(renamed.loss(pictures, condition).item() != Approx(net.loss(pictures, condition).item()).epsilon(1e-3));
}

TEST_CASE("PixelCNN: a condition's map has its gradient, and is told pixel by pixel", "[autoregressive][pixel_cnn]") {
  PixelCnnConfig c = tiny(1, 0);
  c.map = 2, c.map_height = 3, c.map_width = 4;
  const auto pictures = some_pictures({2, 3, 4, 1});
  const auto condition = Noise{4}.normal<double>({2, 3});
  PixelCnn<double> net = network<double>(c);
  testing::check_module(net, [&](const auto& m, auto& tape) { return m.loss(tape, pictures, condition); });

  // Moving what the map says of the last pixel moves levels of the last row alone, for rows are read downwards.
  const auto x = net.scaled(pictures);
  const Tensor<double> before = net.predict(x, condition);
  Tensor<double>& bias = net.map->bias->value;
  bias.data()[bias.size() - 1] += 1;
  const Tensor<double> after = net.predict(x, condition);
  CHECK(same_bytes(slice(before, 1, 0, 2), slice(after, 1, 0, 2)));
  CHECK_FALSE(same_bytes(slice(before, 1, 2, 3), slice(after, 1, 2, 3)));
}

TEST_CASE("PixelCNN: a pixel depends on all pixels before it within reach, and on none after",
          "[autoregressive][pixel_cnn]") {
  const Index height = 5, width = 6;
  for (const PixelCnnConfig& c : {tiny(2, 0), tiny(2, 2), embedded()}) {
    const auto net = network<float>(c);
    const Index channels = c.channels;
    const Tensor<std::uint8_t> one = some_pictures({1, height, width, channels});
    const Tensor<float> condition = Noise{4}.normal<float>({1, 3});
    const Tensor<float> before = net.features(net.read(one), condition);
    for (Index changed = 0; changed < height * width; ++changed) {
      Tensor<std::uint8_t> other = one;
      other.data()[changed * channels] = static_cast<std::uint8_t>((other[changed * channels] + 1) % 5);
      const Tensor<float> after = net.features(net.read(other), condition);
      for (Index i = 0; i < height * width; ++i) {
        const bool same = std::memcmp(before.data() + i * 4, after.data() + i * 4, 4 * sizeof(float)) == 0;
        INFO("pixel " << i << " when pixel " << changed << " changes");
        if (i <= changed) {
          CHECK(same);
        } else {
          // 2 + 1 + 1 rows up and columns to the side, and one more row or column by the move
          const Index up = i / width - changed / width, left = i % width - changed % width;
          const bool within = up <= 5 && std::abs(left) <= 4 && (up > 0 || left <= 5);
          if (within) CHECK_FALSE(same);
        }
      }
    }
  }
}

TEST_CASE("PixelCNN: a channel's levels depend on the channels before it in its pixel", "[autoregressive][pixel_cnn]") {
  const auto net = network<float>(tiny(3, 0, 0));
  const Tensor<std::uint8_t> one = some_pictures({1, 2, 2, 3});
  const Tensor<float> before = net.predict(net.scaled(one));
  REQUIRE(before.shape() == Shape{1, 2, 2, 3, 5});
  for (Index changed = 0; changed < 12; ++changed) {
    Tensor<std::uint8_t> other = one;
    other.data()[changed] = static_cast<std::uint8_t>((other[changed] + 2) % 5);
    const Tensor<float> after = net.predict(net.scaled(other));
    for (Index i = 0; i < 12; ++i) {
      const bool same = std::memcmp(before.data() + i * 5, after.data() + i * 5, 5 * sizeof(float)) == 0;
      INFO("number " << i << " when number " << changed << " changes");
      CHECK(same == (i <= changed));
    }
  }
}

TEST_CASE("PixelCNN: what it was comes back from a file, the levels' vectors too", "[autoregressive][pixel_cnn]") {
  const auto net = network<float>(embedded());
  auto other = network<float>(embedded(), 2);
  Safetensors file;
  put(file, net, "net");
  get(file, other, "net");
  const auto pictures = some_pictures({1, 3, 4, 1});
  const auto condition = Noise{4}.normal<float>({1, 3});
  CHECK(same_bytes(net.loss(pictures, condition), other.loss(pictures, condition)));
  auto reads_numbers = network<float>(tiny(1, 0));
  CHECK_THROWS_WITH(get(file, reads_numbers, "net"), Contains("vectors.weight"));
}

TEST_CASE("PixelCNN: a picture in a batch is what it is alone", "[autoregressive][pixel_cnn]") {
  for (const PixelCnnConfig& c : {tiny(1, 0), embedded()}) {
    const auto net = network<float>(c);
    const Tensor<std::uint8_t> all = some_pictures({3, 7, 9, 1});
    const Tensor<float> conditions = Noise{4}.normal<float>({3, 3});
    const Tensor<float> together = net.predict(net.read(all), conditions);
    for (Index i = 0; i < 3; ++i) {
      const Tensor<float> alone = net.predict(net.read(slice(all, 0, i, i + 1)), slice(conditions, 0, i, i + 1));
      CHECK(same_bytes(slice(together, 0, i, i + 1), alone));
    }
  }
}

TEST_CASE("PixelCNN: the probabilities of all pictures sum to one", "[autoregressive][pixel_cnn]") {
  for (PixelCnnConfig c : {tiny(2, 0, 0), tiny(2, 2, 0), embedded(0)}) {
    c.levels = 3;
    const auto net = network<double>(c);
    double sum = 0;
    for (int code = 0; code < 81; ++code) {  // four numbers of three levels: 1 x 2 pixels of two channels, or 2 x 2
      const auto digit = [&](int d) { return static_cast<std::uint8_t>(code / d % 3); };
      const auto picture =
          Tensor<std::uint8_t>::from({1, 2 / c.channels, 2, c.channels}, {digit(1), digit(3), digit(9), digit(27)});
      sum += std::exp(-4 * net.loss(picture).item());
    }
    CHECK(sum == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("PixelCNN: what does not fit is refused", "[autoregressive][pixel_cnn]") {
  const auto net = network<float>(tiny(1, 0));
  CHECK_THROWS_AS(net.loss(some_pictures({1, 4, 4, 2}), Tensor<float>({1, 3}, 0.f)), shape_error);
  CHECK_THROWS_AS(net.loss(some_pictures({2, 4, 4, 1}), Tensor<float>({1, 3}, 0.f)), shape_error);
  Rng rng(1);
  CHECK_THROWS_AS(PixelCnn<float>({.kernel = 4}, rng), argument_error);
  CHECK_THROWS_AS(PixelCnn<float>({.levels = 1}, rng), argument_error);
  CHECK_THROWS_AS(PixelCnn<float>({.map = 4, .map_height = 3, .map_width = 3}, rng), argument_error);
  CHECK_THROWS_AS(PixelCnn<float>({.condition = 3, .map = 4}, rng), argument_error);
  CHECK_THROWS_WITH(PixelCnn<float>({.channels = 3, .embed = 4}, rng), Contains("channels = 1"));
  CHECK_THROWS_WITH(PixelCnn<float>({.components = 2, .embed = 4}, rng), Contains("components = 0"));
  CHECK_THROWS_AS(network<float>(embedded(0)).loss(some_pictures({1, 4, 4, 2})), shape_error);
  auto few = some_pictures({1, 4, 4, 1});
  few.data()[3] = 5;  // of 5 levels
  CHECK_THROWS_AS(network<float>(embedded(0)).loss(few), argument_error);
  PixelCnnConfig c = tiny(1, 0);
  c.map = 2, c.map_height = 3, c.map_width = 4;
  CHECK_THROWS_AS(network<float>(c).loss(some_pictures({1, 4, 3, 1}), Tensor<float>({1, 3}, 0.f)), shape_error);
}
