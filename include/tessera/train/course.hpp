// What every way of training has beside its modules: the settings, how far it is, the clock, and the folder of checkpoints.
#pragma once

#include <time.h>

#include <tessera/train/checkpoint.hpp>
#include <tessera/train/config.hpp>
#include <tessera/train/progress.hpp>
#include <tessera/train/state.hpp>

namespace tessera::inline TESSERA_ISA {

class Course {
 public:
  TrainConfig config;
  Noise noise;
  Index step = 0, batches = 0;  // done and drawn since the start of training
  double seconds = 0;           // of training, earlier runs included

  /// Throws argument_error for a configuration that makes no sense.
  explicit Course(TrainConfig settings) : config(std::move(settings)), noise(config.seed) {
    const auto want = [](bool good, const char* field, double found, const char* wanted) {
      if (!good)
        throw argument_error(std::string("train: ") + field + " is " + std::to_string(found) + ", wanted " + wanted);
    };
    want(config.steps >= 0, "steps", static_cast<double>(config.steps), "0 or more");
    want(config.accumulate >= 1, "accumulate", static_cast<double>(config.accumulate), "1 or more");
    want(config.clip_norm >= 0, "clip_norm", config.clip_norm, "0 or more");
    want(config.clip_value >= 0, "clip_value", config.clip_value, "0 or more");
    want(config.checkpoint_every >= 0, "checkpoint_every", static_cast<double>(config.checkpoint_every), "0 or more");
    const bool ends = config.schedule.decay == Decay::linear || config.schedule.decay == Decay::cosine;
    if (ends && config.schedule.total == 0) config.schedule.total = config.steps;
    if (!config.checkpoint.empty()) folder_.emplace(config.checkpoint, config.keep);
    saved_at_ = now();
  }

  static double now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  std::string where() const { return "train: step " + std::to_string(step) + ": "; }

  /// A step is done that drew so many batches and began then.
  void passed(Index drawn, double began) {
    ++step;
    batches += drawn;
    const double took = now() - began;
    seconds += took;
    seconds_a_step_ = seconds_a_step_ == 0 ? took : 0.95 * seconds_a_step_ + 0.05 * took;
  }
  /// What the clock has to say.
  void tell(TrainProgress& p) const {
    p.step = step;
    p.steps = config.steps;
    p.steps_per_second = seconds_a_step_ > 0 ? 1 / seconds_a_step_ : 0;
    p.items_per_second = static_cast<double>(config.items) * p.steps_per_second;
    p.seconds = seconds;
    p.seconds_left = static_cast<double>(config.steps - step) * seconds_a_step_;
    p.saved = false;
  }

  /// Steps until all are done, the observer says stop, or `interrupted()` is true; checkpoints meanwhile and at the
  /// end. The observer is called with the progress after each step; it returns nothing, or an enum with a value `stop`.
  template <class Progress, class Once, class Save, class Watch, class Interrupted>
  TrainEnd run(Progress& progress, const Once& once, const Save& save, Watch& watch, Interrupted& interrupted) {
    TrainEnd end = TrainEnd::finished;
    saved_at_ = now();
    while (end == TrainEnd::finished && step < config.steps) {
      if (interrupted()) {
        end = TrainEnd::interrupted;
        break;
      }
      once();
      const bool due = (config.checkpoint_every > 0 && step % config.checkpoint_every == 0) ||
                       now() - saved_at_ >= config.checkpoint_seconds;
      if (folder_ && due) {
        save();
        progress.saved = true;
      }
      const Progress& seen = progress;
      using Answer = decltype(watch(seen));
      if constexpr (std::is_void_v<Answer>)
        watch(seen);
      else if (watch(seen) == Answer::stop)
        end = TrainEnd::stopped;
    }
    if (folder_ && saved_step_ != step) save();
    return end;
  }

