// A training run held in one's own hands: step by step, or run() to the end. train/loop.hpp has the one call that does it all.
//
// The law: a run that is stopped and resumed equals one that never was, bit for bit. It holds because everything a step needs
// is in the checkpoint or a pure function of its number: noise is Noise{seed}.fork(step), data is batch number `at.batch`. A
// loss that keeps a state of its own (a counter, an Rng) breaks it. Nothing is printed here; the observer prints.
#pragma once

#include <tessera/train/course.hpp>

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
      : module_(module), course_(std::move(config)), optimizer_(optimizer) {
    if (this->config().ema_decay != 0) ema_.emplace(module_, this->config().ema_decay);
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Goes on from the newest whole checkpoint of the folder, if there is one. The program's settings count, not the
  /// file's; where they differ a note says so. Throws io_error and changes nothing when the checkpoint is one of
  /// another module or optimizer, when the folder holds broken ones only, or when it holds any and the configuration
  /// says not to resume.
  Resumed resume() {
    return course_.resume([this](const Safetensors& file, std::vector<std::string>& notes) { restore(file, notes); });
  }

  /// One step: `loss(tape, module, TrainStep)` returns a scalar Var. Throws number_error, with nothing changed, when
  /// the loss or a gradient is NaN or infinite, and names the tensor.
  template <class Loss>
  const TrainProgress& step(Loss&& loss) {
    const double began = Course::now();
    const TrainConfig& c = config();
    struct Clean {
      Trainer& t;
      ~Clean() {
        t.tape_.clear();
        t.gradients_.clear();
      }
    } clean{*this};
    const double parts = static_cast<double>(c.accumulate);
    const Noise noise = course_.noise.fork(static_cast<std::uint64_t>(course_.step));
    double mean = 0;
    for (Index part = 0; part < c.accumulate; ++part) {
      const TrainStep at{course_.step, part, course_.batches + part, noise.fork(static_cast<std::uint64_t>(part))};
      const auto value = loss(tape_, module_, at);
      const double x = static_cast<double>(value.value().item());
      mean += x / parts;
      if (!std::isfinite(x)) explain(value, x);
      tape_.backward(value);
      gradients_.add(module_, tape_);
      tape_.clear();  // gives the weights' buffers back, so that the optimizer need not copy them
    }
    double scale = 1 / parts;
    if (c.clip_value > 0) {
      if (c.accumulate > 1) gradients_.scale(scale);
      gradients_.clip_value(c.clip_value);
      scale = 1;
    }
    const double norm = gradients_.norm() * scale;
    if (!std::isfinite(norm)) {
      gradients_.check_finite(module_);
      throw number_error(
          course_.where() +
          "the gradients are finite but their norm overflows; lower the learning rate or scale the loss");
    }
    if (c.clip_norm > 0 && norm > c.clip_norm) scale *= c.clip_norm / norm;
    const double factor = c.schedule(course_.step);
    optimizer_.step(module_, gradients_, factor, scale);
    if (ema_) ema_->update(module_);

    history_.push_back(static_cast<float>(mean));
    smooth(history_.back());
    course_.passed(c.accumulate, began);
    course_.tell(progress_);
    progress_.loss = mean;
    progress_.smoothed = smoothed();
    progress_.gradient_norm = norm;
    progress_.rate = factor * optimizer_.config().rate;
    return progress_;
  }

  /// Steps until all are done, the observer says stop, or `interrupted()` is true; writes checkpoints meanwhile and at
  /// the end. The observer is called after each step with a TrainProgress; it returns nothing, or an enum with a value
  /// `stop`.
  template <class Loss, class Watch, class Interrupted>
  TrainEnd run(Loss&& loss, Watch&& watch, Interrupted&& interrupted) {
    return course_.run(
        progress_, [&] { step(loss); }, [this] { save(); }, watch, interrupted);
  }

  /// Writes a checkpoint of this moment into the folder; returns its path. Throws number_error rather than keep weights
  /// that are not finite, argument_error without a folder, io_error; then nothing was written or removed.
  std::string save() {
    Safetensors file = course_.file(format);
    detail::check_weights(module_, course_.where());
    put(file, module_, "model");
    put(file, optimizer_, module_);
    if (ema_) put(file, *ema_);
    file.put("history.loss", history());
    return course_.write(std::move(file));
  }

  M& module() { return module_; }
  Index steps_done() const { return course_.step; }
  const TrainConfig& config() const { return course_.config; }
  const Optimizer<T>& optimizer() const { return optimizer_; }
  const TrainProgress& progress() const { return progress_; }
  /// The averaged weights, or nullptr when ema_decay is 0.
  const M* average() const { return ema_ ? &ema_->average() : nullptr; }
  /// The loss of every step so far.
  Tensor<float> history() const { return Tensor<float>::from(Shape{static_cast<Index>(history_.size())}, history_); }
  double smoothed() const {
    return history_.empty() ? 0 : smooth_ / (1 - std::pow(smoothing, static_cast<double>(history_.size())));
  }
  /// Of training, earlier runs included.
  double seconds() const { return course_.seconds; }
  /// What the program wants kept with the checkpoints; after resume(), what the checkpoint had.
  std::map<std::string, std::string>& extras() { return course_.config.extras; }

 private:
  static constexpr const char* format = "tessera checkpoint 1";
  static constexpr double smoothing = 0.99;

  void smooth(float loss) { smooth_ = smoothing * smooth_ + (1 - smoothing) * static_cast<double>(loss); }
  /// The loss is not finite: says where that began.
  template <class Value>
  [[noreturn]] void explain(const Value& value, double x) {
    detail::check_weights(module_, course_.where());
    const std::string seen = course_.where() + "the loss is " + std::to_string(x) + "; ";
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
    Course::Place place = course_.read(file, format, notes);
    Course::compare(file, "optimizer", describe(optimizer_.config()), notes);
    const Tensor<float> history = Course::history(file, "history.loss", place.step);
    Optimizer<T> optimizer(optimizer_.config());
    get(file, optimizer, module_);
    std::optional<Ema<M>> ema = read_average(file, module_, config().ema_decay, notes);
    for (const std::string& name : get(file, module_, "model"))
      notes.push_back("tensor " + quoted(name) + " holds a NaN or an infinity");
    // From here on nothing throws but for want of memory.
    if (ema_) ema_.emplace(ema ? std::move(*ema) : Ema<M>(module_, config().ema_decay));
    optimizer_ = std::move(optimizer);
    course_.take(std::move(place));
    history_.assign(history.data(), history.data() + history.size());
    smooth_ = 0;
    for (const float loss : history_) smooth(loss);
  }

  M& module_;
  Course course_;
  Optimizer<T> optimizer_;
  std::optional<Ema<M>> ema_;
  Tape<Tensor<T>> tape_;
  Gradients<T> gradients_;
  std::vector<float> history_;
  double smooth_ = 0;
  TrainProgress progress_;
};

}  // namespace tessera::inline TESSERA_ISA
