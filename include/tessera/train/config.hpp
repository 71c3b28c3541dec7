// What a training run is told (TrainConfig), what it tells the loss (TrainStep), and how it began and ended.
#pragma once

#include <map>
#include <string>
#include <tessera/core/noise.hpp>
#include <tessera/train/schedule.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct TrainConfig {
  Index steps = 1000;           // in all, earlier runs included
  Index accumulate = 1;         // batches whose gradients are averaged into one step
  double clip_norm = 0;         // longest gradient (all parameters together); 0: any
  double clip_value = 0;        // largest element, cut before the norm is taken; 0: any
  double ema_decay = 0;         // of the moving average of the weights; 0: none is kept
  Schedule schedule = {};       // factor of the optimizer's rate; where it needs a total and has none, that is `steps`
  std::uint64_t seed = 0;       // of the noise the loss is given
  std::string checkpoint = {};  // folder; empty: none are written
  Index checkpoint_every = 0;   // steps; 0: only by time and at the end
  double checkpoint_seconds = 600;  // the longest time that can be lost
  Index keep = 3;                   // checkpoints in the folder
  bool resume = true;               // go on from the newest one in the folder; false: the folder must hold none
  Index items = 0;                  // in a step, for the throughput shown
  std::map<std::string, std::string> extras = {};  // what the program needs to know again: kept in each checkpoint
};

/// Where the loss is called.
struct TrainStep {
  Index step;   // from 0
  Index part;   // 0 ... accumulate - 1
  Index batch;  // batches drawn before this one since the start of training: the data position
  Noise noise;  // this part's own: Noise{seed}.fork(step).fork(part)
};

/// What resuming found.
struct Resumed {
  std::string path;                // the checkpoint gone on from; empty: training starts at step 0
  Index step = 0;                  // steps it had done
  std::vector<std::string> notes;  // broken files passed over, settings that differ: worth a line each
};

/// All steps were done; the observer said stop; the program was told to end.
enum class TrainEnd { finished, stopped, interrupted };

}  // namespace tessera::inline TESSERA_ISA