  /// restore(file, notes) with the newest whole checkpoint of the folder, if there is one. Throws io_error when there
  /// are broken ones only, or any at all and the configuration says not to resume.
  template <class Restore>
  Resumed resume(const Restore& restore) const {
    if (!folder_) return {};
    if (!config.resume) {
      if (const auto old = folder_->steps(); !old.empty())
        throw_io(folder_->path(), "", "a folder without checkpoints, as resume is off",
                 "one of step " + std::to_string(old.back()));
      return {};
    }
    CheckpointFolder::Search found = folder_->newest();
    Resumed result;
    result.notes = std::move(found.broken);
    if (found.newest) {
      restore(found.newest->file, result.notes);
      result.path = found.newest->path;
      result.step = step;
    } else if (!result.notes.empty()) {
      throw io_error(result.notes.front() + "; no checkpoint in " + quoted(folder_->path()) +
                     " is whole: empty the folder to start anew");
    }
    return result;
  }

  /// A checkpoint of this moment, to be filled with modules and handed to write(). Throws argument_error without a
  /// folder.
  Safetensors file(const char* format) const {
    if (!folder_) throw argument_error("train: no folder to save checkpoints in; set TrainConfig::checkpoint");
    Safetensors file;
    file.metadata = {{"format", format},
                     {"step", std::to_string(step)},
                     {"batches", std::to_string(batches)},
                     {"noise", to_hex(noise.key())},
                     {"schedule", describe(config.schedule)},
                     {"milliseconds", std::to_string(static_cast<long long>(seconds * 1000))}};
    for (const auto& [key, text] : config.extras) file.metadata["user." + key] = text;
    return file;
  }
  std::string write(Safetensors file) {
    std::string path = folder_->write(step, std::move(file));
    saved_step_ = step;
    saved_at_ = now();
    return path;
  }

  /// How far a checkpoint is: read from it first, taken once everything else has been read too.
  struct Place {
    Index step = 0, batches = 0;
    double seconds = 0;
    std::map<std::string, std::string> extras;
  };
  /// Throws io_error when the file is of another format. Settings that differ from ours become notes.
  Place read(const Safetensors& file, const char* format, std::vector<std::string>& notes) const {
    if (text(file, "format") != format) throw_io(file.source(), "format", quoted(format), quoted(text(file, "format")));
    Place p;
    p.step = detail::metadata_number(file, "step");
    p.batches = detail::metadata_number(file, "batches");
    p.seconds = static_cast<double>(detail::metadata_number(file, "milliseconds")) / 1000;
    for (const auto& [key, value] : file.metadata) {
      if (key.starts_with("user.")) p.extras[key.substr(5)] = value;
    }
    compare(file, "schedule", describe(config.schedule), notes);
    compare(file, "noise", to_hex(noise.key()), notes);
    return p;
  }
  void take(Place p) {
    step = saved_step_ = p.step;
    batches = p.batches;
    seconds = p.seconds;
    config.extras = std::move(p.extras);
  }
  /// A note when the file's metadata say something else than we do.
  static void compare(const Safetensors& file, const std::string& key, const std::string& is,
                      std::vector<std::string>& notes) {
    const std::string was = text(file, key);
    if (was != is) notes.push_back(key + " was " + quoted(was, 300) + ", is now " + quoted(is, 300));
  }
  /// A loss for each step. Throws io_error.
  static Tensor<float> history(const Safetensors& file, const std::string& name, Index steps) {
    Tensor<float> h = file.get<float>(name);
    if (h.rank() != 1 || h.size() != steps)
      throw_io(file.source(), name, "[" + std::to_string(steps) + "], a loss for each step", h.shape().to_string());
    return h;
  }

 private:
  static std::string text(const Safetensors& file, const std::string& key) {
    const auto at = file.metadata.find(key);
    return at == file.metadata.end() ? std::string() : at->second;
  }

  std::optional<CheckpointFolder> folder_;
  Index saved_step_ = 0;
  double seconds_a_step_ = 0, saved_at_ = 0;
};

/// The moving average a checkpoint has of `like`, or none. What is dropped or missing becomes a note. Throws io_error.
template <Module M>
std::optional<Ema<M>> read_average(const Safetensors& file, const M& like, double decay,
                                   std::vector<std::string>& notes) {
  const bool had = file.metadata.contains("ema.updates");
  std::optional<Ema<M>> average;
  if (had && decay == 0) notes.push_back("the checkpoint's moving average is dropped, as ema_decay is 0");
  if (!had && decay != 0) notes.push_back("the checkpoint has no moving average: it starts from the weights");
  if (had && decay != 0) {
    average.emplace(like, decay);
    get(file, *average);
  }
  return average;
}

}  // namespace tessera::inline TESSERA_ISA
