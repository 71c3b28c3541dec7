// The training loop in one call. The user gives a module and a loss; the loop does the rest: gradient accumulation, clipping,
// optimizer, schedule, moving average, checks for NaN, checkpoints and resuming, progress.
//
//   EpochSampler batches(data.count(), 64, seed);
//   auto result = train(model, [&](auto& tape, auto& net, const TrainStep& at) {
//     const auto [x, y] = data.rows(batches(at.batch));
//     return mse(net(tape.constant(x), at.noise), y);
//   }, adamw(1e-3), {.steps = 5000, .ema_decay = 0.999, .checkpoint = "run/"}, watch);
#pragma once

#include <tessera/train/trainer.hpp>

namespace tessera::inline TESSERA_ISA {

/// What train() leaves beside the trained module.
template <class M>
struct TrainResult {
  TrainEnd end = TrainEnd::finished;
  Index step = 0;            // done in all
  double loss = 0;           // smoothed
  double seconds = 0;        // of training, earlier runs included
  Tensor<float> history;     // the loss of every step
  std::optional<M> average;  // the averaged weights, with ema_decay
  Resumed resumed;
};

/// All of it in one call. Use a Trainer to see the resume notes before the first step, or to step by hand.
template <Module M, class Loss, class Watch, class Interrupted>
TrainResult<M> train(M& module, Loss&& loss, OptimizerConfig optimizer, TrainConfig config, Watch&& watch,
                     Interrupted&& interrupted) {
  Trainer<M> trainer(module, optimizer, std::move(config));
  Resumed resumed = trainer.resume();
  const TrainEnd end = trainer.run(loss, watch, interrupted);
  TrainResult<M> result{end, trainer.steps_done(), trainer.smoothed(), trainer.seconds(), trainer.history(),
                        {},  std::move(resumed)};
  if (const M* average = trainer.average()) result.average.emplace(*average);
  return result;
}
template <Module M, class Loss, class Watch>
TrainResult<M> train(M& module, Loss&& loss, OptimizerConfig optimizer, TrainConfig config, Watch&& watch) {
  return train(module, loss, optimizer, std::move(config), watch, [] { return false; });
}
template <Module M, class Loss>
TrainResult<M> train(M& module, Loss&& loss, OptimizerConfig optimizer, TrainConfig config) {
  return train(module, loss, optimizer, std::move(config), [](const TrainProgress&) {});
}

}  // namespace tessera::inline TESSERA_ISA
