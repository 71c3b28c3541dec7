#include "examples/support/training_options.hpp"

#include <tessera/core/error.hpp>
#include <tessera/io/text.hpp>

namespace tessera::examples {

TrainConfig TrainingOptions::config(const Schedule& schedule) const {
  return {.steps = steps,
          .clip_norm = 1,
          .schedule = schedule,
          .seed = seed + 77,  // not that of the weights
          .checkpoint = folder,
          .checkpoint_every = save_every,
          .keep = 2,
          .items = batch};
}

void TrainingOptions::check_export(const Resumed& resumed) const {
  if (resumed.path.empty())
    throw io_error(printable(folder) + ": no checkpoint to export; train first, without --export");
}

void describe(Cli& cli, TrainingOptions& o, const TrainingWords& words) {
  constexpr Index most = 10'000'000;
  const auto text = [&](const char* names, std::string& value, const std::string& help) {
    cli.option(names, value, value.empty() ? help : help + " (default " + value + ")");
  };
  cli.number("--steps", o.steps,
             std::string("training steps in all, those of earlier runs included") +
                 (words.least_steps == 0 ? "; 0: none" : ""),
             words.least_steps, most);
  cli.number("--batch", o.batch, words.batch_of + " a step", 1, words.most_batch);
  cli.number("--rate", o.rate, words.rate, 0, 1);
  cli.option("--seed", o.seed, "of " + words.seed_of + " (default " + std::to_string(o.seed) + ")");
  text("--folder", o.folder, "where " + words.kept + " go, and a run goes on from");
  text("--output,-o", o.output, words.output);
  cli.option("--curve", o.curve, "a PNG of the losses over the steps");
  cli.number("--save-every", o.save_every, "steps between checkpoints", 1, most);
  cli.number("--threads", o.threads, "threads; 0 is as many as there are CPUs", 0, 256);
  if (!words.exported.empty()) cli.flag("--export", o.only_export, "no training: " + words.exported + " to --output");
}

}  // namespace tessera::examples
