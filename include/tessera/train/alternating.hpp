// Alternating training: two modules that learn by turns, each with an optimizer of its own. A round is `critic_turns`
// turns of the critic, then one of the maker. What they play is a Game:
//
//   game.maker(), game.critic()           the two modules
//   game.make(tape, batch, noise)         what the maker makes from a batch, recorded on the maker's tape
//   game.judge(tape, made, noise)         the critic's loss over what was made (as constants), on the critic's tape
//   game.please(tape, made, noise)        the maker's loss, on the tape it was made on
//   game.critic_stepped(), game.maker_stepped()     after each turn: running statistics, power iterations
//
// The maker's turn goes on from what the critic has just judged: one forward pass of the maker serves both, as is
// usual.
//
//   auto game = adversarial(generator, critic, {.r1 = 1});                      // generate/adversarial.hpp
//   auto result = train(game, [&](const TrainStep& at) { return data(at.batch); },
//                       {.maker = gan_adam(2e-4), .critic = gan_adam(4e-4), .run = {.steps = 5000}});
//
// The law of train/trainer.hpp holds here too: a run that is stopped and resumed equals one that never was, bit for
// bit.
#pragma once

#include <time.h>

#include <tessera/train/checkpoint.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/player.hpp>
#include <tessera/train/progress.hpp>

namespace tessera::inline TESSERA_ISA {

/// Adam as GANs want it: no momentum to speak of, for the other side moves (Radford et al., 2015, arXiv 1511.06434).
inline OptimizerConfig gan_adam(double rate, double beta1 = 0.5, double beta2 = 0.999) {
  return {.kind = OptimizerConfig::Kind::adam, .rate = rate, .beta1 = beta1, .beta2 = beta2};
}

struct AlternatingConfig {
  OptimizerConfig maker = gan_adam(2e-4), critic = gan_adam(2e-4);
  Index critic_turns = 1;  // a round; every turn sees another batch
  TrainConfig run = {};  // steps are rounds; clipping and the schedule hold for both, the moving average for the maker
};

/// After a round. What TrainProgress says is the maker's.
struct RoundProgress : TrainProgress {
  double critic_loss = 0;      // of the last turn
  double critic_smoothed = 0;  // its moving average over about 100 rounds
  double critic_norm = 0;      // of its gradient, before clipping
};
inline std::string to_string(const RoundProgress& p) {
  char text[64];
  std::snprintf(text, sizeof text, "  critic %.5g  |g| %.3g", p.critic_smoothed, p.critic_norm);
  return to_string(static_cast<const TrainProgress&>(p)) + text;
}

template <class Game>
class AlternatingTrainer {
 public:
  using Maker = std::remove_cvref_t<decltype(std::declval<Game&>().maker())>;
  using Critic = std::remove_cvref_t<decltype(std::declval<Game&>().critic())>;
  using T = typename Game::Number;

  /// The game and its modules must outlive the trainer. Throws argument_error for a configuration that makes no sense.
  AlternatingTrainer(Game& game, AlternatingConfig config)
      : game_(game),
        config_(std::move(config)),
        maker_(game.maker(), config_.maker, "maker"),
        critic_(game.critic(), config_.critic, "critic"),
        noise_(settings().seed) {
    if (config_.critic_turns < 1)
      throw argument_error("train: critic_turns is " + std::to_string(config_.critic_turns) + ", wanted 1 or more");
    if (settings().steps < 0 || settings().clip_norm < 0 || settings().clip_value < 0 ||
        settings().checkpoint_every < 0)
      throw argument_error("train: steps, clip_norm, clip_value and checkpoint_every are at least 0");
    if (settings().accumulate != 1)
      throw argument_error(
          "train: alternating training takes whole batches; set accumulate to 1, and make batches larger");
    Schedule& schedule = config_.run.schedule;
    const bool ends = schedule.decay == Decay::linear || schedule.decay == Decay::cosine;
    if (ends && schedule.total == 0) schedule.total = settings().steps;
    if (settings().ema_decay != 0) ema_.emplace(maker_.module(), settings().ema_decay);
    if (!settings().checkpoint.empty()) folder_.emplace(settings().checkpoint, settings().keep);
    saved_at_ = now();
  }
  AlternatingTrainer(const AlternatingTrainer&) = delete;
  AlternatingTrainer& operator=(const AlternatingTrainer&) = delete;

