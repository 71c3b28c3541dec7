// The game itself: a plain GAN learns, a model with a loss of its own is trained by both, conditions are matched; a
// resumed run is the run that never stopped; a NaN is named and the last checkpoint stays.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/gan/mlp.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>

#include "tests/io/scratch.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;
using Catch::Matchers::Contains;
using test::Scratch;

namespace {

using Points = Tensor<float>;
using Game = Adversarial<MlpGenerator<float>, MlpCritic<float>, FromPrior<>>;

/// Four corners of a square, hardly blurred.
Examples<float> corners(const TrainStep& at, Index count = 64) {
  Examples<float> e{at.noise.fork(5).normal<float>({count, 2}) * 0.05f, Condition(Shape{count})};
  float* to = e.real.data();
  for (Index i = 0; i < count; ++i) {
    const Index corner = at.noise.below(4, static_cast<std::uint64_t>(i));
    to[2 * i] += corner & 1 ? 1.f : -1.f;
    to[2 * i + 1] += corner & 2 ? 1.f : -1.f;
    e.condition.data()[i] = static_cast<std::int32_t>(corner);
  }
  return e;
}

struct Pair {
  Rng rng{1};
  MlpGenerator<float> generator;
  MlpCritic<float> critic;
  explicit Pair(ConditionConfig condition = {}, bool spectral = false)
      : generator({.noise = 2, .condition = condition, .body = {.width = 32, .depth = 2}}, rng),
        critic({.condition = condition, .spectral = spectral, .body = {.width = 32, .depth = 2}}, rng) {}
};

/// A decoder of two numbers with a loss of its own: how far its mean is from (3, 3).
struct Decoder {
  using Number = float;
  Linear<float> out;
  explicit Decoder(Rng& rng) : out({.in = 2, .out = 2}, rng) {}
  Points prior(const Noise& noise, Index count) const { return noise.normal<float>({count, 2}); }
  template <Value X>
  X decode(const X& z) const {
    return out(z);
  }
  static void members(auto& self, auto&& see) { see("out", self.out); }
};

template <class M>
std::vector<Tensor<float>> tensors(const M& m) {
  std::vector<Tensor<float>> all;
  for_each_tensor(m, [&](const std::string&, const auto& v) { all.push_back(v.clone()); });
  return all;
}
bool same(const std::vector<Tensor<float>>& a, const std::vector<Tensor<float>>& b) {
  bool s = a.size() == b.size();
  for (std::size_t i = 0; s && i < a.size(); ++i) s = same_bytes(a[i], b[i]);
  return s;
}

}  // namespace

TEST_CASE("a GAN learns four corners, and its labels", "[gan]") {
  Pair p({.kind = ConditionConfig::Kind::label, .count = 4, .width = 4});
  auto game = adversarial(p.generator, p.critic, {.r1 = 0.1, .matching = true});
  const auto result = train(
      game, [](const TrainStep& at) { return corners(at); },
      {.maker = gan_adam(3e-3, 0, 0.99), .critic = gan_adam(3e-3, 0, 0.99), .run = {.steps = 500, .ema_decay = 0.98}});
  const Points z = p.generator.prior(Noise{9}, 200);
  Condition asked(Shape{200});
  for (Index i = 0; i < 200; ++i) asked.data()[i] = static_cast<std::int32_t>(i % 4);
  const Points x = result.average->decode(z, asked);
  Index right = 0;
  for (Index i = 0; i < 200; ++i)
    right += (x[2 * i] > 0) == ((asked[i] & 1) != 0) && (x[2 * i + 1] > 0) == ((asked[i] & 2) != 0);
  CHECK(right > 190);  // by chance 50
  CHECK(result.maker_history.size() == 500);
}

TEST_CASE("every loss with every helper takes a step that moves both sides", "[gan]") {
  const AdversarialOptions options[] = {
      {.loss = AdversarialLoss::hinge},
      {.loss = AdversarialLoss::least_squares, .r1 = 1, .penalty_every = 2},
      {.loss = AdversarialLoss::wasserstein, .gradient_penalty = 10},
  };
  for (const AdversarialOptions& o : options) {
    Pair p({}, o.loss == AdversarialLoss::hinge);
    auto game = adversarial(p.generator, p.critic, o);
    AlternatingTrainer<Game> trainer(game, {.critic_turns = 2, .run = {.steps = 3}});
    const auto maker = tensors(p.generator), critic = tensors(p.critic);
    for (int i = 0; i < 3; ++i) trainer.step([](const TrainStep& at) { return corners(at, 16); });
    REQUIRE_FALSE(same(maker, tensors(p.generator)));
    REQUIRE_FALSE(same(critic, tensors(p.critic)));
    REQUIRE(std::isfinite(trainer.progress().critic_loss));
    REQUIRE_THAT(to_string(trainer.progress()) + to_string(game.diagnosis()),
                 Contains("critic") && Contains("duplicates"));
  }
}

