// The settings that training programs share: their options, and what a Trainer makes of them.
//
//   struct Options : TrainingOptions {
//     Options() : TrainingOptions{.steps = 3000, .rate = 3e-3} {}
//     Index layers = 6;
//   };
//   describe(cli, o, {.seed_of = "weights, order and drawing"});
//   Trainer<Net> trainer(net, {.rate = o.rate}, o.config({.decay = Decay::cosine, .total = o.steps + 1}));
#pragma once

#include <string>

#include <tessera/train/config.hpp>

#include "examples/support/cli.hpp"

namespace tessera::examples {

struct TrainingOptions {
  Index steps = 1000, batch = 16, save_every = 250, threads = 0;
  double rate = 1e-3;
  std::uint64_t seed = 1;
  std::string folder = {}, output = {}, curve = {};
  bool only_export = false;

  /// Gradients are clipped to a norm of 1, the two newest checkpoints stay in the folder.
  TrainConfig config(const Schedule& schedule) const;
  /// Throws io_error when there is nothing to export.
  void check_export(const Resumed& resumed) const;
};

/// What the help says of them.
struct TrainingWords {
  std::string batch_of = "pictures", rate = "greatest learning rate", seed_of = "weights and order",
              output = "the finished weights, in half precision", kept = "checkpoints",
              exported = {};  // what --export writes; empty: there is no such option
  Index least_steps = 1, most_batch = 4096;
};

/// Their options, with the values as they stand for defaults.
void describe(Cli& cli, TrainingOptions& options, const TrainingWords& words = {});

}  // namespace tessera::examples
