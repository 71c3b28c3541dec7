// One side of alternating training: a module, its optimizer, and the taking of one turn.
//
// A turn is: loss, gradients, the check that all of it is finite, clipping, a step of the optimizer. What was learned
// before a turn that fails is as it was: the error names the tensor, and nothing of this player has changed.
#pragma once

#include <tessera/train/config.hpp>
#include <tessera/train/state.hpp>

namespace tessera::inline TESSERA_ISA {

/// What one turn came to.
struct Turn {
  double loss = 0, gradient_norm = 0;  // the norm before clipping
};

template <Module M, class T>
class Player {
 public:
  /// The module must outlive the player and stay where it is. `name` is how errors call it.
  Player(M& module, OptimizerConfig optimizer, std::string name)
      : module_(module), optimizer_(optimizer), name_(std::move(name)) {}
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  /// Unwinds the tape from `loss` and takes a step at `factor` times the optimizer's rate. The tape ends cleared,
  /// whatever happens. Throws number_error, with nothing of the module changed.
  Turn learn(Tape<Tensor<T>>& tape, const Var<Tensor<T>>& loss, const TrainConfig& config, Index step, double factor) {
    struct Clean {
      Tape<Tensor<T>>& tape;
      Gradients<T>& gradients;
      ~Clean() {
        tape.clear();
        gradients.clear();
      }
    } clean{tape, gradients_};
    Turn turn{.loss = static_cast<double>(loss.value().item())};
    const std::string where = "train: step " + std::to_string(step) + ": " + name_ + ": ";
    if (!std::isfinite(turn.loss)) explain(tape, loss, where, turn.loss);
    tape.backward(loss);
    gradients_.add(module_, tape);
    tape.clear();  // gives the weights' buffers back, so that the optimizer need not copy them
    if (config.clip_value > 0) gradients_.clip_value(config.clip_value);
    turn.gradient_norm = gradients_.norm();
    if (!std::isfinite(turn.gradient_norm)) {
      check_gradients(where);
      throw number_error(
          where + "the gradients are finite but their norm overflows; lower the learning rate or scale the loss");
    }
    const double scale =
        config.clip_norm > 0 && turn.gradient_norm > config.clip_norm ? config.clip_norm / turn.gradient_norm : 1;
    optimizer_.step(module_, gradients_, factor, scale);
    return turn;
  }

  /// Throws number_error that names the first tensor with a NaN or an infinity.
  void check_weights(const std::string& where) const { detail::check_weights(module_, where); }

  M& module() { return module_; }
  const M& module() const { return module_; }
  const std::string& name() const { return name_; }
  const Optimizer<T>& optimizer() const { return optimizer_; }

  void save(Safetensors& file) const {
    put(file, module_, name_);
    put(file, optimizer_, module_, "optimizer_" + name_);
  }
  /// What save() added, read but not yet taken: so that a file with one bad part changes nothing.
  struct State {
    M module;
    Optimizer<T> optimizer;
    std::vector<std::string> not_finite;
  };
  /// Throws io_error.
  State read(const Safetensors& file) const {
    State state{module_, Optimizer<T>(optimizer_.config()), {}};
    get(file, state.optimizer, module_, "optimizer_" + name_);
    state.not_finite = get(file, state.module, name_);
    return state;
  }
  void take(State state) {
    module_ = std::move(state.module);
    optimizer_ = std::move(state.optimizer);
  }

 private:
  void check_gradients(const std::string& where) const {
    try {
      gradients_.check_finite(module_);
    } catch (const number_error& e) { throw number_error(where + e.what()); }
  }
  /// The loss is not finite: says where that began.
  [[noreturn]] void explain(Tape<Tensor<T>>& tape, const Var<Tensor<T>>& loss, const std::string& where, double x) {
    check_weights(where);
    const std::string seen = where + "the loss is " + std::to_string(x) + "; all weights are finite; ";
    if (loss.needs_gradient()) {
      tape.backward(loss);
      gradients_.add(module_, tape);
      check_gradients(seen);
    }
    throw number_error(seen + "look at the data, at what the other side made, and at the loss itself");
  }

  M& module_;
  Optimizer<T> optimizer_;
  std::string name_;
  Gradients<T> gradients_;
};

}  // namespace tessera::inline TESSERA_ISA
