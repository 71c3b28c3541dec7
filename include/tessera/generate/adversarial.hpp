// adversarial(model, critic, options): any model with a `decode`, trained against a critic as well. One implementation
// for plain GANs and for what comes of putting a critic on a VAE, a flow or a few-step denoiser.
//
// What a model does in one pass of training is a callable, `pass(tape, model, examples, noise, seen) -> Pass`: the
// objects it made, on the tape, and its own loss, if it has one. The default draws from the prior and decodes, with no
// loss of its own: a plain GAN. `FromPrior{loss}` adds a loss such as a VAE's bound or a flow's likelihood:
//
//   auto gan = adversarial(generator, critic, {.loss = AdversarialLoss::hinge});
//   auto vae_gan = adversarial(vae, critic, {.weight = 0.1},
//                              from_prior([](auto& tape, auto& vae, const auto& e, const Noise& n) { return ...; }));
//
// A model for the default pass has  prior(noise, count) -> z [count, ...]  and  decode(z, condition) -> x, or decode(z)
// when it knows no conditions; with batch norms also decode(z, condition, seen) and update(seen).
//
// The game (train/alternating.hpp) of both:
//   critic   accept(real) + reject(made) + penalties; told to match, the rejects are half made and half mismatched
//       real pairs
//   maker    own loss + weight persuade(made), the critic held constant
#pragma once

#include <tessera/generate/adversarial_loss.hpp>
#include <tessera/generate/augment.hpp>
#include <tessera/generate/collapse.hpp>
#include <tessera/generate/critic.hpp>
#include <tessera/generate/gradient_penalty.hpp>

namespace tessera::inline TESSERA_ISA {

struct AdversarialOptions {
  AdversarialLoss loss = AdversarialLoss::non_saturating;
  double weight = 1;            // of the critic's word in the maker's loss
  double r1 = 0;                // gamma of R1; 0: none
  double gradient_penalty = 0;  // lambda of the two-sided penalty; 0: none
  Index penalty_every =
      1;  // rounds between penalties, which then count so many times (Karras et al., 2020, arXiv 1912.04958)
  bool matching = false;  // show the critic real objects with conditions of others, to be rejected
  Augment augment = {};   // of pictures, before the critic sees them
};

/// What a model did in one pass.
template <class X>
struct Pass {
  X made;
  X loss = {};  // a scalar; empty: none
};

struct NoLoss {};

/// Decodes draws from the prior. `own(tape, model, examples, noise)` is the model's own loss.
template <class Own = NoLoss>
struct FromPrior {
  Own own = {};

  template <class T, class Model>
  Pass<Var<Tensor<T>>> operator()(Tape<Tensor<T>>& tape, const Model& model, const Examples<T>& examples,
                                  const Noise& noise, Seen<T>& seen) const {
    const auto z = tape.constant(model.prior(noise.fork(0), examples.real.extent(0)));
    const Condition& condition = examples.condition;
    Pass<Var<Tensor<T>>> pass;
    if constexpr (requires { model.decode(z, condition, seen); })
      pass.made = model.decode(z, condition, seen);
    else if constexpr (requires { model.decode(z, condition); })
      pass.made = model.decode(z, condition);
    else
      pass.made = model.decode(z);
    if constexpr (!std::is_same_v<Own, NoLoss>) pass.loss = own(tape, model, examples, noise.fork(1));
    return pass;
  }
};
template <class Own>
FromPrior<Own> from_prior(Own own) {
  return {std::move(own)};
}

template <class Model, class C, class OnePass>
class Adversarial {
 public:
  using Number = typename C::Number;
  using T = Number;

  /// Both modules must outlive the game. Throws argument_error for options that make no sense.
  Adversarial(Model& model, C& critic, AdversarialOptions options, OnePass pass)
      : model_(model), critic_(critic), options_(options), pass_(std::move(pass)) {
    const auto natural = [](const char* name, double x) {
      if (!(x >= 0 && x <= 1e30))
        throw argument_error(std::string("adversarial: ") + name + " is " + std::to_string(x) + ", wanted 0 or more");
    };
    natural("weight", options.weight);
    natural("r1", options.r1);
    natural("gradient_penalty", options.gradient_penalty);
    if (options.penalty_every < 1)
      throw argument_error("adversarial: penalty_every is " + std::to_string(options.penalty_every) +
                           ", wanted 1 or more; for no penalty set r1 and gradient_penalty to 0");
  }

