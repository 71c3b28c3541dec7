// DCGAN (Radford, Metz and Chintala, 2015, arXiv 1511.06434) on 32 x 32, batch 64: a step of the critic, then one of the
// generator.
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/nn/batch_norm.hpp>
#include <tessera/nn/conv.hpp>

#include "bench/steps/step.hpp"

namespace steps {
namespace {

constexpr Index batch = 64, noise_width = 128, f = 64;

struct GeneratorNet {
  std::vector<ConvTranspose2d<float>> convs;
  std::vector<BatchNorm<float>> norms;

  explicit GeneratorNet(Rng& rng) {
    using C = ConvTranspose2d<float>::Config;
    convs.emplace_back(C{.in = noise_width, .out = 4 * f, .stride = 1, .padding = 0, .bias = false}, rng);
    convs.emplace_back(C{.in = 4 * f, .out = 2 * f, .bias = false}, rng);
    convs.emplace_back(C{.in = 2 * f, .out = f, .bias = false}, rng);
    convs.emplace_back(C{.in = f, .out = 3}, rng);
    for (const Index c : {4 * f, 2 * f, f}) norms.emplace_back(BatchNorm<float>::Config{.channels = c});
  }
  template <Value X>
  X operator()(const X& z) const {
    X h = z;
    BatchStatistics<float> seen;
    for (std::size_t i = 0; i < 3; ++i) h = relu(norms[i].train(convs[i](h), seen));
    return tanh(convs[3](h));
  }
  static void members(auto& self, auto&& see) {
    see("convs", self.convs);
    see("norms", self.norms);
  }
};

struct CriticNet {
  std::vector<Conv2d<float>> convs;
  std::vector<BatchNorm<float>> norms;

  explicit CriticNet(Rng& rng) {
    using C = Conv2d<float>::Config;
    convs.emplace_back(C{.in = 3, .out = f, .kernel = 4, .stride = 2, .padding = 1, .bias = false}, rng);
    convs.emplace_back(C{.in = f, .out = 2 * f, .kernel = 4, .stride = 2, .padding = 1, .bias = false}, rng);
    convs.emplace_back(C{.in = 2 * f, .out = 4 * f, .kernel = 4, .stride = 2, .padding = 1, .bias = false}, rng);
    convs.emplace_back(C{.in = 4 * f, .out = 1, .kernel = 4, .padding = 0}, rng);
    for (const Index c : {2 * f, 4 * f}) norms.emplace_back(BatchNorm<float>::Config{.channels = c});
  }
  template <Value X>
  X operator()(const X& x) const {
    BatchStatistics<float> seen;
    X h = leaky_relu(convs[0](x), 0.2f);
    for (std::size_t i = 1; i < 3; ++i) h = leaky_relu(norms[i - 1].train(convs[i](h), seen), 0.2f);
    return reshape(convs[3](h), {x.extent(0)});
  }
  static void members(auto& self, auto&& see) {
    see("convs", self.convs);
    see("norms", self.norms);
  }
};

struct Dcgan {
  static constexpr const char *name = "dcgan", *unit = "picture/s";
  static constexpr double items = batch;

  GeneratorNet generator;
  CriticNet critic;
  Tensor<float> real = Noise{2}.normal<float>({batch, 32, 32, 3}),
                z = Noise{3}.normal<float>({batch, 1, 1, noise_width});
  Optimizer<float> generator_optimizer{adam_half()}, critic_optimizer{adam_half()};

  explicit Dcgan(Rng& rng) : generator(rng), critic(rng) {}

  static OptimizerConfig adam_half() {
    OptimizerConfig c = adam(2e-4);
    c.beta1 = 0.5;
    return c;
  }
  double step() {
    const Tensor<float> one(Shape{batch}, 1.f), zero(Shape{batch}, 0.f);
    Tape<Tensor<float>> tape;
    const auto fake = generator(tape.constant(z));
    const double critic_loss = train_once(critic, critic_optimizer, [&](auto& own) {
      return bce_logits(critic(own.constant(real)), one) + bce_logits(critic(own.constant(fake.value())), zero);
    });
    freeze(critic, "*");
    const auto loss = bce_logits(critic(fake), one);
    tape.backward(loss);
    freeze(critic, "*", false);
    Gradients<float> gradients;
    gradients.add(generator, tape);
    generator_optimizer.step(generator, gradients);
    return critic_loss + static_cast<double>(loss.value().item());
  }
  static void members(auto& self, auto&& see) {
    see("generator", self.generator);
    see("critic", self.critic);
  }
  static void data(auto& self, auto&& see) {
    see("real", self.real);
    see("z", self.z);
  }
};

}  // namespace
Entry dcgan() { return entry<Dcgan>(); }
}  // namespace steps
