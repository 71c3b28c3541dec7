// A training program's way from its newest checkpoint to its last step: a line of progress, a look at what is held out
// every so often, Ctrl-C.
#pragma once

#include <string>

#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/learning_curve.hpp"
#include "examples/support/training_log.hpp"

namespace tessera::examples {

/// Goes on from the newest checkpoint, if there is one, and says what was found.
template <class AnyTrainer>
Resumed go_on(const std::string& program, AnyTrainer& trainer, const std::string& unit = "step") {
  Resumed resumed = trainer.resume();
  warn_of(program, resumed);
  say_resumed(resumed, unit);
  return resumed;
}

/// The same command goes on only where checkpoints are kept. Returns exit_interrupted.
template <class AnyTrainer>
int say_interrupted(const std::string& program, const AnyTrainer& trainer, const std::string& unit = "step") {
  if (!trainer.config().checkpoint.empty()) return say_interrupted(program, trainer.steps_done(), unit);
  complain(program, "interrupted; nothing is kept without --folder");
  return exit_interrupted;
}

/// Runs to the end or until Ctrl-C. `watch` sees every step before the look of that step; the look after the last step
/// is left to the caller, whose results it belongs to.
template <class M, class Loss, class Look, class Watch>
TrainEnd run_with_looks(Trainer<M>& trainer, LearningCurve& curve, const Loss& loss, const Look& look,
                        const Watch& watch) {
  if (trainer.steps_done() < trainer.config().steps) curve.catch_up(trainer.steps_done(), look);
  ProgressLine line(5, 50);
  const Interrupt interrupt;
  const TrainEnd end = trainer.run(
      loss,
      [&](const TrainProgress& p) {
        line(p);
        watch(p);
        if (!curve.due(p.step) || p.step == p.steps) return;
        curve.add(look());
        line.say(curve.line(p.step));
        curve.write(trainer.history());
      },
      interrupt);
  line.finish();
  if (end == TrainEnd::interrupted) curve.write(trainer.history());
  return end;
}
template <class M, class Loss, class Look>
TrainEnd run_with_looks(Trainer<M>& trainer, LearningCurve& curve, const Loss& loss, const Look& look) {
  return run_with_looks(trainer, curve, loss, look, [](const TrainProgress&) {});
}

}  // namespace tessera::examples
