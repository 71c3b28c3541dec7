#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/solver.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {
// Data N(m, s^2): the best estimate of x_0 from x is known, and so is where the flow carries a point:
// x_t = alpha m + sqrt(alpha^2 s^2 + sigma^2) z with z fixed along the path.
constexpr double m = 0.7, s = 0.4;

double exact(Path path, double x_noise, double t) {
  const PathPoint p = point_at(path, t);
  return p.alpha * m + std::sqrt(p.alpha * p.alpha * s * s + p.sigma * p.sigma) * x_noise;
}
double error_of(Solver solver, Path path, Index steps, double from, double to) {
  SolverState<double> state;
  const double z = 1.3;
  state.x = Tensor<double>({1}, exact(path, z, from));
  for (Index i = 0; i < steps; ++i) {
    const auto at = [&](Index k) { return from + (to - from) * static_cast<double>(k) / static_cast<double>(steps); };
    solve_step(solver, path, state, at(i), at(i + 1), [](const Tensor<double>& x, const PathPoint& p) {
      const double v = p.alpha * p.alpha * s * s + p.sigma * p.sigma;
      return Tensor<double>({1}, m + p.alpha * s * s / v * (x[0] - p.alpha * m));
    });
  }
  return std::abs(state.x[0] - exact(path, z, to));
}
}  // namespace

TEST_CASE("solvers reach their order against an analytic score", "[diffusion]") {
  for (const Path path : {Path::straight, Path::cosine}) {
    for (const auto& [solver, order] :
         {std::pair{Solver::euler, 1.0}, std::pair{Solver::heun, 2.0}, std::pair{Solver::multistep, 2.0}}) {
      const double coarse = error_of(solver, path, 64, 0.9, 0.2), fine = error_of(solver, path, 128, 0.9, 0.2);
      INFO("path " << static_cast<int>(path) << ", solver " << static_cast<int>(solver) << ": " << coarse << " then "
                   << fine);
      REQUIRE(std::log2(coarse / fine) > order - 0.25);
      REQUIRE(std::log2(coarse / fine) < order + 0.6);
    }
  }
}

TEST_CASE("solvers come from pure noise to the data", "[diffusion]") {
  for (const Solver solver : {Solver::euler, Solver::heun, Solver::multistep}) {
    REQUIRE(error_of(solver, Path::straight, 200, 1, 0) < 0.02);
    REQUIRE(error_of(solver, Path::cosine, 200, 1, 0) < 0.02);
  }
}

TEST_CASE("every kind of prediction says the same about the clean picture", "[diffusion]") {
  const Tensor<double> x0 = Tensor<double>::from({3}, {0.3, -1.0, 0.8}),
                       e = Tensor<double>::from({3}, {1.2, 0.1, -0.7});
  for (const Path path : {Path::straight, Path::cosine}) {
    const PathPoint p = point_at(path, 0.6);
    const Tensor<double> x = x0 * p.alpha + e * p.sigma, v = x0 * p.alpha_rate + e * p.sigma_rate;
    for (Index i = 0; i < 3; ++i) {
      REQUIRE(clean_from(Prediction::clean, x0, x, p)[i] == Approx(x0[i]));
      REQUIRE(clean_from(Prediction::noise, e, x, p)[i] == Approx(x0[i]));
      REQUIRE(clean_from(Prediction::velocity, v, x, p)[i] == Approx(x0[i]));
    }
  }
}

TEST_CASE("times run from 1 down to 0", "[diffusion]") {
  const auto t = times(4), late = times(4, 3);
  REQUIRE(t.size() == 5);
  const double plain[] = {1, 0.75, 0.5, 0.25, 0}, shifted[] = {1, 0.9, 0.75, 0.5, 0};
  for (std::size_t i = 0; i < 5; ++i) {
    REQUIRE(t[i] == Approx(plain[i]).margin(1e-12));
    REQUIRE(late[i] == Approx(shifted[i]).margin(1e-12));
  }
  REQUIRE_THROWS_AS(times(0), argument_error);
  REQUIRE_THROWS_AS(times(3, 0), argument_error);
}

TEST_CASE("a flow matching batch lies on the path and does not depend on how it is cut", "[diffusion]") {
  const Tensor<float> clean = Noise{3}.uniform<float>({4, 2, 2, 3});
  const auto b = flow_matching_batch(clean, Noise{5}, {.mean = 0.5, .deviation = 1.2});
  for (Index i = 0; i < 4; ++i) {
    REQUIRE(b.t[i] > 0);
    REQUIRE(b.t[i] < 1);
    for (Index k = 0; k < 12; ++k) {  // x = x_0 + t v
      const Index at = i * 12 + k;
      REQUIRE(b.x[at] == Approx(clean[at] + b.t[i] * b.velocity[at]).margin(1e-5));
    }
  }
  const auto fewer = flow_matching_batch(Tensor<float>::from({1, 2, 2, 3}, clean.span().subspan(0, 12)), Noise{5},
                                         {.mean = 0.5, .deviation = 1.2});
  for (Index k = 0; k < 12; ++k) REQUIRE(fewer.x[k] == b.x[k]);
}
