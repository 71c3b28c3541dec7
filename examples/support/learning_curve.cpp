#include "examples/support/learning_curve.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <tessera/io/png.hpp>

namespace tessera::examples {

namespace {

constexpr const char* key = "held out";  // among the extras

std::string joined(const std::vector<double>& values) {
  std::string text;
  char number[32];
  for (const double v : values) {
    std::snprintf(number, sizeof number, "%.17g ", v);  // all its digits
    text += number;
  }
  return text;
}

std::vector<double> separated(const std::string& text) {
  std::vector<double> values;
  for (std::size_t at = 0, end; (end = text.find(' ', at)) != std::string::npos; at = end + 1)
    values.push_back(std::strtod(text.substr(at, end - at).c_str(), nullptr));
  return values;
}

}  // namespace

LearningCurve::LearningCurve(LearningCurveConfig config, std::map<std::string, std::string>& kept)
    : config_(std::move(config)), kept_(kept), looks_(separated(kept[key])) {}

void LearningCurve::leave_gaps(std::size_t count) { looks_.resize(count, std::nan("")); }

void LearningCurve::add(double loss) {
  looks_.push_back(loss);
  kept_[key] = joined(looks_);
}

std::string LearningCurve::line(Index step) const {
  char number[48];
  std::snprintf(number, sizeof number, " %.4f ", last());
  return "step " + std::to_string(step) + ": " + config_.held_out + number + config_.plot.y_label;
}

void LearningCurve::write(const Tensor<float>& losses) const {
  if (config_.path.empty()) return;
  std::vector<PlotLine> lines(1);
  lines[0].label = config_.training;
  for (const float loss : losses.span()) lines[0].y.push_back(static_cast<double>(loss) / config_.nats);
  if (looks_.size() > 1) {
    const auto every = static_cast<double>(config_.every), done = static_cast<double>(losses.size());
    lines.push_back({.label = config_.held_out, .y = looks_, .first = every, .step = every, .smooth = false});
    if (lines[1].x(looks_.size() - 1) > done) lines[1].last = done;  // the look at the end comes when it comes
  }
  write_png(config_.path, plot(lines, config_.plot));
}

}  // namespace tessera::examples
