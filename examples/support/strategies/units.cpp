// The strategies that choose among values: autoregressive, independent, and independent taught by the autoregressive.
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/generate/sequence.hpp>
#include <tessera/nonautoregressive/independent.hpp>
#include <tessera/train/loop.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

namespace {

/// What has come before each unit of y [B, n]: `start`, then all units but the last.
Tensor<std::int32_t> before_each(const Tensor<std::int32_t>& y, std::int32_t start) {
  Tensor<std::int32_t> x(y.shape());
  std::int32_t* to = x.data();
  for (Index i = 0; i < y.size(); ++i) to[i] = i % y.cols() == 0 ? start : y[i - 1];
  return x;
}

/// Units of `values` and one that begins every sequence.
Gpt<float> learn_gpt(const StrategyTask& task) {
  const ModalForm f = form_of(task.set);
  Rng rng(task.seed);
  Gpt<float> net({.vocabulary = f.values + 1, .context = f.units, .layers = 2, .heads = 2, .width = 32}, rng);
  const bool long_ones = f.units > 8;
  const Index batch = long_ones ? 32 : 512, steps = task.steps(long_ones ? 900 : 1500);
  train(
      net,
      [&](auto& tape, const auto& n, const TrainStep& at) {
        const Tensor<std::int32_t> y = to_units(task.set, modal_points(task.set, batch, at.noise));
        return cross_entropy(n(tape.ids(before_each(y, static_cast<std::int32_t>(f.values)))), y);
      },
      adam(5e-3),
      {.steps = steps, .clip_norm = 1, .schedule = {.decay = Decay::cosine, .warmup = steps / 20}, .seed = task.seed});
  return net;
}

Tensor<std::int32_t> draw_units(const Gpt<float>& net, const StrategyTask& task, Index count, double temperature) {
  const ModalForm f = form_of(task.set);
  const auto start = static_cast<std::int32_t>(f.values);
  const GptDecoder decoder(net);
  std::vector<Tensor<std::int32_t>> parts;
  constexpr Index together = 250;  // caches of so many sequences at a time
  for (Index at = 0; at < count; at += together) {
    const Index n = at + together < count ? together : count - at;
    const std::vector<std::vector<std::int32_t>> starts(static_cast<std::size_t>(n), {start});
    std::vector<Noise> noises;
    for (Index i = 0; i < n; ++i) noises.push_back(Noise{task.seed}.fork(5).fork(static_cast<std::uint64_t>(at + i)));
    SequenceRun<GptDecoder> run(decoder, starts, noises,
                                {.length = f.units, .choice = {.temperature = temperature, .banned = {start}}});
    parts.push_back(run.finish());
  }
  return concat(std::span<const Tensor<std::int32_t>>(parts), 0);
}

/// Learns from units(count, noise) [count, units].
template <class Units>
Drawn draw_apart(const StrategyTask& task, const Units& units) {
  const ModalForm f = form_of(task.set);
  Rng rng(task.seed);
  Independent<float> net({.item = {f.units}, .values = f.values, .context = 4, .hidden = {16}},
                         ClassReader<float>({.classes = 1, .width = 4}, rng), rng);  // one condition for all
  constexpr Index batch = 256;
  const Tensor<std::int32_t> condition(Shape{batch}, 0);
  train(net,
        [&](auto& tape, const auto& n, const TrainStep& at) {
          return independent_loss(n, tape.ids(condition), units(batch, at.noise));
        },
        adam(2e-2), {.steps = task.steps(400), .schedule = {.decay = Decay::cosine}, .seed = task.seed});
  const Noise noise = Noise{task.seed}.fork(5);
  const Tensor<std::int32_t> drawn =
      net.begin(Tensor<std::int32_t>(Shape{task.count}, 0), forks(noise, task.count)).finish();
  return {to_points(task.set, drawn, noise), 1};
}

}  // namespace

Drawn draw_autoregressive(const StrategyTask& task) {
  const Gpt<float> net = learn_gpt(task);
  return {to_points(task.set, draw_units(net, task, task.count, 1), Noise{task.seed}.fork(6)), form_of(task.set).units};
}

Drawn draw_independent(const StrategyTask& task) {
  return draw_apart(
      task, [&](Index count, const Noise& noise) { return to_units(task.set, modal_points(task.set, count, noise)); });
}

Drawn draw_distilled(const StrategyTask& task) {
  const Tensor<std::int32_t> best =
      draw_units(learn_gpt(task), task, 1, 0);  // [1, units]: one answer for one condition
  return draw_apart(task, [&](Index count, const Noise&) {
    Tensor<std::int32_t> all(best.shape().with(0, count));
    std::int32_t* to = all.data();
    for (Index i = 0; i < all.size(); ++i) to[i] = best[i % best.size()];
    return all;
  });
}

}  // namespace tessera::examples
