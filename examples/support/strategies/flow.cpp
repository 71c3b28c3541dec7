// An invertible map of normal noise: rational-quadratic spline couplings.
#include <tessera/flow/actnorm.hpp>
#include <tessera/flow/coupling.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/train/loop.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

namespace {
using Layer = Coupling<float, DenseConditioner<float>, SplineMap>;
using Splines = Stack<Chain<ActNorm<float>, Layer>>;

/// Values that are all the same have no density: they get the noise that to_units() forgives.
Tensor<float> spread(Modal set, const Tensor<float>& points, const Noise& noise) {
  return is_discrete(set) ? points + noise.normal<float>(points.shape()) * 0.2f : points * 2.5f;
}
}  // namespace

Drawn draw_flow(const StrategyTask& task) {
  const ModalForm f = form_of(task.set);
  const bool wide = f.numbers > 8;
  Rng rng(task.seed);
  Splines splines;
  for (Index i = 0; i < 4; ++i)
    splines.parts.emplace_back(ActNorm<float>({.channels = f.numbers}),
                               Layer({.channels = f.numbers,
                                      .swap = i % 2 == 1,
                                      .hidden = 64,
                                      .transform = {{.bins = wide ? 6 : 16, .range = 4}}},
                                     rng));
  Flow<float, Splines> flow({.item = {f.numbers}}, std::move(splines));
  const auto batch = [&](Index count, const Noise& noise) {
    return spread(task.set, modal_points(task.set, count, noise.fork(0)), noise.fork(1));
  };
  flow.initialise(batch(1000, Noise{task.seed}.fork(1)));
  const auto result = train(flow,
                            [&](auto& tape, const auto& net, const TrainStep& at) {
                              return flow_loss(net, tape.constant(batch(wide ? 64 : 256, at.noise)));
                            },
                            adam(3e-3),
                            {.steps = task.steps(wide ? 500 : 1500),
                             .clip_norm = 5,
                             .ema_decay = 0.99,
                             .schedule = {.decay = Decay::cosine},
                             .seed = task.seed});
  const Tensor<float> x = result.average->decode(result.average->prior(Noise{task.seed}.fork(5), task.count));
  return {is_discrete(task.set) ? x : x * (1 / 2.5f), 1};
}

}  // namespace tessera::examples
