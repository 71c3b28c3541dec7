#include <tessera/generate/conditioned.hpp>
#include <tessera/vae/vae.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using Labels = Tensor<std::int32_t>;

TEST_CASE("a VAE and what reads its condition are trained as one", "[vae]") {
  Rng rng(1);
  Conditioned classes(MlpVae<double>({.item = {3}, .hidden = {4}, .latent = 2, .context = 3}, rng),
                      ClassReader<double>({.classes = 2, .width = 3}, rng));
  const D x = draw({3, 3}, 1, 0.2, 0.5);
  const Labels labels = Labels::from({3}, {0, 1, 1});
  check_module(classes, [&](const auto& m, Tape<D>& t) {
    return elbo(m.model, t.constant(x), Noise{3}, {}, 0, m.context(t.ids(labels))).loss;
  });
}

TEST_CASE("a VAE is conditioned on a text", "[vae]") {
  Rng rng(2);
  const Conditioned net(MlpVae<float>({.item = {3}, .hidden = {4}, .latent = 2, .context = 8}, rng),
                        TextReader<float>({.vocabulary = 9, .length = 4, .width = 8, .heads = 2, .layers = 1}, rng));
  const Labels texts = Labels::from({2, 3}, {1, 5, 2, 1, 7, 2});
  check_generator(net, Labels::from({1, 3}, {1, 5, 2}), Noise{3});
  // The same noise, another text: another object. Item 0 of the batch is what it is alone.
  const std::vector<Noise> noises(2, Noise{3});
  const Tensor<float> both = net.begin(texts, noises).finish();
  REQUIRE_FALSE(same_bytes(slice(both, 0, 0, 1), slice(both, 0, 1, 2)));
  REQUIRE(same_bytes(slice(both, 0, 0, 1).reshaped({3}), generate(net, Labels::from({1, 3}, {1, 5, 2}), Noise{3})));
  REQUIRE_THROWS_WITH(net.begin(texts, Noise{1}), Contains("one condition"));
}