  /// Goes on from the newest whole checkpoint of the folder, if there is one. Throws io_error and changes nothing when
  /// that is one of other modules, when only broken ones are there, or when any is there and the configuration says not
  /// to resume.
  Resumed resume() {
    if (!folder_) return {};
    if (!settings().resume) {
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
      result.step = step_;
    } else if (!result.notes.empty()) {
      throw io_error(result.notes.front() + "; no checkpoint in " + quoted(folder_->path()) +
                     " is whole: empty the folder to start anew");
    }
    return result;
  }

  /// One round. `data(TrainStep)` gives the batch of every critic's turn. Throws number_error that names the tensor;
  /// the player whose turn it was has not changed, and the checkpoints on the disk stay.
  template <class Data>
  const RoundProgress& step(Data&& data) {
    const double began = now();
    const double factor = settings().schedule(step_);
    struct Clean {
      Tape<Tensor<T>>& a;
      Tape<Tensor<T>>& b;
      ~Clean() {
        a.clear();
        b.clear();
      }
    } clean{maker_tape_, critic_tape_};
    using Made = decltype(game_.make(maker_tape_, data(std::declval<const TrainStep&>()), noise_));
    const Noise noise = noise_.fork(static_cast<std::uint64_t>(step_));
    std::optional<Made> made;
    Turn judged;
    for (Index turn = 0; turn < config_.critic_turns; ++turn) {
      const TrainStep at{step_, turn, batches_ + turn, noise.fork(static_cast<std::uint64_t>(turn))};
      made.reset();
      maker_tape_.clear();
      made.emplace(game_.make(maker_tape_, data(at), at.noise.fork(0)));
      judged = critic_.learn(critic_tape_, game_.judge(critic_tape_, *made, at.noise.fork(1), step_), settings(), step_,
                             factor);
      game_.critic_stepped();
    }
    const Var<Tensor<T>> loss = game_.please(maker_tape_, *made, noise.fork(~std::uint64_t{0}));
    made.reset();
    const Turn pleased = maker_.learn(maker_tape_, loss, settings(), step_, factor);
    game_.maker_stepped();
    if (ema_) ema_->update(maker_.module());

    ++step_;
    batches_ += config_.critic_turns;
    remember(pleased.loss, judged.loss);
    const double took = now() - began;
    seconds_ += took;
    seconds_a_step_ = seconds_a_step_ == 0 ? took : 0.95 * seconds_a_step_ + 0.05 * took;
    tell(pleased, judged, factor);
    return progress_;
  }

  /// Rounds until all are done, the observer says stop, or `interrupted()` is true; checkpoints meanwhile and at the
  /// end. The observer is called with a RoundProgress after each; it returns nothing, or an enum with a value `stop`.
  template <class Data, class Watch, class Interrupted>
  TrainEnd run(Data&& data, Watch&& watch, Interrupted&& interrupted) {
    TrainEnd end = TrainEnd::finished;
    saved_at_ = now();
    while (end == TrainEnd::finished && step_ < settings().steps) {
      if (interrupted()) {
        end = TrainEnd::interrupted;
        break;
      }
      step(data);
      if (folder_ && due()) {
        save();
        progress_.saved = true;
      }
      using Answer = decltype(watch(static_cast<const RoundProgress&>(progress_)));
      if constexpr (std::is_void_v<Answer>)
        watch(static_cast<const RoundProgress&>(progress_));
      else if (watch(static_cast<const RoundProgress&>(progress_)) == Answer::stop)
        end = TrainEnd::stopped;
    }
    if (folder_ && saved_step_ != step_) save();
    return end;
  }

