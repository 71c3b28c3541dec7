// What the contestants share: training for the contest's time, and batches of its pictures.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/budget.hpp"
#include "examples/support/contestant.hpp"

namespace tessera::examples {

/// Trains `net` for the contest's time: the rate rises over the first twentieth and falls along a cosine. Hands over
/// the averaged weights; `steps`: how many it were.
template <class Net, class Loss>
Net learned(Net net, const Contest& contest, const Loss& loss, const OptimizerConfig& optimizer, Index& steps) {
  steps = steps_within(contest.seconds, [&](Index n) {
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

/// The test pictures that a likelihood is taken over, and their labels.
struct Tested {
  Tensor<std::uint8_t> pictures;
  Tensor<std::int32_t> labels;

  explicit Tested(const Contest& c)
      : pictures(slice(c.test.pictures, 0, 0, c.tested)), labels(slice(c.test.labels, 0, 0, c.tested)) {}
};

/// Bits a pixel of pictures of 28 x 28 from nats a picture.
inline double bits_a_pixel(double nats) { return nats / (28 * 28 * 0.69314718055994530942); }

/// Bytes [N, 784] or levels of 0 ... top as pictures in [-1, 1].
inline Tensor<float> pictures_of_levels(const Tensor<std::int32_t>& levels, std::int32_t top) {
  Tensor<float> x(Shape{levels.extent(0), 28, 28, 1});
  float* to = x.data();
  for (Index i = 0; i < levels.size(); ++i) to[i] = 2 * static_cast<float>(levels[i]) / static_cast<float>(top) - 1;
  return x;
}

}  // namespace tessera::examples
