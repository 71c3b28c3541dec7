// What --twin FILE of the training programs writes down, so that bench/curves/twin.py can train the same network in PyTorch and lay
// both curves of losses on each other: the weights at the start, what each step saw, the rate it went by and the loss it had.
//
//   net.NAME      the weights, as save.hpp names them          STEP.NAME   a tensor that this step saw, steps from 0
//   losses, rates [steps]                                      metadata    the network, the optimizer, what shapes do not tell
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include <tessera/nn/save.hpp>
#include <tessera/train/trainer.hpp>

namespace tessera::examples {

class TwinFile {
 public:
  using Settings = std::map<std::string, double>;
  static constexpr const char* help =
      "for bench/curves/twin.py: weights at the start, batches and losses, all kept until the end";

  /// After resume() and freeze(). Without a path nothing is ever kept. Throws argument_error when training has begun
  /// before, and when a setting `dropout` is not 0: chance cannot be the same on both sides.
  template <Module M>
  TwinFile(std::string path, const std::string& network, Trainer<M>& trainer, const Settings& settings = {})
      : path_(std::move(path)) {
    if (path_.empty()) return;
    begin(network, trainer.steps_done(), trainer.config(), trainer.optimizer().config(), settings);
    put(*file_, trainer.module(), "net");
    std::string& frozen = file_->metadata["frozen"];
    std::set<std::string> learning;
    for_each_parameter(trainer.module(), [&](const std::string& name, const auto& p) {
      if (!p.frozen) learning.insert(name);
    });
    for_each_tensor(trainer.module(), [&](const std::string& name, const auto&) {
      if (learning.count(name) == 0) frozen += name + ' ';
    });
  }

  template <class T>
  void see(const TrainStep& at, const std::string& name, const Tensor<T>& tensor) {
    if (file_) file_->put(std::to_string(at.step) + '.' + name, tensor);
  }

  /// Throws io_error.
  template <Module M>
  void write(const Trainer<M>& trainer) {
    if (file_) write(trainer.history(), trainer.seconds(), trainer.config().schedule);
  }

 private:
  void begin(const std::string& network, Index steps_done, const TrainConfig& training,
             const OptimizerConfig& optimizer, const Settings& settings);
  void write(const Tensor<float>& losses, double seconds, const Schedule& schedule);

  std::string path_;
  double rate_ = 0;
  std::optional<Safetensors> file_;
};

}  // namespace tessera::examples
