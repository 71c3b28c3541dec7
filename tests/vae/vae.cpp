#include <tessera/train/loop.hpp>

#include <tessera/nn/save.hpp>
#include <tessera/vae/vae.hpp>

#include "tests/io/scratch.hpp"
#include "tests/support/generator.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using Kind = Likelihood::Kind;
using Prior = VaeConfig::Prior;

namespace {
Tensor<float> shares(const Shape& shape, std::uint64_t seed) { return Noise{seed}.uniform<float>(shape); }
}  // namespace

TEST_CASE("the bound's loss has the gradients of finite differences for every parameter", "[vae]") {
  const struct {
    Likelihood likelihood;
    Prior prior;
    ElboOptions options;
  } cases[] = {{{}, Prior::normal, {}},
               {{.kind = Kind::gaussian}, Prior::uniform, {.beta = 0.5}},
               {{.kind = Kind::gaussian, .deviation = 0.5}, Prior::normal, {.free_nats = 0.05}},
               {{.kind = Kind::logistic, .levels = 16}, Prior::normal, {.beta = 4, .warmup = 10}}};
  for (const auto& c : cases) {
    Rng rng(1);
    MlpVae<double> vae(
        {.item = {5}, .hidden = {4, 3}, .latent = 2, .context = 2, .likelihood = c.likelihood, .prior = c.prior}, rng);
    const D x = draw({3, 5}, 1, 0.2, 0.5), context = draw({3, 2}, 2);
    check_module(vae, [&](const auto& m, Tape<D>& t) {
      return elbo(m, t.constant(x), Noise{3}, c.options, 4, t.constant(context)).loss;
    });
  }
}

TEST_CASE("the importance-weighted loss has the gradients of finite differences", "[vae]") {
  for (const Prior prior : {Prior::normal, Prior::uniform}) {
    Rng rng(1);
    MlpVae<double> vae({.item = {4}, .hidden = {3}, .latent = 2, .prior = prior}, rng);
    const D x = draw({3, 4}, 1, 0.2, 0.5);
    check_module(vae, [&](const auto& m, Tape<D>& t) { return mean(importance_bound(m, t.constant(x), 3, Noise{3})); });
  }
}

TEST_CASE("the weight of the KL grows over the warm-up", "[vae]") {
  const ElboOptions o{.beta = 2, .warmup = 4};
  REQUIRE(o.weight(0) == Approx(0.5));
  REQUIRE(o.weight(3) == Approx(2));
  REQUIRE(o.weight(100) == Approx(2));
  REQUIRE(ElboOptions{}.weight(0) == Approx(1));
}

TEST_CASE("free bits leave a small KL uncounted, and its parameters without gradient", "[vae]") {
  Rng rng(1);
  const MlpVae<float> vae({.item = {6}, .hidden = {5}, .latent = 3}, rng);
  const auto x = shares({4, 6}, 1);
  const auto plain_loss = elbo(vae, x, Noise{2}), free_loss = elbo(vae, x, Noise{2}, {.free_nats = 100});
  REQUIRE(free_loss.kl.item() == plain_loss.kl.item());
  REQUIRE(free_loss.loss.item() == Approx(free_loss.reconstruction.item() + 300));
}

TEST_CASE("where the posterior is exact the bound is the likelihood, whatever k", "[vae]") {
  Rng rng(1);
  MlpVae<double> vae({.item = {6}, .hidden = {5}, .latent = 2}, rng);
  // A decoder that does not look at z, and a posterior that is the prior.
  for (auto* p : {&vae.encoder.last.weight, &vae.decoder.layers[0].weight}) p->value = D(p->value.shape(), 0.0);
  const D x = draw({3, 6}, 1, 0.2, 0.5), none = D(Shape{3, 2}, 0.0);
  const D exact = vae.config.likelihood.log_prob(vae.decoded(none), x);
  for (const Index k : {1, 7}) {
    const D bound = importance_bound(vae, x, k, Noise{4});
    for (Index i = 0; i < 3; ++i) REQUIRE(bound[i] == Approx(exact[i]).epsilon(1e-9));
  }
  REQUIRE(elbo(vae, x, Noise{4}).loss.item() == Approx(-mean(exact).item()).epsilon(1e-9));
}

TEST_CASE("the estimated KL to the uniform prior is the integral", "[vae]") {
  Rng rng(1);
  MlpVae<double> vae({.item = {2}, .hidden = {2}, .latent = 1, .prior = Prior::uniform}, rng);
  const double m = 0.7, s = 0.4;
  const Index n = 200000;
  const Posterior<D> q{D(Shape{n, 1}, m), D(Shape{n, 1}, 2 * std::log(s))};
  const D a = q.draw(draw({n, 1}, 3));
  double exact = 0;
  for (double e = -8; e < 8; e += 1e-3) {
    const double v = m + s * e, log_q = -e * e / 2 - std::log(s) - 0.9189385332,
                 log_p = v - 2 * std::log1p(std::exp(v));
    exact += 1e-3 * s * std::exp(log_q) * (log_q - log_p);
  }
  REQUIRE(mean(kl_of_dimensions(Prior::uniform, q, a)).item() == Approx(exact).margin(5e-3));
}

