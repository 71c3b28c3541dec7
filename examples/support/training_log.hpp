// What the trainers say on standard error: what resuming found, a line of progress, where an interrupted run goes on.
#pragma once

#include <string>

#include <tessera/train/config.hpp>
#include <tessera/train/progress.hpp>

namespace tessera::examples {

/// Broken checkpoints passed over, settings that differ: a line each.
void warn_of(const std::string& program, const Resumed& resumed);

/// `resumed at step 1000`, when training does not begin.
void say_resumed(const Resumed& resumed, const std::string& unit = "step");

/// `interrupted; the same command goes on from step 1000`. Returns exit_interrupted.
int say_interrupted(const std::string& program, Index steps_done, const std::string& unit = "step");

/// One line that is rewritten on a terminal; elsewhere, in a log, line after line, fewer of them.
class ProgressLine {
 public:
  /// Steps between one and the next.
  ProgressLine(Index on_terminal, Index in_log);
  ~ProgressLine() { finish(); }
  ProgressLine(const ProgressLine&) = delete;

  /// Whether this step is one that the line tells of; the last one is.
  bool due(Index step, Index steps) const { return step % every_ == 0 || step == steps; }
  /// `more` goes behind it. Does nothing when it is not due.
  void operator()(const TrainProgress& progress, const std::string& more = {});
  /// A line below it that stays.
  void say(const std::string& line);
  /// What comes next begins a line of its own.
  void finish();

 private:
  const bool live_;
  const Index every_;
  bool open_ = false;  // the cursor stands behind the line
};

}  // namespace tessera::examples
