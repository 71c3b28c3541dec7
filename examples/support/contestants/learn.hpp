// What the contestants share: training for the contest's time, and pictures as units of a few levels.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/budget.hpp"
#include "examples/support/contestant.hpp"

namespace tessera::examples {

/// Trains `net` for a share of the contest's time: the rate rises over the first twentieth and falls along a cosine.
/// Hands over the averaged weights; `steps`: how many it were.
template <class Net, class Loss>
Net learned(Net net, const Contest& contest, const Loss& loss, const OptimizerConfig& optimizer, Index& steps,
            double share = 1) {
  steps = steps_within(share * contest.seconds, [&](Index n) {
    Net copy = net;
    train(copy, loss, optimizer, {.steps = n, .clip_norm = 100});
  });
  auto result = train(net, loss, optimizer,
                      {.steps = steps,
                       .clip_norm = 100,
                       .ema_decay = 0.998,
                       .schedule = {.decay = Decay::cosine, .warmup = 1 + steps / 20},
                       .seed = contest.seed});
  return std::move(*result.average);
}

/// [H, W, C] of pictures [N, H, W, C].
inline Shape picture_shape(const Contest& c) { return c.train.shape().without(0); }

/// Bits a number of pictures [N, ...] from nats a picture.
inline double bits_a_number(double nats, const Captioned& tested) {
  const auto numbers = static_cast<double>(tested.pictures.size() / tested.pictures.extent(0));
  return nats / (numbers * 0.69314718055994530942);
}

/// Bytes as the nearest of the levels 0 ... top.
inline Tensor<std::int32_t> as_units(const Tensor<std::uint8_t>& pictures, std::int32_t top) {
  Tensor<std::int32_t> units(pictures.shape());
  std::int32_t* to = units.data();
  for (Index i = 0; i < units.size(); ++i) to[i] = (pictures[i] * top + 127) / 255;
  return units;
}
/// Levels of 0 ... top as numbers in [-1, 1].
inline Tensor<float> pictures_of_levels(const Tensor<std::int32_t>& levels, std::int32_t top) {
  Tensor<float> x(levels.shape());
  float* to = x.data();
  for (Index i = 0; i < levels.size(); ++i) to[i] = 2 * static_cast<float>(levels[i]) / static_cast<float>(top) - 1;
  return x;
}

}  // namespace tessera::examples
