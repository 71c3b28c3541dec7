#include "examples/support/twin_file.hpp"

#include <cstdio>

#include <tessera/kernel/workers.hpp>

#include "examples/support/output.hpp"

namespace tessera::examples {

namespace {
std::string with_all_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}
}  // namespace

void TwinFile::begin(const std::string& network, Index steps_done, const TrainConfig& training,
                     const OptimizerConfig& optimizer, const Settings& settings) {
  if (steps_done > 0)
    throw argument_error("--twin follows a training from its beginning, and " + printable(training.checkpoint) +
                         " holds step " + std::to_string(steps_done) + " of one; give it another --folder");
  if (const auto dropout = settings.find("dropout"); dropout != settings.end() && dropout->second != 0)
    throw argument_error("--twin compares trainings without chance; add --dropout 0");
  const bool adam = optimizer.kind == OptimizerConfig::Kind::adam && optimizer.decay == 0;  // AdamW without decay
  if (!(adam || optimizer.kind == OptimizerConfig::Kind::adamw) || training.accumulate != 1 || training.clip_value != 0)
    throw argument_error("--twin knows Adam and AdamW, one batch a step and gradients clipped by their norm only");
  check_writable(path_);
  rate_ = optimizer.rate;
  Settings all = settings;
  all.insert({{"threads", threads()},
              {"beta1", optimizer.beta1},
              {"beta2", optimizer.beta2},
              {"epsilon", optimizer.epsilon},
              {"decay", optimizer.decay},
              {"clip_norm", training.clip_norm}});
  file_.emplace();
  file_->metadata["network"] = network;
  for (const auto& [name, value] : all) file_->metadata[name] = with_all_digits(value);
}

void TwinFile::write(const Tensor<float>& losses, double seconds, const Schedule& schedule) {
  Tensor<float> rates(losses.shape());
  for (Index i = 0; i < rates.size(); ++i) rates.data()[i] = static_cast<float>(rate_ * schedule(i));
  file_->put("losses", losses);
  file_->put("rates", rates);
  file_->metadata["seconds"] = with_all_digits(seconds);
  file_->write(path_);
}

}  // namespace tessera::examples
