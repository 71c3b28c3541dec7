// A map of noise that a critic has shaped: dense networks, non-saturating loss, R1.
#include <tessera/gan/gan.hpp>
#include <tessera/gan/mlp.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

Drawn draw_gan(const StrategyTask& task) {
  const ModalForm f = form_of(task.set);
  const bool planar = !is_discrete(task.set);
  const float scale = planar ? 2.f : 1.f;
  Rng rng(task.seed);
  MlpGenerator<float> generator({.noise = planar ? 2 : 8, .uniform = planar, .body = {.out = f.numbers}}, rng);
  MlpCritic<float> critic({.body = {.in = f.numbers}}, rng);
  auto game = adversarial(generator, critic, {.r1 = task.set == Modal::grid ? 0.02 : 0.1});
  const Index steps = task.steps(task.set == Modal::grid ? 10000 : planar ? 6000 : 2000);
  const auto result = train(
      game, [&](const TrainStep& at) { return Examples<float>{modal_points(task.set, 128, at.noise.fork(2)) * scale}; },
      {.maker = gan_adam(1e-3, 0, 0.99),
       .critic = gan_adam(1e-3, 0, 0.99),
       .run = {.steps = steps,
               .ema_decay = 0.999,
               .schedule = {.decay = Decay::linear, .hold = steps / 2, .floor = 0.02},
               .seed = task.seed}});
  return {generate(Gan(*result.average), task.count, Noise{task.seed}.fork(5)) * (1 / scale), 1};
}

}  // namespace tessera::examples
