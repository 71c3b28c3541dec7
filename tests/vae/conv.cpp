#include <tessera/vae/vae.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;

TEST_CASE("a convolutional VAE has the gradients of finite differences", "[vae]") {
  Rng rng(1);
  ConvVae<double> vae({.item = {4, 4, 2},
                       .hidden = {5},
                       .channels = {3, 4},
                       .latent = 2,
                       .context = 2,
                       .likelihood = {.kind = Likelihood::Kind::gaussian}},
                      rng);
  const D x = draw({2, 4, 4, 2}, 1), c = draw({2, 2}, 2);
  check_module(vae,
               [&](const auto& m, Tape<D>& t) { return elbo(m, t.constant(x), Noise{3}, {}, 0, t.constant(c)).loss; });
}

TEST_CASE("a convolutional VAE generates pictures that do not depend on the batch", "[vae]") {
  Rng rng(1);
  const ConvVae<float> vae({.item = {8, 8, 3}, .hidden = {16}, .channels = {8, 16}, .latent = 4}, rng);
  check_generator(vae, Nothing{}, Noise{5});
  const std::vector<Noise> noises = forks(Noise{6}, 3);
  const Tensor<float> all = vae.begin(Tensor<float>(), noises).finish();
  REQUIRE(all.shape() == Shape{3, 8, 8, 3});
  for (Index i = 0; i < 3; ++i)
    REQUIRE(same_bytes(generate(vae, Nothing{}, noises[static_cast<std::size_t>(i)]),
                       slice(all, 0, i, i + 1).reshaped({8, 8, 3})));
}

TEST_CASE("sizes that do not halve are refused", "[vae]") {
  Rng rng(1);
  REQUIRE_THROWS_WITH(ConvVae<float>({.item = {30, 28, 1}, .hidden = {8}}, rng),
                      Contains("pad the pictures to a multiple of 4"));
  REQUIRE_THROWS_WITH(ConvVae<float>({.item = {784}, .hidden = {8}}, rng), Contains("cannot be halved"));
  REQUIRE_THROWS_WITH(ConvVae<float>({.hidden = {8, 8}}, rng), Contains("one dense layer"));
}
