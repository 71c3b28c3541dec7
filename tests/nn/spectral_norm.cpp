#include <tessera/nn/save.hpp>
#include <tessera/nn/spectral_norm.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("a spectral norm divides a weight by its largest singular value", "[nn]") {
  Rng rng(1);
  SpectralNorm<Linear<double>> layer({.in = 2, .out = 2, .bias = false}, rng);
  // [[3, 0], [4, 5]] has singular values sqrt 45 and sqrt 5.
  layer.layer.weight.value = D::from({2, 2}, {3.0, 0.0, 4.0, 5.0});
  for (int i = 0; i < 60; ++i) layer.power_iteration();
  REQUIRE(layer.sigma(layer.layer.weight.value).item() == Approx(std::sqrt(45.0)));
  const D y = layer(D::from({1, 2}, {1.0, 0.0}));
  REQUIRE(y[0] == Approx(3 / std::sqrt(45.0)));
  REQUIRE(y[1] == Approx(4 / std::sqrt(45.0)));
}

TEST_CASE("a spectrally normed layer has the gradients of finite differences", "[nn]") {
  Rng rng(2);
  SpectralNorm<Conv2d<double>> conv({.in = 2, .out = 3, .stride = 2}, rng);
  const D x = draw({2, 4, 4, 2}, 1);
  check_module(conv, [&](auto& m, Tape<D>& tape) { return m(tape.constant(x)); });
  SpectralNorm<Linear<double>> line({.in = 3, .out = 2}, rng);
  check_gradient([&](const auto& v) { return line(v); }, {{4, 3}});
}

TEST_CASE("power iterations follow the weight, are saved with it, and reach into any module", "[nn]") {
  Rng rng(3), other(4);
  std::vector<SpectralNorm<Linear<float>>> layers, again;
  layers.emplace_back(Linear<float>::Config{.in = 5, .out = 4}, rng);
  again.emplace_back(Linear<float>::Config{.in = 5, .out = 4}, other);
  const Tensor<float> before = layers[0].left->value;
  power_iteration(layers[0]);
  REQUIRE_FALSE(same_bytes(before, layers[0].left->value));
  Safetensors file;
  put(file, layers[0]);
  REQUIRE(file.contains("left"));
  get(file, again[0]);
  const Tensor<float> x = Noise{1}.normal<float>({3, 5});
  REQUIRE(same_bytes(layers[0](x), again[0](x)));
  SpectralNorm<Linear<float>> off(Linear<float>::Config{.in = 5, .out = 4}, rng, false);
  REQUIRE_FALSE(off.left.has_value());
  REQUIRE(same_bytes(off(x), off.layer(x)));
}
