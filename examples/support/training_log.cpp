#include "examples/support/training_log.hpp"

#include <unistd.h>

#include <cstdio>

#include "examples/support/cli.hpp"

namespace tessera::examples {

void warn_of(const std::string& program, const Resumed& resumed) {
  for (const std::string& note : resumed.notes) complain(program, "warning: " + note);
}

void say_resumed(const Resumed& resumed, const std::string& unit) {
  if (resumed.step > 0)
    std::fprintf(stderr, "resumed at %s %lld\n", unit.c_str(), static_cast<long long>(resumed.step));
}

int say_interrupted(const std::string& program, Index steps_done, const std::string& unit) {
  complain(program, "interrupted; the same command goes on from " + unit + " " + std::to_string(steps_done));
  return exit_interrupted;
}

ProgressLine::ProgressLine(Index on_terminal, Index in_log)
    : live_(::isatty(STDERR_FILENO) != 0), every_(live_ ? on_terminal : in_log) {}

void ProgressLine::operator()(const TrainProgress& progress, const std::string& more) {
  if (!due(progress.step, progress.steps)) return;
  std::fprintf(stderr, "%s%s%s%s", live_ ? "\r\x1b[K" : "", to_string(progress).c_str(), more.c_str(),
               live_ ? "" : "\n");
  open_ = live_;
}

void ProgressLine::say(const std::string& line) {
  finish();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void ProgressLine::finish() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

}  // namespace tessera::examples
