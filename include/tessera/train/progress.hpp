// What an observer of a training run is told after each step, and the one line a program may print of it.
#pragma once

#include <cstdio>
#include <string>
#include <tessera/core/index.hpp>

namespace tessera {

struct TrainProgress {
  Index step = 0, steps = 0;  // done so far, wanted in all
  double loss = 0;            // of this step
  double smoothed = 0;        // its moving average over about 100 steps
  double gradient_norm = 0;   // before clipping
  double rate = 0;            // of this step
  double steps_per_second = 0;
  double items_per_second = 0;  // 0 when TrainConfig::items is not given
  double seconds = 0;           // since the start of training, earlier runs included
  double seconds_left = 0;
  bool saved = false;  // a checkpoint was written after this step
};

/// `1:02:03`, or `2:03` under an hour.
inline std::string clock_text(double seconds) {
  const long long s = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : static_cast<long long>(seconds + 0.5);
  char text[48];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  return text;
}

/// `step 1200/5000 (24%)  loss 0.0431  |g| 0.31  rate 2.00e-04  3.2 step/s  205 item/s  19:42 left`
inline std::string to_string(const TrainProgress& p) {
  char text[320], items[48] = "";
  if (p.items_per_second > 0) std::snprintf(items, sizeof items, "  %.3g item/s", p.items_per_second);
  std::snprintf(text, sizeof text, "step %lld/%lld (%.0f%%)  loss %.5g  |g| %.3g  rate %.2e  %.3g step/s%s  %s left",
                static_cast<long long>(p.step), static_cast<long long>(p.steps),
                p.steps > 0 ? 100 * static_cast<double>(p.step) / static_cast<double>(p.steps) : 0.0, p.smoothed,
                p.gradient_norm, p.rate, p.steps_per_second, items, clock_text(p.seconds_left).c_str());
  return text;
}

}  // namespace tessera
