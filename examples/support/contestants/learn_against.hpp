// Training of the contestants that have a critic.
#pragma once

#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>

#include "examples/support/contestants/learn.hpp"
#include "examples/support/gan_models.hpp"

namespace tessera::examples {

struct Rates {
  double maker = 5e-4, critic = 5e-4;
};

/// Trains `maker` against `critic` for a share of the contest's time; `game_of(maker, critic)` is what adversarial()
/// makes of them. Hands over the averaged weights of the maker; `rounds`: how many it were.
template <class Maker, class Critic, class Game, class Data>
Maker learned_against(Maker maker, Critic critic, const Contest& contest, const Game& game_of, const Data& data,
                      Index& rounds, Rates rates = {}, double share = 1) {
  const auto play = [&](Maker& m, Critic& c, Index n) {
    auto game = game_of(m, c);
    return train(game, data,
                 {.maker = gan_adam(rates.maker),
                  .critic = gan_adam(rates.critic),
                  .run = {.steps = n,
                          .ema_decay = 0.999,
                          .schedule = {.decay = Decay::linear, .hold = n / 2},
                          .seed = contest.seed}});
  };
  rounds = steps_within(share * contest.seconds, [&](Index n) {
    Maker m = maker;
    Critic c = critic;
    play(m, c, n);
  });
  return std::move(*play(maker, critic, rounds).average);
}

}  // namespace tessera::examples
