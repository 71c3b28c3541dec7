// As many normals as there are modes, by expectation and maximisation.
#include <tessera/nonautoregressive/gaussian_mixture.hpp>

#include "examples/support/strategy.hpp"

namespace tessera::examples {

Drawn draw_mixture(const StrategyTask& task) {
  const Index modes = score_modal(task.set, modal_points(task.set, 1, Noise{0}), Noise{0}).modes.modes;
  const Tensor<float> data = modal_points(task.set, is_discrete(task.set) ? 1000 : 10000, Noise{task.seed}.fork(1));
  const GaussianMixture mixture(data, {.components = modes}, Noise{task.seed});
  return {mixture.sample(forks(Noise{task.seed}.fork(5), task.count)), 1};
}

}  // namespace tessera::examples
