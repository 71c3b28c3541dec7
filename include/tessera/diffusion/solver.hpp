// Solvers of the probability-flow ODE: from x at time t to x at the earlier time s, given denoise(x, t) -> estimate of x_0.
//
//   euler     the first-order step, which is DDIM (Song et al., 2020, arXiv 2010.02502): keep the estimates of x_0 and e and move to s.
//   heun      second order, two estimates a step (Karras et al., 2022, arXiv 2206.00364, Algorithm 1 without churn)
//   multistep second order, one estimate a step: DPM-Solver++(2M) (Lu et al., 2022, arXiv 2211.01095)
// A solver's memory is a value (`SolverState`), so that a run can be copied in the middle.
#pragma once

#include <tessera/diffusion/schedule.hpp>

namespace tessera::inline TESSERA_ISA {

enum class Solver { euler, heun, multistep };

template <std::floating_point T>
struct SolverState {
  Tensor<T> x;           // where the run is
  Tensor<T> clean;       // its last estimate of x_0: the preview
  double last_step = 0;  // size of the step before in log(alpha / sigma); 0: there was none
};

namespace detail {
/// a x + b y
template <std::floating_point T>
Tensor<T> combine(double a, const Tensor<T>& x, double b, const Tensor<T>& y) {
  using P = kernel::Pack<T>;
  const T ta = static_cast<T>(a), tb = static_cast<T>(b);
  return zip("solver", x, y, [ta, tb](P u, P v) { return fma(P(ta), u, P(tb) * v); });
}
inline double log_ratio(const PathPoint& p) { return std::log(p.alpha / p.sigma); }
/// The first-order step from p to q with a given estimate of x_0.
template <std::floating_point T>
Tensor<T> move(const PathPoint& p, const PathPoint& q, const Tensor<T>& x, const Tensor<T>& clean) {
  // x_q = alpha_q x_0 + sigma_q e, e = (x_p - alpha_p x_0) / sigma_p
  const double r = q.sigma / p.sigma;
  return combine(r, x, q.alpha - r * p.alpha, clean);
}
}  // namespace detail

/// Advances `state` from time t to s < t. denoise(x, point) -> x_0.
template <std::floating_point T, class Denoise>
void solve_step(Solver solver, Path path, SolverState<T>& state, double t, double s, const Denoise& denoise) {
  const PathPoint p = point_at(path, t), q = point_at(path, s);
  const Tensor<T> clean = denoise(state.x, p);
  if (solver == Solver::heun && q.sigma > 0 && p.alpha > 1e-9) {
    // Trapezoid in t of the velocity v = alpha' x_0 + sigma' e.
    const auto velocity = [](const PathPoint& at, const Tensor<T>& x, const Tensor<T>& x0) {
      const double e = at.sigma_rate / at.sigma;
      return detail::combine(e, x, at.alpha_rate - e * at.alpha, x0);
    };
    const Tensor<T> v = velocity(p, state.x, clean);
    const Tensor<T> guess = detail::combine(1, state.x, s - t, v);
    const Tensor<T> clean_there = denoise(guess, q);
    const Tensor<T> both = detail::combine(0.5, v, 0.5, velocity(q, guess, clean_there));
    state.x = detail::combine(1, state.x, s - t, both);
    state.clean = clean_there;
    return;
  }
  const bool finite_step = p.alpha > 1e-9 && q.sigma > 0;
  const double h = finite_step ? detail::log_ratio(q) - detail::log_ratio(p) : 0;
  if (solver == Solver::multistep && state.last_step > 0 && h > 0) {
    const double c = h / (2 * state.last_step);  // extrapolate x_0 linearly in log(alpha / sigma)
    const Tensor<T> ahead = detail::combine(1 + c, clean, -c, state.clean);
    state.x = detail::move(p, q, state.x, ahead);
  } else {
    state.x = detail::move(p, q, state.x, clean);
  }
  state.clean = clean;
  state.last_step = h;
}

}  // namespace tessera::inline TESSERA_ISA