  /// Writes a checkpoint of this moment; returns its path. Throws number_error rather than keep weights that are not
  /// finite.
  std::string save() {
    if (!folder_) throw argument_error("train: no folder to save checkpoints in; set TrainConfig::checkpoint");
    const std::string where = "train: step " + std::to_string(step_) + ": ";
    maker_.check_weights(where + "maker: ");
    critic_.check_weights(where + "critic: ");
    Safetensors file;
    file.metadata = {{"format", format},
                     {"step", std::to_string(step_)},
                     {"batches", std::to_string(batches_)},
                     {"noise", to_hex(noise_.key())},
                     {"schedule", describe(settings().schedule)},
                     {"critic_turns", std::to_string(config_.critic_turns)},
                     {"milliseconds", std::to_string(static_cast<long long>(seconds_ * 1000))}};
    for (const auto& [key, text] : settings().extras) file.metadata["user." + key] = text;
    maker_.save(file);
    critic_.save(file);
    if (ema_) put(file, *ema_);
    file.put("history.maker", line(maker_history_));
    file.put("history.critic", line(critic_history_));
    std::string path = folder_->write(step_, std::move(file));
    saved_step_ = step_;
    saved_at_ = now();
    return path;
  }

  Index steps_done() const { return step_; }
  const RoundProgress& progress() const { return progress_; }
  /// The maker's averaged weights, or nullptr when ema_decay is 0.
  const Maker* average() const { return ema_ ? &ema_->average() : nullptr; }
  /// The losses of every round so far.
  Tensor<float> maker_history() const { return line(maker_history_); }
  Tensor<float> critic_history() const { return line(critic_history_); }
  double seconds() const { return seconds_; }
  const TrainConfig& config() const { return config_.run; }
  std::map<std::string, std::string>& extras() { return config_.run.extras; }

 private:
  static constexpr const char* format = "tessera alternating checkpoint 1";
  static constexpr double smoothing = 0.99;

  const TrainConfig& settings() const { return config_.run; }
  static double now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  static Tensor<float> line(const std::vector<float>& v) {
    return Tensor<float>::from(Shape{static_cast<Index>(v.size())}, v);
  }
  bool due() const {
    return (settings().checkpoint_every > 0 && step_ % settings().checkpoint_every == 0) ||
           now() - saved_at_ >= settings().checkpoint_seconds;
  }
  void remember(double maker, double critic) {
    const double share = maker_history_.empty() ? 1 : 1 - smoothing;
    maker_smooth_ += share * (maker - maker_smooth_);
    critic_smooth_ += share * (critic - critic_smooth_);
    maker_history_.push_back(static_cast<float>(maker));
    critic_history_.push_back(static_cast<float>(critic));
  }
  void tell(const Turn& pleased, const Turn& judged, double factor) {
    RoundProgress p;
    p.step = step_;
    p.steps = settings().steps;
    p.loss = pleased.loss;
    p.smoothed = maker_smooth_;
    p.gradient_norm = pleased.gradient_norm;
    p.rate = factor * config_.maker.rate;
    p.steps_per_second = seconds_a_step_ > 0 ? 1 / seconds_a_step_ : 0;
    p.items_per_second = static_cast<double>(settings().items) * p.steps_per_second;
    p.seconds = seconds_;
    p.seconds_left = static_cast<double>(settings().steps - step_) * seconds_a_step_;
    p.critic_loss = judged.loss;
    p.critic_smoothed = critic_smooth_;
    p.critic_norm = judged.gradient_norm;
    progress_ = p;
  }
  void restore(const Safetensors& file, std::vector<std::string>& notes) {
    const auto text = [&](const std::string& key) {
      const auto at = file.metadata.find(key);
      return at == file.metadata.end() ? std::string() : at->second;
    };
    if (text("format") != format) throw_io(file.source(), "format", quoted(format), quoted(text("format")));
    const Index step = detail::metadata_number(file, "step"), batches = detail::metadata_number(file, "batches");
    const double seconds = static_cast<double>(detail::metadata_number(file, "milliseconds")) / 1000;
    const Tensor<float> made = file.get<float>("history.maker"), judged = file.get<float>("history.critic");
    for (const Tensor<float>& h : {made, judged}) {
      if (h.rank() != 1 || h.size() != step)
        throw_io(file.source(), "history", "[" + std::to_string(step) + "], a loss for each round",
                 h.shape().to_string());
    }
    const auto compare = [&](const std::string& what, const std::string& was, const std::string& is) {
      if (was != is) notes.push_back(what + " was " + quoted(was, 300) + ", is now " + quoted(is, 300));
    };
    compare("the maker's optimizer", text("optimizer_maker"), describe(maker_.optimizer().config()));
    compare("the critic's optimizer", text("optimizer_critic"), describe(critic_.optimizer().config()));
    compare("schedule", text("schedule"), describe(settings().schedule));
    compare("critic_turns", text("critic_turns"), std::to_string(config_.critic_turns));
    compare("noise key", text("noise"), to_hex(noise_.key()));
    auto maker = maker_.read(file);
    auto critic = critic_.read(file);
    std::optional<Ema<Maker>> ema;
    const bool had_ema = file.metadata.contains("ema.updates");
    if (ema_) ema.emplace(maker.module, settings().ema_decay);
    if (ema_ && had_ema) get(file, *ema);
    if (ema_ && !had_ema) notes.push_back("the checkpoint has no moving average: it starts from the weights");
    if (!ema_ && had_ema) notes.push_back("the checkpoint's moving average is dropped, as ema_decay is 0");
    for (const auto* names : {&maker.not_finite, &critic.not_finite}) {
      for (const std::string& name : *names) notes.push_back("tensor " + quoted(name) + " holds a NaN or an infinity");
    }
    // From here on nothing throws but for want of memory.
    maker_.take(std::move(maker));
    critic_.take(std::move(critic));
    if (ema) ema_.emplace(std::move(*ema));
    step_ = saved_step_ = step;
    batches_ = batches;
    seconds_ = seconds;
    maker_history_.clear();
    critic_history_.clear();
    for (Index i = 0; i < step; ++i) remember(static_cast<double>(made[i]), static_cast<double>(judged[i]));
    config_.run.extras.clear();
    for (const auto& [key, value] : file.metadata) {
      if (key.starts_with("user.")) config_.run.extras[key.substr(5)] = value;
    }
  }