TEST_CASE("more draws make the importance-weighted bound better", "[vae]") {
  Rng rng(1);
  const MlpVae<float> vae({.item = {8}, .hidden = {6}, .latent = 4}, rng);
  const auto x = shares({64, 8}, 1);
  double before = -1e9;
  for (const Index k : {1, 5, 50}) {
    double sum = 0;
    for (std::uint64_t r = 0; r < 20; ++r)
      sum += static_cast<double>(mean(importance_bound(vae, x, k, Noise{r})).item()) / 20;
    REQUIRE(sum > before);
    before = sum;
  }
}

TEST_CASE("a VAE generates, and its items do not depend on the batch", "[vae]") {
  Rng rng(1);
  for (const Prior prior : {Prior::normal, Prior::uniform}) {
    MlpVae<float> vae({.item = {4, 4, 1}, .hidden = {12}, .latent = 3, .prior = prior}, rng);
    check_generator(vae, Nothing{}, Noise{5});
    const std::vector<Noise> noises = forks(Noise{6}, 3);
    const Tensor<float> z = vae.prior(noises), all = vae.begin(Tensor<float>(), noises).finish();
    REQUIRE(all.shape() == Shape{3, 4, 4, 1});
    for (Index i = 0; i < 3; ++i) {
      const auto one = generate(vae, Nothing{}, noises[static_cast<std::size_t>(i)]);
      REQUIRE(same_bytes(one, slice(all, 0, i, i + 1).reshaped({4, 4, 1})));
    }
    for (Index i = 0; i < z.size(); ++i) REQUIRE((prior == Prior::normal || std::abs(z[i]) < 1));
    static_assert(LatentModel<MlpVae<float>>);
    const auto x = shares({3, 4, 4, 1}, 2);
    REQUIRE(same_bytes(slice(vae.encode(x), 0, 1, 2), vae.encode(slice(x, 0, 1, 2))));
  }
}

TEST_CASE("a saved VAE loads into one of another seed", "[vae]") {
  Rng one(1), other(2);
  const VaeConfig config{.item = {6}, .hidden = {5, 4}, .latent = 2, .context = 3};
  const MlpVae<float> a(config, one);
  MlpVae<float> b(config, other);
  const test::Scratch folder;
  save(folder / "vae.safetensors", a);
  load(folder / "vae.safetensors", b);
  const auto x = shares({2, 6}, 1), c = shares({2, 3}, 2);
  REQUIRE(same_bytes(a.decode(a.encode(x, c), c), b.decode(b.encode(x, c), c)));
}

TEST_CASE("a VAE learns two groups, its bound below the entropy of independent pixels", "[vae]") {
  // Eight pixels all on or all off: log 2 nats, but 8 log 2 for whoever takes pixels one by one.
  Rng rng(1);
  MlpVae<float> vae({.item = {8}, .hidden = {16}, .latent = 2}, rng);
  const auto result = train(vae,
                            [](auto& tape, const auto& net, const TrainStep& at) {
                              Tensor<float> x(Shape{32, 8});
                              for (Index i = 0; i < x.size(); ++i)
                                x.data()[i] = at.noise.unit(static_cast<std::uint64_t>(i / 8)) < 0.5 ? 0.f : 1.f;
                              return elbo(net, tape.constant(x), at.noise.fork(1), {.warmup = 100}, at.step).loss;
                            },
                            adam(1e-2), {.steps = 400});
  REQUIRE(result.loss < 1.6);  // 0.69 at best; 5.5 without a latent
}

TEST_CASE("VAEs that cannot work are refused", "[vae]") {
  Rng rng(1);
  REQUIRE_THROWS_WITH(MlpVae<float>({.item = {4}, .latent = 0}, rng), Contains("latent 0"));
  REQUIRE_THROWS_WITH(MlpVae<float>({.item = {4}, .hidden = {}}, rng), Contains("0 hidden layers"));
  REQUIRE_THROWS_WITH(MlpVae<float>({.item = {4}, .likelihood = {.kind = Kind::logistic, .levels = 1}}, rng),
                      Contains("2 to 65536 levels"));
  const MlpVae<float> vae({.item = {4}, .hidden = {3}, .latent = 2}, rng);
  REQUIRE_THROWS_WITH(vae.encode(shares({2, 5}, 1)), Contains("[B, ...] of [4] wanted"));
  REQUIRE_THROWS_WITH(vae.encode(shares({2, 4}, 1), shares({2, 3}, 1)), Contains("set `context`"));
  REQUIRE_THROWS_WITH(importance_bound(vae, shares({2, 4}, 1), 0, Noise{1}), Contains("1 or more"));
  REQUIRE_THROWS_WITH(elbo(vae, shares({2, 4}, 1), Noise{1}, {.beta = -1}), Contains("wanted 0 or more"));
  REQUIRE_THROWS_WITH(elbo(vae, shares({2, 4}, 1), Noise{1}, {.free_nats = std::nan("")}),
                      Contains("wanted 0 or more"));
}
