// Noise made into an object in many small steps: flow matching with a small dense network.
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/sin.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/solver.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/positions.hpp>
#include <tessera/train/loop.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

namespace {

/// Coordinates alone make a dense network smooth over what is close by; waves of them let it tell places apart (Tancik
/// et al., 2020, arXiv 2006.10739).
template <Value X>
X with_waves(const X& x) {
  std::vector<X> parts = {x};
  for (const float frequency : {1.f, 2.f, 4.f, 8.f, 16.f}) {
    parts.push_back(sin(x * frequency));
    parts.push_back(cos(x * frequency));
  }
  return concat(std::span<const X>(parts), 1);
}

/// x [B, numbers] at times t [B] -> velocity.
struct PointDenoiser {
  static constexpr Index time_features = 32, width = 128;
  Linear<float> first, time, middle, last;
  bool waves;

  PointDenoiser(Index numbers, bool with_waves, Rng& rng)
      : first({.in = numbers * (with_waves ? 11 : 1), .out = width}, rng),
        time({.in = time_features, .out = width}, rng),
        middle({.in = width, .out = width}, rng),
        last({.in = width, .out = numbers}, rng),
        waves(with_waves) {}

  template <Value X>
  X operator()(const X& x, const Tensor<float>& t) const {
    const X when = time(lift(x, sinusoids(t * 100.f, time_features)));
    const X h = silu(first(waves ? with_waves(x) : x) + when);
    return last(silu(middle(h) + when));
  }
  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("time", self.time);
    see("middle", self.middle);
    see("last", self.last);
  }
};

}  // namespace

Drawn draw_diffusion(const StrategyTask& task) {
  constexpr Index steps = 40;
  const ModalForm f = form_of(task.set);
  const float scale = is_discrete(task.set) ? 1.f : 2.f;  // to about the deviation of the noise
  Rng rng(task.seed);
  PointDenoiser net(f.numbers, !is_discrete(task.set), rng);
  const auto result = train(net,
                            [&](auto& tape, const auto& n, const TrainStep& at) {
                              const Tensor<float> clean = modal_points(task.set, 256, at.noise.fork(0)) * scale;
                              const auto b = flow_matching_batch(clean, at.noise.fork(1));
                              return mse(n(tape.constant(b.x), b.t), b.velocity);
                            },
                            adam(3e-3),
                            {.steps = task.steps(is_discrete(task.set) ? 1500 : 5000),
                             .ema_decay = 0.995,
                             .schedule = {.decay = Decay::cosine},
                             .seed = task.seed});
  const PointDenoiser& best = *result.average;
  SolverState<float> state{.x = Noise{task.seed}.fork(5).normal<float>({task.count, f.numbers}), .clean = {}};
  const std::vector<double> stops = times(steps);
  for (std::size_t i = 0; i + 1 < stops.size(); ++i)
    solve_step(Solver::heun, Path::straight, state, stops[i], stops[i + 1],
               [&](const Tensor<float>& x, const PathPoint& p) {
                 const Tensor<float> v = best(x, Tensor<float>(Shape{x.extent(0)}, static_cast<float>(p.t)));
                 return clean_from(Prediction::velocity, v, x, p);
               });
  return {state.x * (1 / scale), 2 * (steps - 1)};  // the first and the last step look once
}

}  // namespace tessera::examples