  Game& game_;
  AlternatingConfig config_;
  Player<Maker, T> maker_;
  Player<Critic, T> critic_;
  Noise noise_;
  std::optional<Ema<Maker>> ema_;
  std::optional<CheckpointFolder> folder_;
  Tape<Tensor<T>> maker_tape_, critic_tape_;
  Index step_ = 0, batches_ = 0, saved_step_ = 0;
  std::vector<float> maker_history_, critic_history_;
  double maker_smooth_ = 0, critic_smooth_ = 0, seconds_ = 0, seconds_a_step_ = 0, saved_at_ = 0;
  RoundProgress progress_;
};

/// What alternating training leaves beside the two trained modules.
template <class Maker>
struct AlternatingResult {
  TrainEnd end = TrainEnd::finished;
  Index step = 0;
  Tensor<float> maker_history, critic_history;  // losses of every round
  std::optional<Maker> average;                 // the maker's averaged weights, with ema_decay
  Resumed resumed;
};

/// All of it in one call.
template <class Game, class Data, class Watch, class Interrupted>
requires requires(Game& game) { game.maker(), game.critic(); }
auto train(Game&& game, Data&& data, AlternatingConfig config, Watch&& watch, Interrupted&& interrupted) {
  AlternatingTrainer<std::remove_cvref_t<Game>> trainer(game, std::move(config));
  using Maker = typename AlternatingTrainer<std::remove_cvref_t<Game>>::Maker;
  Resumed resumed = trainer.resume();
  const TrainEnd end = trainer.run(data, watch, interrupted);
  AlternatingResult<Maker> result{end, trainer.steps_done(), trainer.maker_history(), trainer.critic_history(),
                                  {},  std::move(resumed)};
  if (const Maker* average = trainer.average()) result.average.emplace(*average);
  return result;
}
template <class Game, class Data, class Watch>
requires requires(Game& game) { game.maker(), game.critic(); }
auto train(Game&& game, Data&& data, AlternatingConfig config, Watch&& watch) {
  return train(game, data, std::move(config), watch, [] { return false; });
}
template <class Game, class Data>
requires requires(Game& game) { game.maker(), game.critic(); }
auto train(Game&& game, Data&& data, AlternatingConfig config) {
  return train(game, data, std::move(config), [](const RoundProgress&) {});
}

}  // namespace tessera::inline TESSERA_ISA
