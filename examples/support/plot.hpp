// Line plots for loss curves: what was measured faint, its moving average strong, axes with ticks and numbers.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

struct PlotLine {
  std::string label = {};      // in the legend; empty: not there
  std::vector<double> y = {};  // what is not finite leaves a gap
  double first = 1;            // x of y[0]
  double step = 1;             // from one x to the next
  double last = NAN;           // x of the last y, where it comes sooner than a step after the one before
  bool smooth = true;          // false: few points, each of which counts; drawn as they are

  double x(std::size_t k) const {
    return k + 1 == y.size() && std::isfinite(last) ? last : first + step * static_cast<double>(k);
  }
};

struct PlotOptions {
  int width = 960, height = 540;  // pixels, at least 160 x 120
  std::string title = {}, x_label = {}, y_label = {};
  bool log_y = false;       // values of 0 and below are then left out
  double smoothing = 0.99;  // how much of the average each point keeps, in [0, 1); 0: the line as it is
};

/// [height, width, 3]. Letters and numbers need fonts-dejavu-core or fonts-wqy-microhei; without them the axes have
/// ticks only. Throws argument_error for a size or a smoothing out of range.
Tensor<std::uint8_t> plot(std::span<const PlotLine> lines, const PlotOptions& options);

/// One line of losses, from step 1.
Tensor<std::uint8_t> plot_losses(const Tensor<float>& losses, const PlotOptions& options);

/// Round numbers (1, 2 or 5 times a power of ten apart) that cover [low, high] with at most `most` of them; on a log
/// axis 1, 2, 5 or whole decades.
std::vector<double> ticks(double low, double high, int most, bool log);

}  // namespace tessera::examples
