// A training run held in one's own hands: step by step, or run() to the end. train/loop.hpp has the one call that does it all.
//
// The law: a run that is stopped and resumed equals one that never was, bit for bit. It holds because everything a step needs
// is in the checkpoint or a pure function of its number: noise is Noise{seed}.fork(step), data is batch number `at.batch`. A
// loss that keeps a state of its own (a counter, an Rng) breaks it. Nothing is printed here; the observer prints.
#pragma once

#include <time.h>

#include <tessera/train/checkpoint.hpp>
#include <tessera/train/config.hpp>
#include <tessera/train/progress.hpp>
#include <tessera/train/state.hpp>

namespace tessera::inline TESSERA_ISA {

/// The number type of a module: its first template argument, or its `Scalar`, or float.
template <class M>
struct ModuleScalar {
  using type = float;
};
template <template <class...> class M, std::floating_point T, class... More>
struct ModuleScalar<M<T, More...>> {
  using type = T;
};
template <class M>
requires requires { typename M::Scalar; }
struct ModuleScalar<M> {
  using type = typename M::Scalar;
};

template <Module M>
class Trainer {
 public:
  using T = typename ModuleScalar<M>::type;

  /// The module must outlive the trainer and stay where it is. Throws argument_error for a configuration that makes no
  /// sense.
  Trainer(M& module, OptimizerConfig optimizer, TrainConfig config)
      : module_(module), config_(std::move(config)), optimizer_(optimizer), noise_(config_.seed) {
    const auto want = [](bool good, const std::string& field, double found, const char* wanted) {
      if (!good) throw argument_error("train: " + field + " is " + std::to_string(found) + ", wanted " + wanted);
    };
    want(config_.steps >= 0, "steps", static_cast<double>(config_.steps), "0 or more");
    want(config_.accumulate >= 1, "accumulate", static_cast<double>(config_.accumulate), "1 or more");
    want(config_.clip_norm >= 0, "clip_norm", config_.clip_norm, "0 or more");
    want(config_.clip_value >= 0, "clip_value", config_.clip_value, "0 or more");
    want(config_.checkpoint_every >= 0, "checkpoint_every", static_cast<double>(config_.checkpoint_every), "0 or more");
    const bool ends = config_.schedule.decay == Decay::linear || config_.schedule.decay == Decay::cosine;
    if (ends && config_.schedule.total == 0) config_.schedule.total = config_.steps;
    if (config_.ema_decay != 0) ema_.emplace(module_, config_.ema_decay);
    if (!config_.checkpoint.empty()) folder_.emplace(config_.checkpoint, config_.keep);
    saved_at_ = now();
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Goes on from the newest whole checkpoint of the folder, if there is one. The program's settings count, not the
  /// file's; where they differ a note says so. Throws io_error and changes nothing when the checkpoint is one of
  /// another module or optimizer, when the folder holds broken ones only, or when it holds any and the configuration
  /// says not to resume.
  Resumed resume() {
    if (!folder_) return {};
    if (!config_.resume) {
      if (const auto old = folder_->steps(); !old.empty())
        throw_io(folder_->path(), "", "a folder without checkpoints, as resume is off",
                 "one of step " + std::to_string(old.back()));
      return {};
    }
    CheckpointFolder::Search found = folder_->newest();
    Resumed result;
    result.notes = std::move(found.broken);
    if (!found.newest) {
      if (!result.notes.empty())
        throw io_error(result.notes.front() + "; no checkpoint in " + quoted(folder_->path()) +
                       " is whole: empty the folder to start anew");
      return result;
    }
    restore(found.newest->file, result.notes);
    result.path = found.newest->path;
    result.step = step_;
    return result;
  }

  /// One step: `loss(tape, module, TrainStep)` returns a scalar Var. Throws number_error, with nothing changed, when
  /// the loss or a gradient is NaN or infinite, and names the tensor.
  template <class Loss>
  const TrainProgress& step(Loss&& loss) {
    const double began = now();
    struct Clean {
      Trainer& t;
      ~Clean() {
        t.tape_.clear();
        t.gradients_.clear();
      }
    } clean{*this};
    const double parts = static_cast<double>(config_.accumulate);
    double mean = 0;
    for (Index part = 0; part < config_.accumulate; ++part) {
      const TrainStep at{step_, part, batches_ + part,
                         noise_.fork(static_cast<std::uint64_t>(step_)).fork(static_cast<std::uint64_t>(part))};
      const auto value = loss(tape_, module_, at);
      const double x = static_cast<double>(value.value().item());
      mean += x / parts;
      if (!std::isfinite(x)) explain(value, x);
      tape_.backward(value);
      gradients_.add(module_, tape_);
      tape_.clear();  // gives the weights' buffers back, so that the optimizer need not copy them
    }
    double scale = 1 / parts;
    if (config_.clip_value > 0) {
      if (config_.accumulate > 1) gradients_.scale(scale);
      gradients_.clip_value(config_.clip_value);
      scale = 1;
    }
    const double norm = gradients_.norm() * scale;
    if (!std::isfinite(norm)) {
      gradients_.check_finite(module_);
      throw number_error(
          where() + "the gradients are finite but their norm overflows; lower the learning rate or scale the loss");
    }
    if (config_.clip_norm > 0 && norm > config_.clip_norm) scale *= config_.clip_norm / norm;
    const double factor = config_.schedule(step_);
    optimizer_.step(module_, gradients_, factor, scale);
    if (ema_) ema_->update(module_);

    ++step_;
    batches_ += config_.accumulate;
    history_.push_back(static_cast<float>(mean));
    smooth(history_.back());
    const double took = now() - began;
    seconds_ += took;
    seconds_a_step_ = seconds_a_step_ == 0 ? took : 0.95 * seconds_a_step_ + 0.05 * took;
    progress_.step = step_;
    progress_.steps = config_.steps;
    progress_.loss = mean;
    progress_.smoothed = smoothed();
    progress_.gradient_norm = norm;
    progress_.rate = factor * optimizer_.config().rate;
    progress_.steps_per_second = seconds_a_step_ > 0 ? 1 / seconds_a_step_ : 0;
    progress_.items_per_second = static_cast<double>(config_.items) * progress_.steps_per_second;
    progress_.seconds = seconds_;
    progress_.seconds_left = static_cast<double>(config_.steps - step_) * seconds_a_step_;
    progress_.saved = false;
    return progress_;
  }

  /// Steps until all are done, the observer says stop, or `interrupted()` is true; writes checkpoints meanwhile and at
  /// the end. The observer is called after each step with a TrainProgress; it returns nothing, or an enum with a value
  /// `stop`.
  template <class Loss, class Watch, class Interrupted>
  TrainEnd run(Loss&& loss, Watch&& watch, Interrupted&& interrupted) {
    TrainEnd end = TrainEnd::finished;
    saved_at_ = now();
    while (end == TrainEnd::finished && step_ < config_.steps) {
      if (interrupted()) {
        end = TrainEnd::interrupted;
        break;
      }
      step(loss);
      if (folder_ && due()) {
        save();
        progress_.saved = true;
      }
      using Answer = decltype(watch(static_cast<const TrainProgress&>(progress_)));
      if constexpr (std::is_void_v<Answer>)
        watch(static_cast<const TrainProgress&>(progress_));
      else if (watch(static_cast<const TrainProgress&>(progress_)) == Answer::stop)
        end = TrainEnd::stopped;
    }
    if (folder_ && saved_step_ != step_) save();
    return end;
  }

  /// Writes a checkpoint of this moment into the folder; returns its path. Throws number_error rather than keep weights
  /// that are not finite, argument_error without a folder, io_error; then nothing was written or removed.
  std::string save() {
    if (!folder_) throw argument_error("train: no folder to save checkpoints in; set TrainConfig::checkpoint");
    check_weights();
    Safetensors file;
    file.metadata = {{"format", format},
                     {"step", std::to_string(step_)},
                     {"batches", std::to_string(batches_)},
                     {"noise", to_hex(noise_.key())},
                     {"schedule", describe(config_.schedule)},
                     {"milliseconds", std::to_string(static_cast<long long>(seconds_ * 1000))}};
    for (const auto& [key, text] : config_.extras) file.metadata["user." + key] = text;
    put(file, module_, "model");
    put(file, optimizer_, module_);
    if (ema_) put(file, *ema_);
    file.put("history.loss", history());
    std::string path = folder_->write(step_, std::move(file));
    saved_step_ = step_;
    saved_at_ = now();
    return path;
  }

  M& module() { return module_; }
  Index steps_done() const { return step_; }
  const TrainConfig& config() const { return config_; }
  const Optimizer<T>& optimizer() const { return optimizer_; }
  const TrainProgress& progress() const { return progress_; }
  /// The averaged weights, or nullptr when ema_decay is 0.
  const M* average() const { return ema_ ? &ema_->average() : nullptr; }
  /// The loss of every step so far.
  Tensor<float> history() const { return Tensor<float>::from(Shape{static_cast<Index>(history_.size())}, history_); }
  double smoothed() const { return step_ == 0 ? 0 : smooth_ / (1 - std::pow(smoothing, static_cast<double>(step_))); }
  /// Of training, earlier runs included.
  double seconds() const { return seconds_; }
  /// What the program wants kept with the checkpoints; after resume(), what the checkpoint had.
  std::map<std::string, std::string>& extras() { return config_.extras; }

 private:
  static constexpr const char* format = "tessera checkpoint 1";
  static constexpr double smoothing = 0.99;

  static double now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  bool due() const {
    return (config_.checkpoint_every > 0 && step_ % config_.checkpoint_every == 0) ||
           now() - saved_at_ >= config_.checkpoint_seconds;
  }
  void smooth(float loss) { smooth_ = smoothing * smooth_ + (1 - smoothing) * static_cast<double>(loss); }
  std::string where() const { return "train: step " + std::to_string(step_) + ": "; }

  void check_weights() const {
    for_each_tensor(module_, [&](const std::string& path, const auto& v) {
      if constexpr (std::floating_point<typename std::remove_cvref_t<decltype(v)>::Scalar>) {
        if (!kernel::all_finite(v.size(), v.data()))
          throw number_error(where() + "`" + path + "` holds a NaN or an infinity");
      }
    });
  }
  /// The loss is not finite: says where that began.
  template <class Value>
  [[noreturn]] void explain(const Value& value, double x) {
    check_weights();
    const std::string seen = where() + "the loss is " + std::to_string(x) + "; ";
    if (!value.needs_gradient()) throw number_error(seen + "all weights are finite, and it depends on none of them");
    tape_.backward(value);
    Gradients<T> gradients;
    gradients.add(module_, tape_);
    try {
      gradients.check_finite(module_);
    } catch (const number_error& e) { throw number_error(seen + "all weights are finite; " + e.what()); }
    throw number_error(seen + "all weights and gradients are finite: look at the data and the loss itself");
  }

  void restore(const Safetensors& file, std::vector<std::string>& notes) {
    const auto text = [&](const std::string& key) {
      const auto at = file.metadata.find(key);
      return at == file.metadata.end() ? std::string() : at->second;
    };
    if (text("format") != format) throw_io(file.source(), "format", quoted(format), quoted(text("format")));
    const Index step = detail::metadata_number(file, "step"), batches = detail::metadata_number(file, "batches");
    const double seconds = static_cast<double>(detail::metadata_number(file, "milliseconds")) / 1000;
    const Tensor<float> history = file.get<float>("history.loss");
    if (history.rank() != 1 || history.size() != step)
      throw_io(file.source(), "history.loss", "[" + std::to_string(step) + "], a loss for each step",
               history.shape().to_string());
    const auto compare = [&](const std::string& what, const std::string& was, const std::string& is) {
      if (was != is) notes.push_back(what + " was " + quoted(was, 300) + ", is now " + quoted(is, 300));
    };
    compare("optimizer", text("optimizer"), describe(optimizer_.config()));
    compare("schedule", text("schedule"), describe(config_.schedule));
    compare("noise key", text("noise"), to_hex(noise_.key()));

    Optimizer<T> optimizer(optimizer_.config());
    get(file, optimizer, module_);
    std::optional<Ema<M>> ema;
    const bool had_ema = file.metadata.contains("ema.updates");
    if (ema_ && had_ema) {
      ema.emplace(module_, config_.ema_decay);
      get(file, *ema);
    }
    if (ema_ && !had_ema) notes.push_back("the checkpoint has no moving average: it starts from the weights");
    if (!ema_ && had_ema) notes.push_back("the checkpoint's moving average is dropped, as ema_decay is 0");
    for (const std::string& name : get(file, module_, "model"))
      notes.push_back("tensor " + quoted(name) + " holds a NaN or an infinity");
    // From here on nothing throws but for want of memory.
    if (ema_) ema_.emplace(ema ? std::move(*ema) : Ema<M>(module_, config_.ema_decay));
    optimizer_ = std::move(optimizer);
    step_ = saved_step_ = step;
    batches_ = batches;
    seconds_ = seconds;
    history_.assign(history.data(), history.data() + history.size());
    smooth_ = 0;
    for (const float loss : history_) smooth(loss);
    config_.extras.clear();
    for (const auto& [key, value] : file.metadata) {
      if (key.starts_with("user.")) config_.extras[key.substr(5)] = value;
    }
  }

  M& module_;
  TrainConfig config_;
  Optimizer<T> optimizer_;
  Noise noise_;
  std::optional<Ema<M>> ema_;
  std::optional<CheckpointFolder> folder_;
  Tape<Tensor<T>> tape_;
  Gradients<T> gradients_;
  Index step_ = 0, batches_ = 0, saved_step_ = 0;
  std::vector<float> history_;
  double smooth_ = 0, seconds_ = 0, seconds_a_step_ = 0, saved_at_ = 0;
  TrainProgress progress_;
};

}  // namespace tessera::inline TESSERA_ISA