  Model& maker() { return model_; }
  C& critic() { return critic_; }
  const AdversarialOptions& options() const { return options_; }

  /// What was made from a batch, and the batch.
  struct Made {
    Pass<Var<Tensor<T>>> pass;
    Examples<T> examples;
  };

  Made make(Tape<Tensor<T>>& tape, Examples<T> examples, const Noise& noise) {
    maker_seen_.clear();
    Made made{pass_(tape, static_cast<const Model&>(model_), examples, noise, maker_seen_), std::move(examples)};
    const Shape &is = made.pass.made.shape(), &real = made.examples.real.shape();
    if (is.rank() == 0 || is.without(0) != real.without(0))
      throw shape_error("adversarial: the model made " + is.to_string() + ", the real objects are " + real.to_string() +
                        "; a critic needs both alike");
    return made;
  }

  Var<Tensor<T>> judge(Tape<Tensor<T>>& tape, const Made& made, const Noise& noise, Index step) {
    const C& critic = critic_;
    const Condition& condition = made.examples.condition;
    critic_seen_.clear();
    real_ = made.examples.real;
    made_ = plain(made.pass.made);
    const Tensor<T> real = augment(real_, options_.augment, noise.fork(0));
    const Tensor<T> fake = augment(made_, options_.augment, noise.fork(1));
    const auto on_real = score(critic, tape.constant(real), condition, critic_seen_);
    const auto on_made = score(critic, tape.constant(fake), condition, critic_seen_);
    real_scores_ = on_real.value();
    made_scores_ = on_made.value();
    auto loss = mean(accept(options_.loss, on_real));
    auto rejected = mean(reject(options_.loss, on_made));
    if (options_.matching) {
      const auto other = mismatch<T>(condition, noise.fork(2));
      if (other.count > 0) {
        const auto each = reject(options_.loss, score(critic, tape.constant(real), other.condition, critic_seen_));
        rejected = (rejected + sum(each * other.differs) * (T(1) / static_cast<T>(other.count))) * T(0.5);
      }
    }
    loss = loss + rejected;
    if (step % options_.penalty_every == 0) {
      const double times = static_cast<double>(options_.penalty_every);
      const auto scores = [&](const auto& x) { return critic(x, condition); };
      if (options_.r1 > 0) loss = loss + r1_penalty(tape, real, scores, times * options_.r1);
      if (options_.gradient_penalty > 0)
        loss = loss +
               gradient_penalty(tape, between(real, fake, noise.fork(3)), scores, times * options_.gradient_penalty);
    }
    return loss;
  }

  Var<Tensor<T>> please(Tape<Tensor<T>>&, const Made& made, const Noise& noise) {
    const C constant = held(critic_);
    Seen<T> unused;
    const auto x = augment(made.pass.made, options_.augment, noise);
    const auto said = mean(persuade(options_.loss, score(constant, x, made.examples.condition, unused)));
    const auto weighed = options_.weight == 1 ? said : said * static_cast<T>(options_.weight);
    return made.pass.loss ? made.pass.loss + weighed : weighed;
  }

  void critic_stepped() {
    if constexpr (requires { critic_.update(critic_seen_); }) critic_.update(critic_seen_);
    power_iteration(critic_);
  }
  void maker_stepped() {
    if constexpr (requires { model_.update(maker_seen_); }) model_.update(maker_seen_);
  }

  /// Of the last turn of the critic.
  Diagnosis diagnosis() const { return diagnose(options_.loss, real_scores_, made_scores_, real_, made_); }
  /// What the maker made last.
  const Tensor<T>& last_made() const { return made_; }

 private:
  Model& model_;
  C& critic_;
  AdversarialOptions options_;
  OnePass pass_;
  Seen<T> maker_seen_, critic_seen_;
  Tensor<T> real_, made_, real_scores_, made_scores_;
};

template <Module Model, Module C, class OnePass = FromPrior<>>
Adversarial<Model, C, OnePass> adversarial(Model& model, C& critic, AdversarialOptions options, OnePass pass = {}) {
  return {model, critic, options, std::move(pass)};
}

}  // namespace tessera::inline TESSERA_ISA
