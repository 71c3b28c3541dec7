// The critic as a plug-in: one implementation trains a VAE, a flow and a denoiser, each by its own loss and by a critic's
// word.
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/flow/coupling.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/gan/mlp.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>
#include <tessera/vae/vae.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

Examples<float> points(const TrainStep& at) { return {at.noise.fork(1).normal<float>({32, 2}) * 0.2f + 1.f}; }
template <class Model, class OnePass>
double learn(Model& model, const OnePass& pass, double weight) {
  Rng rng(9);
  MlpCritic<float> critic({.body = {.width = 16, .depth = 2}}, rng);
  auto game = adversarial(model, critic, {.weight = weight, .r1 = 0.1}, pass);
  const auto result = train(game, points, {.maker = gan_adam(5e-3), .critic = gan_adam(5e-3), .run = {.steps = 60}});
  for_each_tensor(model, [&](const std::string& path, const auto& v) {
    INFO(path);
    REQUIRE(kernel::all_finite(v.size(), v.data()));
  });
  return static_cast<double>(result.maker_history[59]) - static_cast<double>(result.maker_history[0]);
}

}  // namespace

TEST_CASE("a VAE learns with a critic beside its bound", "[gan]") {
  Rng rng(1);
  using Net = MlpVae<float>;
  Net vae({.item = {2}, .hidden = {16}, .latent = 2, .likelihood = {.kind = Likelihood::Kind::gaussian}}, rng);
  const auto bound = [](auto& tape, const Net& net, const Examples<float>& e, const Noise& noise) {
    return elbo(net, tape.constant(e.real), noise).loss;
  };
  CHECK(learn(vae, from_prior(bound), 0.5) < -0.3);
}

TEST_CASE("a flow learns with a critic beside its likelihood", "[gan]") {
  Rng rng(1);
  using Layer = Coupling<float, DenseConditioner<float>>;
  using Net = Flow<float, Stack<Layer>>;
  std::vector<Layer> layers;
  for (int i = 0; i < 4; ++i) layers.emplace_back(Layer::Config{.channels = 2, .swap = i % 2 == 1, .hidden = 16}, rng);
  Net flow({.item = {2}}, Stack<Layer>(std::move(layers)));
  const auto likelihood = [](auto& tape, const Net& net, const Examples<float>& e, const Noise&) {
    return flow_loss(net, tape.constant(e.real));
  };
  CHECK(learn(flow, from_prior(likelihood), 0.5) < -0.3);
}

TEST_CASE("a denoiser learns with a critic of the clean points it goes for", "[gan]") {
  Rng rng(1);
  MlpMaker<float> net({.out = 2, .width = 16, .depth = 2}, 3, rng);
  const auto jump = [](auto& tape, const MlpMaker<float>& velocity_at, const Examples<float>& e, const Noise& noise,
                       Seen<float>&) {
    const Tensor<float> t = noise.fork(0).uniform<float>({e.real.extent(0), 1});
    const Tensor<float> velocity = noise.fork(1).normal<float>(e.real.shape()) - e.real;
    const auto x = tape.constant(e.real + velocity * t);
    const auto v = velocity_at(concat({x, tape.constant(t)}, 1), nullptr);
    return Pass<Var<Tensor<float>>>{x - v * tape.constant(t), mean(square(v - tape.constant(velocity)))};
  };
  CHECK(learn(net, jump, 0.1) < -0.3);
}
