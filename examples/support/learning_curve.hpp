// The losses of a training run and, every so many steps, a look at what it never saw: a line for people, a plot, and text that is
// kept with the checkpoints, so that the curve of a run that paused is that of one that did not.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>

#include "examples/support/plot.hpp"

namespace tessera::examples {

struct LearningCurveConfig {
  std::string path = {};              // of the plot, a PNG; empty: none
  Index every = 0;                    // steps between looks; 0: none
  PlotOptions plot = {};              // its y_label is the unit of all losses
  double nats = 1;                    // that one of this unit has: trainers count in nats
  std::string training = "training";  // what the lines are called
  std::string held_out = "held out";
};

class LearningCurve {
 public:
  /// `kept` are a trainer's extras, after resume(): looks of earlier runs are taken from them, those of this one put
  /// in.
  LearningCurve(LearningCurveConfig config, std::map<std::string, std::string>& kept);

  /// A checkpoint is written before the look of the same step. Others are missing when the interval was changed: gaps.
  template <class Look>
  void catch_up(Index step, const Look& look) {
    const auto wanted = static_cast<std::size_t>(config_.every > 0 ? step / config_.every : 0);
    if (looks_.size() >= wanted) return;
    leave_gaps(due(step) ? wanted - 1 : wanted);
    if (due(step)) add(look());
  }
  bool due(Index step) const { return config_.every > 0 && step % config_.every == 0; }
  void add(double loss);
  double last() const { return looks_.back(); }
  /// `step 500: held out 1.2345 bits a pixel`, of the last look.
  std::string line(Index step) const;

  /// With every loss of the training so far, in nats. Does nothing without a path.
  void write(const Tensor<float>& losses) const;

 private:
  void leave_gaps(std::size_t count);

  LearningCurveConfig config_;
  std::map<std::string, std::string>& kept_;
  std::vector<double> looks_;
};

}  // namespace tessera::examples