TEST_CASE("with weight 0 a model is trained by its own loss alone, beside a critic it pulls away from that", "[gan]") {
  const auto centre =
      [](double weight) {  // the own loss pulls what zero is decoded to towards (3, 3); the data are round 0
        Rng rng(2);
        Decoder decoder(rng);
        MlpCritic<float> critic({.body = {.width = 16, .depth = 2}}, rng);
        const auto own = [](auto& tape, const Decoder& d, const Examples<float>&, const Noise&) {
          return mse(d.decode(tape.constant(Points({1, 2}, 0.f))), Points({1, 2}, 3.f));
        };
        auto game = adversarial(decoder, critic, {.weight = weight, .r1 = 0.1}, from_prior(own));
        train(game, [](const TrainStep& at) { return corners(at); },
              {.maker = gan_adam(2e-2), .critic = gan_adam(1e-2), .run = {.steps = 300}});
        return static_cast<double>(decoder.decode(Points({1, 2}, 0.f))[0]);
      };
  const double alone = centre(0), with = centre(10);
  CHECK(alone == Approx(3).margin(0.3));
  CHECK(with < 2);
}

TEST_CASE("the maker's turn leaves the critic alone, and the critic's the maker", "[gan]") {
  Pair p;
  auto game = adversarial(p.generator, p.critic, {});
  Tape<Points> tape, other;
  const TrainStep at{0, 0, 0, Noise{1}};
  const auto made = game.make(tape, corners(at), Noise{2});
  other.backward(game.judge(other, made, Noise{3}, 0));
  for_each_parameter(p.generator, [&](const std::string&, auto& q) { REQUIRE(other.find_gradient(q) == nullptr); });
  tape.backward(game.please(tape, made, Noise{4}));
  for_each_parameter(p.critic, [&](const std::string&, auto& q) { REQUIRE(tape.find_gradient(q) == nullptr); });
  for_each_parameter(p.generator, [&](const std::string&, auto& q) { REQUIRE(tape.find_gradient(q) != nullptr); });
}

TEST_CASE("mismatched conditions belong to other items", "[gan]") {
  const auto m = mismatch<float>(Condition::from({4}, {0, 1, 1, 2}), Noise{1});
  Index ones = 0;
  for (Index i = 0; i < 4; ++i) ones += m.differs[i] > 0.5f;
  REQUIRE(ones == m.count);
  REQUIRE(m.count >= 2);
  REQUIRE(mismatch<float>(Condition::from({3}, {5, 5, 5}), Noise{1}).count == 0);
  REQUIRE(mismatch<float>(Condition::from({2, 2}, {1, 2, 1, 3}), Noise{1}).count == 2);
  REQUIRE_THROWS_AS(mismatch<float>(Condition(), Noise{1}), argument_error);
}

TEST_CASE("alternating training that was stopped and resumed equals one that never was", "[gan]") {
  const Scratch folder;
  const auto learn = [&](Pair& p, Index steps, const std::string& checkpoint) {
    auto game = adversarial(p.generator, p.critic, {.r1 = 0.5, .penalty_every = 3});
    return train(game, [](const TrainStep& at) { return corners(at, 16); },
                 {.critic_turns = 2, .run = {.steps = steps, .ema_decay = 0.9, .checkpoint = checkpoint}});
  };
  Pair whole({}, true), parts({}, true), again({}, true);
  const auto once = learn(whole, 9, "");
  learn(parts, 4, folder.path());
  const auto twice = learn(again, 9, folder.path());
  REQUIRE(twice.resumed.step == 4);
  REQUIRE(same(tensors(whole.generator), tensors(again.generator)));
  REQUIRE(same(tensors(whole.critic), tensors(again.critic)));
  REQUIRE(same(tensors(*once.average), tensors(*twice.average)));
  REQUIRE(same_bytes(once.critic_history, twice.critic_history));
}

TEST_CASE("a NaN stops the game with a name, and the last checkpoint stays", "[gan]") {
  const Scratch folder;
  Pair p;
  auto game = adversarial(p.generator, p.critic, {});
  const auto data = [](const TrainStep& at) {
    Examples<float> e = corners(at, 16);
    if (at.step == 5) e.real.data()[3] = std::nanf("");
    return e;
  };
  AlternatingTrainer<Game> trainer(game, {.run = {.steps = 9, .checkpoint = folder.path(), .checkpoint_every = 2}});
  const auto run = [&] {
    trainer.run(
        data, [](const RoundProgress&) {}, [] { return false; });
  };
  REQUIRE_THROWS_WITH(run(), Contains("step 5") && Contains("critic") && Contains("`body.layers.0.layer.weight`"));
  REQUIRE(CheckpointFolder(folder.path(), 3).newest().newest->step == 4);
  for (const auto& t : tensors(p.critic)) REQUIRE(kernel::all_finite(t.size(), t.data()));

  p.generator.body.layers[0].weight.value.data()[0] = std::nanf("");
  REQUIRE_THROWS_WITH(trainer.save(), Contains("maker") && Contains("`body.layers.0.weight`"));
}

TEST_CASE("games that can't be are refused", "[gan]") {
  Pair p;
  REQUIRE_THROWS_AS(adversarial(p.generator, p.critic, {.weight = -1}), argument_error);
  REQUIRE_THROWS_AS(adversarial(p.generator, p.critic, {.penalty_every = 0}), argument_error);
  auto game = adversarial(p.generator, p.critic, {});
  REQUIRE_THROWS_AS((AlternatingTrainer<Game>(game, {.critic_turns = 0})), argument_error);
  REQUIRE_THROWS_AS((AlternatingTrainer<Game>(game, {.run = {.accumulate = 2}})), argument_error);
  AlternatingTrainer<Game> trainer(game, {});
  REQUIRE_THROWS_WITH(trainer.step([](const TrainStep&) {
    return Examples<float>{Points({4, 3}, 0.f)};
  }),
                      Contains("[4, 2]") && Contains("[4, 3]"));
}
