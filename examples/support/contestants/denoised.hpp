// Drawing by a model of velocities on straight paths.
#pragma once

#include <tessera/diffusion/solver.hpp>
#include <tessera/generate/latent.hpp>

namespace tessera::examples {

/// From noise x [B, ...] along `stops`, from 1 to 0; `velocity(x, t)` with t [B].
template <class Velocity>
Tensor<float> denoised(Tensor<float> x, const std::vector<double>& stops, const Velocity& velocity) {
  SolverState<float> state{.x = std::move(x), .clean = {}};
  for (std::size_t i = 0; i + 1 < stops.size(); ++i)
    solve_step(Solver::multistep, Path::straight, state, stops[i], stops[i + 1],
               [&](const Tensor<float>& at, const PathPoint& p) {
                 const Tensor<float> v = velocity(at, Tensor<float>(Shape{at.extent(0)}, static_cast<float>(p.t)));
                 return clamp(clean_from(Prediction::velocity, v, at, p), -1.f, 1.f);
               });
  return state.x;
}

}  // namespace tessera::examples
