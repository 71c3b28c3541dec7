// Ways of generating, each a family of the library at its smallest: learns a set of known modes (support/modal_set.hpp)
// and draws from what it has learned. One file a way, support/strategies/.
#pragma once

#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/modal_set.hpp"

namespace tessera::examples {

struct StrategyTask {
  Modal set = Modal::sentence;
  double effort = 1;   // times the usual number of training steps
  Index count = 4000;  // objects to draw
  std::uint64_t seed = 1;

  Index steps(Index usual) const {
    const auto n = static_cast<Index>(effort * static_cast<double>(usual));
    return n < 2 ? 2 : n;
  }
};

struct Drawn {
  Tensor<float> points;  // [count, numbers]
  Index passes = 1;      // of the network, for one object
};

struct Strategy {
  std::string name;
  Drawn (*draw)(const StrategyTask& task);
};

/// p(x) = prod p(x_i | x_<i): a GPT over the units.
Drawn draw_autoregressive(const StrategyTask& task);
/// prod p(x_i): every unit's distribution at once.
Drawn draw_independent(const StrategyTask& task);
/// The same, taught by the autoregressive model's most likely object in place of the data.
Drawn draw_distilled(const StrategyTask& task);
/// Units independent given a latent that they share: a VAE.
Drawn draw_latent(const StrategyTask& task);
/// An invertible map of normal noise.
Drawn draw_flow(const StrategyTask& task);
/// Noise made into an object in many small steps: flow matching.
Drawn draw_diffusion(const StrategyTask& task);
/// A map of noise that a critic has shaped.
Drawn draw_gan(const StrategyTask& task);
/// As many normals as there are modes.
Drawn draw_mixture(const StrategyTask& task);

/// All of them, in the order of the table.
std::vector<Strategy> strategies();

}  // namespace tessera::examples
