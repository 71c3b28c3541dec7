// Alternating training: two modules that learn by turns, each with an optimizer of its own. A round is `critic_turns`
// turns of the critic, then one of the maker. What they play is a Game:
//
//   game.maker(), game.critic()           the two modules
//   game.make(tape, batch, noise)         what the maker makes from a batch, recorded on the maker's tape
//   game.judge(tape, made, noise, step)   the critic's loss over what was made (as constants), on the critic's tape
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

#include <tessera/train/course.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/player.hpp>

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
        course_(std::move(config.run)),
        critic_turns_(config.critic_turns),
        maker_(game.maker(), config.maker, "maker"),
        critic_(game.critic(), config.critic, "critic") {
    if (critic_turns_ < 1)
      throw argument_error("train: critic_turns is " + std::to_string(critic_turns_) + ", wanted 1 or more");
    if (this->config().accumulate != 1)
      throw argument_error(
          "train: alternating training takes whole batches; set accumulate to 1, and make batches larger");
    if (this->config().ema_decay != 0) ema_.emplace(maker_.module(), this->config().ema_decay);
  }
  AlternatingTrainer(const AlternatingTrainer&) = delete;
  AlternatingTrainer& operator=(const AlternatingTrainer&) = delete;

  /// Goes on from the newest whole checkpoint of the folder, if there is one. Throws io_error and changes nothing when
  /// that is one of other modules, when only broken ones are there, or when any is there and the configuration says not
  /// to resume.
  Resumed resume() {
    return course_.resume([this](const Safetensors& file, std::vector<std::string>& notes) { restore(file, notes); });
  }

  /// One round. `data(TrainStep)` gives the batch of every critic's turn. Throws number_error that names the tensor;
  /// the player whose turn it was has not changed, and the checkpoints on the disk stay.
  template <class Data>
  const RoundProgress& step(Data&& data) {
    const double began = Course::now();
    const double factor = config().schedule(course_.step);
    struct Clean {
      Tape<Tensor<T>>& a;
      Tape<Tensor<T>>& b;
      ~Clean() {
        a.clear();
        b.clear();
      }
    } clean{maker_tape_, critic_tape_};
    using Made = decltype(game_.make(maker_tape_, data(std::declval<const TrainStep&>()), course_.noise));
    const Noise noise = course_.noise.fork(static_cast<std::uint64_t>(course_.step));
    std::optional<Made> made;
    Turn judged;
    for (Index turn = 0; turn < critic_turns_; ++turn) {
      const TrainStep at{course_.step, turn, course_.batches + turn, noise.fork(static_cast<std::uint64_t>(turn))};
      made.reset();
      maker_tape_.clear();
      made.emplace(game_.make(maker_tape_, data(at), at.noise.fork(0)));
      judged = critic_.learn(critic_tape_, game_.judge(critic_tape_, *made, at.noise.fork(1), course_.step), config(),
                             course_.step, factor);
      game_.critic_stepped();
    }
    const Var<Tensor<T>> loss = game_.please(maker_tape_, *made, noise.fork(~std::uint64_t{0}));
    made.reset();
    const Turn pleased = maker_.learn(maker_tape_, loss, config(), course_.step, factor);
    game_.maker_stepped();
    if (ema_) ema_->update(maker_.module());

    remember(pleased.loss, judged.loss);
    course_.passed(critic_turns_, began);
    course_.tell(progress_);
    progress_.loss = pleased.loss;
    progress_.smoothed = maker_smooth_;
    progress_.gradient_norm = pleased.gradient_norm;
    progress_.rate = factor * maker_.optimizer().config().rate;
    progress_.critic_loss = judged.loss;
    progress_.critic_smoothed = critic_smooth_;
    progress_.critic_norm = judged.gradient_norm;
    return progress_;
  }

  /// Rounds until all are done, the observer says stop, or `interrupted()` is true; checkpoints meanwhile and at the
  /// end. The observer is called with a RoundProgress after each; it returns nothing, or an enum with a value `stop`.
  template <class Data, class Watch, class Interrupted>
  TrainEnd run(Data&& data, Watch&& watch, Interrupted&& interrupted) {
    return course_.run(
        progress_, [&] { step(data); }, [this] { save(); }, watch, interrupted);
  }

  /// Writes a checkpoint of this moment; returns its path. Throws number_error rather than keep weights that are not
  /// finite.
  std::string save() {
    Safetensors file = course_.file(format);
    maker_.check_weights(course_.where() + "maker: ");
    critic_.check_weights(course_.where() + "critic: ");
    file.metadata["critic_turns"] = std::to_string(critic_turns_);
    maker_.save(file);
    critic_.save(file);
    if (ema_) put(file, *ema_);
    file.put("history.maker", maker_history());
    file.put("history.critic", critic_history());
    return course_.write(std::move(file));
  }

  Index steps_done() const { return course_.step; }
  const RoundProgress& progress() const { return progress_; }
  /// The maker's averaged weights, or nullptr when ema_decay is 0.
  const Maker* average() const { return ema_ ? &ema_->average() : nullptr; }
  /// The losses of every round so far.
  Tensor<float> maker_history() const { return line(maker_history_); }
  Tensor<float> critic_history() const { return line(critic_history_); }
  double seconds() const { return course_.seconds; }
  const TrainConfig& config() const { return course_.config; }
  std::map<std::string, std::string>& extras() { return course_.config.extras; }

 private:
  static constexpr const char* format = "tessera alternating checkpoint 1";
  static constexpr double smoothing = 0.99;

  static Tensor<float> line(const std::vector<float>& v) {
    return Tensor<float>::from(Shape{static_cast<Index>(v.size())}, v);
  }
  void remember(double maker, double critic) {
    const double share = maker_history_.empty() ? 1 : 1 - smoothing;
    maker_smooth_ += share * (maker - maker_smooth_);
    critic_smooth_ += share * (critic - critic_smooth_);
    maker_history_.push_back(static_cast<float>(maker));
    critic_history_.push_back(static_cast<float>(critic));
  }
  void restore(const Safetensors& file, std::vector<std::string>& notes) {
    Course::Place place = course_.read(file, format, notes);
    const Tensor<float> made = Course::history(file, "history.maker", place.step);
    const Tensor<float> judged = Course::history(file, "history.critic", place.step);
    Course::compare(file, "optimizer_maker", describe(maker_.optimizer().config()), notes);
    Course::compare(file, "optimizer_critic", describe(critic_.optimizer().config()), notes);
    Course::compare(file, "critic_turns", std::to_string(critic_turns_), notes);
    auto maker = maker_.read(file);
    auto critic = critic_.read(file);
    std::optional<Ema<Maker>> ema = read_average(file, maker.module, config().ema_decay, notes);
    for (const auto* names : {&maker.not_finite, &critic.not_finite}) {
      for (const std::string& name : *names) notes.push_back("tensor " + quoted(name) + " holds a NaN or an infinity");
    }
    // From here on nothing throws but for want of memory.
    maker_.take(std::move(maker));
    critic_.take(std::move(critic));
    if (ema_) ema_.emplace(ema ? std::move(*ema) : Ema<Maker>(maker_.module(), config().ema_decay));
    course_.take(std::move(place));
    maker_history_.clear();
    critic_history_.clear();
    for (Index i = 0; i < made.size(); ++i) remember(static_cast<double>(made[i]), static_cast<double>(judged[i]));
  }

  Game& game_;
  Course course_;
  Index critic_turns_;
  Player<Maker, T> maker_;
  Player<Critic, T> critic_;
  std::optional<Ema<Maker>> ema_;
  Tape<Tensor<T>> maker_tape_, critic_tape_;
  std::vector<float> maker_history_, critic_history_;
  double maker_smooth_ = 0, critic_smooth_ = 0;
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
