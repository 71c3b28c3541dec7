// Learning-rate schedules: pure functions of the step, as factors of the base rate. Steps count from 0.
#pragma once

#include <cmath>
#include <numbers>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>

namespace tessera::inline TESSERA_ISA {

/// How the rate goes after its warm-up.
enum class Decay { constant, linear, cosine, step };

/// Warm-up from 0 over `warmup` steps, then `hold` steps at 1 (counted from the start; 0: none), then the decay to
/// `floor` at step `total`. With hold near total this is the trapezoid whose end can be chosen late (Hagele et al.,
/// 2024, arXiv 2405.18392).
struct Schedule {
  Decay decay = Decay::constant;
  Index warmup = 0;
  Index hold = 0;
  Index total = 0;     // where linear and cosine end
  double floor = 0;    // factor at the end
  Index every = 1000;  // step: multiplies by `gamma` each `every` steps
  double gamma = 0.5;

  /// Throws argument_error for a linear or cosine decay without a total, and for steps every 0.
  double operator()(Index step) const {
    if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
    if (decay == Decay::constant || step < hold) return 1;
    const Index start = hold > warmup ? hold : warmup;
    if (decay == Decay::step && every < 1)
      throw argument_error("Schedule: a step every " + std::to_string(every) + " steps: 1 or more wanted");
    if (decay == Decay::step) return std::pow(gamma, static_cast<double>((step - start) / every));
    if (total <= start)
      throw argument_error("Schedule: total " + std::to_string(total) + " does not come after step " +
                           std::to_string(start));
    const double x = step >= total ? 1 : static_cast<double>(step - start) / static_cast<double>(total - start);
    const double left = decay == Decay::linear ? 1 - x : 0.5 * (1 + std::cos(std::numbers::pi * x));
    return floor + (1 - floor) * left;
  }
};

}  // namespace tessera::inline TESSERA_ISA
