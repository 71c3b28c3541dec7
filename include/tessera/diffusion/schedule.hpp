// The path from data to noise, x_t = alpha(t) x_0 + sigma(t) e for t from 0 (data) to 1 (noise), and which times to stop at.
//
//   straight  alpha = 1 - t, sigma = t            flow matching: Lipman et al., 2022, arXiv 2210.02747; Liu et al., 2022,
//                                                 arXiv 2209.03003
//   cosine    alpha = cos(pi t / 2), sigma = sin  variance preserving: Nichol and Dhariwal, 2021, arXiv 2102.09672 (without
//                                                 their offset)
// A predictor may give the clean picture x_0, the noise e, or the velocity d x_t / d t; the path converts between them.
#pragma once

#include <cmath>
#include <numbers>
#include <tessera/autodiff/op/arithmetic.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

enum class Path { straight, cosine };
enum class Prediction { clean, noise, velocity };

/// A point of the path: x = alpha x_0 + sigma e, and the rates of change of both with t.
struct PathPoint {
  double t, alpha, sigma, alpha_rate, sigma_rate;
};
inline PathPoint point_at(Path path, double t) {
  if (path == Path::straight) return {t, 1 - t, t, -1, 1};
  const double angle = std::numbers::pi / 2 * t, c = std::cos(angle), s = std::sin(angle);
  return {t, c, s, -std::numbers::pi / 2 * s, std::numbers::pi / 2 * c};
}

/// steps + 1 times from 1 down to 0. shift > 1 spends more of them near the noise: t' = shift t / (1 + (shift - 1) t)
/// (Esser et al., 2024, arXiv 2403.03206). Throws argument_error for steps < 1 or shift <= 0.
inline std::vector<double> times(Index steps, double shift = 1) {
  if (steps < 1) throw argument_error("times: " + std::to_string(steps) + " steps; at least 1 is needed");
  if (!(shift > 0)) throw argument_error("times: shift " + std::to_string(shift) + " is not positive");
  std::vector<double> t;
  for (Index i = 0; i <= steps; ++i) {
    const double u = 1 - static_cast<double>(i) / static_cast<double>(steps);
    t.push_back(shift * u / (1 + (shift - 1) * u));
  }
  return t;
}

/// What a prediction says about the clean picture: x_0 from x at p.
template <std::floating_point T>
Tensor<T> clean_from(Prediction kind, const Tensor<T>& prediction, const Tensor<T>& x, const PathPoint& p) {
  using P = kernel::Pack<T>;
  if (kind == Prediction::clean) return prediction;
  // noise: x_0 = (x - sigma e) / alpha;  velocity: v = alpha' x_0 + sigma' e with e = (x - alpha x_0) / sigma
  double a, b;  // x_0 = a x + b prediction
  if (kind == Prediction::noise) {
    const double alpha = p.alpha > 1e-6 ? p.alpha : 1e-6;
    a = 1 / alpha;
    b = -p.sigma / alpha;
  } else {
    const double d = p.alpha_rate * p.sigma - p.sigma_rate * p.alpha;
    a = -p.sigma_rate / d;
    b = p.sigma / d;
  }
  const T ta = static_cast<T>(a), tb = static_cast<T>(b);
  return detail::zip("clean_from", prediction, x, [ta, tb](P v, P at) { return fma(P(ta), at, P(tb) * v); });
}

}  // namespace tessera::inline TESSERA_ISA
