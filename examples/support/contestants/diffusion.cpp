// Flow matching with a small U-Net given time and class: with twenty passes a picture, with four, and with four when a
// critic has made those sharper (after Xiao et al., 2021, arXiv 2112.07804; here the critic sees the clean pictures that
// the denoiser goes for, not the next noisy ones, and the velocities' loss stays).
#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/positions.hpp>
#include <tessera/nn/unet.hpp>

#include "examples/support/contestants/denoised.hpp"
#include "examples/support/contestants/learn_against.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index time_features = 64, width = 128, many = 20, few = 4;  // passes of the network

/// x [B, 28, 28, 1] at times t [B] of classes [B] -> velocity.
struct ClassUNet {
  Embedding<float> classes;
  Linear<float> time1, time2;
  UNet<float> unet;

  explicit ClassUNet(Rng& rng)
      : classes({.count = 10, .width = width, .deviation = 1}, rng),
        time1({.in = time_features, .out = width}, rng),
        time2({.in = width, .out = width}, rng),
        unet({.in = 1, .out = 1, .patch = 2, .channels = {32, 64}, .blocks = 1, .embedding = width}, rng) {}

  template <Value X>
  X operator()(const X& x, const Tensor<float>& t, const Ids auto& labels) const {
    const X when = time2(silu(time1(lift(x, sinusoids(t * 1000.f, time_features)))));
    return unet(x, when + classes(labels), X(), Tensor<std::uint8_t>());
  }
  static void members(auto& self, auto&& see) {
    see("classes", self.classes);
    see("time1", self.time1);
    see("time2", self.time2);
    see("unet", self.unet);
  }
};

struct DiffusionPixels : Contestant {
  ClassUNet net;

  DiffusionPixels(ClassUNet n, Index solver_steps) : net(std::move(n)) {
    parameters = parameter_count(net);
    passes = solver_steps;
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    return denoised(detail::normal_rows<float>(forks(noise, labels.size()), {28, 28, 1}), times(passes),
                    [&](const Tensor<float>& x, const Tensor<float>& t) { return net(x, t, labels); });
  }
};

/// Pictures as noisy as at one of the few stops: the clean ones that they are taken for there, for the critic, and the
/// loss of the velocities.
struct Jump {
  Pass<Var<Tensor<float>>> operator()(Tape<Tensor<float>>& tape, const ClassUNet& net, const Examples<float>& examples,
                                      const Noise& noise, Seen<float>&) const {
    const Tensor<float>& clean = examples.real;
    const Index count = clean.extent(0);
    const std::vector<double> stops = times(few);
    Tensor<float> t(Shape{count});
    for (Index i = 0; i < count; ++i)
      t.data()[i] =
          static_cast<float>(stops[static_cast<std::size_t>(noise.fork(0).below(few, static_cast<std::uint64_t>(i)))]);
    const Tensor<float> far = t.reshaped({count, 1, 1, 1});
    const Tensor<float> velocity =
        detail::normal_rows<float>(forks(noise.fork(1), count), clean.shape().without(0)) - clean;
    const auto x = tape.constant(clean + velocity * far);
    const auto v = net(x, t, tape.ids(examples.condition));
    return {x - v * tape.constant(far), mse(v, velocity)};
  }
};

constexpr Index batch = 32;

/// The network by the loss of its velocities alone, for a share of the contest's time.
ClassUNet learned_velocities(const Contest& contest, Index& steps, double share = 1) {
  Rng rng(contest.seed);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  return learned(
      ClassUNet(rng), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        const auto b = flow_matching_batch(in_symmetric_interval(rows_of(contest.train, items)), at.noise);
        return mse(net(tape.constant(b.x), b.t, tape.ids(contest.conditions_of(items, at.noise))), b.velocity);
      },
      adam(2e-3), steps, share);
}

std::unique_ptr<Contestant> learn(const Contest& contest, Index passes) {
  Index steps = 0;
  auto done = std::make_unique<DiffusionPixels>(learned_velocities(contest, steps), passes);
  done->steps = steps;
  return done;
}

}  // namespace

std::unique_ptr<Contestant> learn_diffusion(const Contest& contest) { return learn(contest, many); }
std::unique_ptr<Contestant> learn_few_steps(const Contest& contest) { return learn(contest, few); }

std::unique_ptr<Contestant> learn_few_steps_gan(const Contest& contest) {
  constexpr double alone = 0.5;  // of the time
  Index steps = 0, rounds = 0;
  auto done = std::make_unique<DiffusionPixels>(
      sharpened(
          learned_velocities(contest, steps, alone), contest, batch, alone,
          [](const Tensor<std::uint8_t>& pictures, const Noise&) { return in_symmetric_interval(pictures); },
          {.loss = AdversarialLoss::hinge, .weight = 0.02}, Jump{}, rounds),
      few);
  done->steps = steps + rounds;
  return done;
}

}  // namespace tessera::examples
