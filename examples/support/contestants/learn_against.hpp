// Training of the contestants that have a critic.
#pragma once

#include <tessera/generate/adversarial.hpp>
#include <tessera/train/alternating.hpp>

#include "examples/support/contestants/critic.hpp"
#include "examples/support/contestants/learn.hpp"
#include "examples/support/rows.hpp"

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

/// Trains a `maker` that has learned alone on, for the rest of the contest's time: against a new critic, beside the
/// loss of its own that `pass` has. `numbers(bytes, noise)` makes pictures such as both take; `alone`: the share that
/// is over.
template <class Maker, class Numbers, class OnePass>
Maker sharpened(Maker maker, const Contest& contest, Index batch, double alone, const Numbers& numbers,
                const AdversarialOptions& options, const OnePass& pass, Index& rounds) {
  const std::uint64_t seed = contest.seed + 1;
  Rng rng(seed);
  EpochSampler batches(contest.train.extent(0), batch, seed);
  const auto data = [&](const TrainStep& at) {
    const Tensor<Index> items = batches(at.batch);
    return Examples<float>{numbers(rows_of(contest.train, items), at.noise),
                           contest.conditions_of(items, at.noise.fork(3))};
  };
  const auto game_of = [&](Maker& m, PictureCritic& c) { return adversarial(m, c, options, pass); };
  return learned_against(std::move(maker), new_critic(contest, rng), contest, game_of, data, rounds, {}, 1 - alone);
}

}  // namespace tessera::examples
