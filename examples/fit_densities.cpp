// Fits densities to sets of points in the plane, with a mixture of Gaussians and three kinds of flow, and compares each
// with the truth where that is known: a model's mean -log p(x) over fresh points cannot be below the set's entropy.
// Affine flows come twice: from one normal, which they bend but cannot tear, and from a mixture that is learned with
// them. What that mixture (`prior`) makes by itself tells how much of it is the flow's.
//
//   build/examples/fit_densities --sheet densities.png
//   build/examples/fit_densities --set moons --model spline --steps 5000
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>

#include <tessera/flow/actnorm.hpp>
#include <tessera/flow/autoregressive.hpp>
#include <tessera/flow/coupling.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/flow/squeeze.hpp>
#include <tessera/nonautoregressive/gaussian_mixture.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/planar.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "fit_densities";
constexpr const char* all_models = "mixture, realnvp, maf, prior, realnvp-mixture, maf-mixture, spline";
constexpr Index fitted_points = 20000, fresh_points = 100000, fresh_parts = 10, side = 160;

struct Options {
  std::vector<std::string> sets, models;
  Index steps = 6000, batch = 512, layers = 8, hidden = 64, components = 256, threads = 0;
  double rate = 5e-3;
  std::uint64_t seed = 1;
  std::string sheet;
};

/// Layers that alternate between the two numbers: make(odd). The set is brought into [-2.5, 2.5] first.
template <class Base, class Make>
auto make_flow(Planar set, Index layers, Base base, const Make& make) {
  Stack<Chain<ActNorm<float>, decltype(make(true))>> stack;
  for (Index i = 0; i < layers; ++i) stack.parts.emplace_back(ActNorm<float>({.channels = 2}), make(i % 2 == 1));
  Chain whole(Standardise{.shift = 0, .scale = 2.5 / planar_reach(set)}, std::move(stack));
  return Flow<float, decltype(whole), Base>({.item = {2}}, std::move(whole), std::move(base));
}

/// Points seen from above: how many fall into each pixel, or a density, as brightness.
Tensor<std::uint8_t> panel(const std::vector<double>& values) {
  double top = 0;
  for (const double v : values) top = std::max(top, v);
  Tensor<std::uint8_t> p(Shape{1, side, side, 3});
  std::uint8_t* to = p.data();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = top > 0 ? std::sqrt(values[i] / top) : 0;  // the root shows faint places too
    const double rgb[] = {std::min(1.0, 2 * v), v * v, std::min(1.0, 0.15 + 0.9 * v * (1 - v)) * (v > 0.01 ? 1 : 0.2)};
    for (int c = 0; c < 3; ++c) to[3 * i + static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(255 * rgb[c]);
  }
  return p;
}
Tensor<std::uint8_t> panel_of_points(const Tensor<float>& points, double reach) {
  std::vector<double> counts(side * side, 0.0);
  for (Index i = 0; i < points.extent(0); ++i) {
    const double x = (static_cast<double>(points[2 * i]) / reach + 1) / 2 * side;
    const double y = (1 - static_cast<double>(points[2 * i + 1]) / reach) / 2 * side;
    if (x >= 0 && x < side && y >= 0 && y < side)
      counts[static_cast<std::size_t>(static_cast<Index>(y) * side + static_cast<Index>(x))] += 1;
  }
  return panel(counts);
}
/// log_prob([N, 2]) at every pixel's centre.
template <class F>
Tensor<std::uint8_t> panel_of_density(const F& log_prob, double reach) {
  Tensor<float> at(Shape{side * side, 2});
  float* to = at.data();
  for (Index i = 0; i < side * side; ++i) {
    to[2 * i] = static_cast<float>(((static_cast<double>(i % side) + 0.5) / side * 2 - 1) * reach);
    to[2 * i + 1] = static_cast<float>((1 - (static_cast<double>(i / side) + 0.5) / side * 2) * reach);
  }
  const auto l = log_prob(at);
  std::vector<double> density;
  for (Index i = 0; i < side * side; ++i) density.push_back(std::exp(static_cast<double>(l[i])));
  return panel(density);
}

struct Sheet {
  std::vector<Tensor<std::uint8_t>> panels;
  std::vector<std::string> captions;
  void add(Tensor<std::uint8_t> p, std::string caption) {
    panels.push_back(std::move(p));
    captions.push_back(std::move(caption));
  }
};

/// What one model made of one set: its line in the table, its two panels.
template <class LogProb, class Sample>
void report(Planar set, const std::string& model, double seconds, const LogProb& log_prob, const Sample& sample,
            const Options& o, Sheet& sheet) {
  double nats = 0;
  for (Index part = 0; part < fresh_parts; ++part) {
    const Noise noise = Noise{o.seed}.fork(2).fork(static_cast<std::uint64_t>(part));
    const auto l = log_prob(planar_points(set, fresh_points / fresh_parts, noise));
    for (Index i = 0; i < l.size(); ++i) nats -= static_cast<double>(l[i]) / static_cast<double>(fresh_points);
  }
  const auto entropy = planar_entropy(set);
  char line[96];
  if (entropy)
    std::snprintf(line, sizeof line, "%.3f, %+.3f from the entropy %.3f", nats, nats - *entropy, *entropy);
  else
    std::snprintf(line, sizeof line, "%.3f, entropy unknown", nats);
  std::printf("%-13s %-15s %s  (%.0f s)\n", name_of(set), model.c_str(), line, seconds);
  std::fflush(stdout);
  if (o.sheet.empty()) return;
  char caption[64];
  std::snprintf(caption, sizeof caption, "%s %.3f", model.c_str(), nats);
  sheet.add(panel_of_density(log_prob, planar_reach(set)), caption);
  sheet.add(panel_of_points(sample(), planar_reach(set)), model + " samples");
}

template <class F>
bool fit(F flow, Planar set, const std::string& model, const Options& o, const Interrupt& interrupt, Sheet& sheet) {
  flow.initialise(planar_points(set, 2000, Noise{o.seed}.fork(0)));
  const auto result = train(
      flow,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        return flow_loss(net, tape.constant(planar_points(set, o.batch, at.noise)));
      },
      adam(o.rate),
      {.steps = o.steps, .clip_norm = 5, .ema_decay = 0.995, .schedule = {.decay = Decay::cosine}, .seed = o.seed},
      [&](const TrainProgress& p) {
        if (p.step % 500 == 0) std::fprintf(stderr, "%s %s: %s\n", name_of(set), model.c_str(), to_string(p).c_str());
      },
      interrupt);
  if (result.end == TrainEnd::interrupted) return false;
  const F& best = *result.average;
  report(
      set, model, result.seconds, [&](const Tensor<float>& x) { return best.log_prob(x); },
      [&] { return best.decode(best.prior(Noise{o.seed}.fork(3), fitted_points)); }, o, sheet);
  return true;
}

bool fit_named(Planar set, const std::string& model, const Options& o, const Interrupt& interrupt, Sheet& sheet) {
  Rng rng(o.seed);
  if (model == "mixture") {
    const Tensor<float> points = planar_points(set, fitted_points, Noise{o.seed}.fork(1));
    const GaussianMixture m(points, {.components = 25}, Noise{o.seed});
    report(
        set, model, 0, [&](const Tensor<float>& x) { return m.log_prob(x); },
        [&] { return m.sample(forks(Noise{o.seed}.fork(3), fitted_points)); }, o, sheet);
    return true;
  }
  const auto fit_from = [&](auto base, Index layers, const auto& make) {
    return fit(make_flow(set, layers, std::move(base), make), set, model, o, interrupt, sheet);
  };
  const NormalPrior<float> normal;
  const MixturePrior<float> mixture(
      {.numbers = 2, .components = o.components, .covariance = MixturePriorConfig::Covariance::full}, rng);
  const auto coupling = [&](bool odd) {
    return Coupling<float, DenseConditioner<float>, Affine>({.swap = odd, .hidden = o.hidden}, rng);
  };
  const auto autoregressive = [&](bool odd) {
    return MaskedAutoregressive<float, Affine>({.hidden = o.hidden, .backwards = odd}, rng);
  };
  const auto spline = [&](bool odd) {
    return Coupling<float, DenseConditioner<float>, SplineMap>(
        {.swap = odd, .hidden = o.hidden, .transform = {{.bins = 24, .range = 3}}}, rng);
  };
  if (model == "realnvp") return fit_from(normal, o.layers, coupling);
  if (model == "maf") return fit_from(normal, o.layers, autoregressive);
  if (model == "prior") return fit_from(mixture, 0, coupling);  // by itself, nothing bends it
  if (model == "realnvp-mixture") return fit_from(mixture, o.layers, coupling);
  if (model == "maf-mixture") return fit_from(mixture, o.layers, autoregressive);
  if (model == "spline") return fit_from(normal, o.layers / 2, spline);
  throw argument_error("no model is named \"" + model + "\"; there are " + all_models);
}

int fit_densities(int argc, char** argv) {
  Options o;
  Cli cli(program, "Fits densities to sets of points in the plane.");
  cli.option("--set", o.sets, "moons, pinwheel, checkerboard, rings, ring, grid (default: all)");
  cli.option("--model", o.models, std::string(all_models) + " (default: all)");
  cli.option("--steps", o.steps, "training steps of a flow (default 6000)", 1, 10000000);
  cli.option("--batch", o.batch, "fresh points a step (default 512)", 2, 1000000);
  cli.option("--layers", o.layers, "of a flow; a spline flow has half as many (default 8)", 2, 100);
  cli.option("--hidden", o.hidden, "width of the networks (default 64)", 1, 4096);
  cli.option("--components", o.components, "of the priors that are mixtures (default 256)", 1, 2000);
  cli.option("--rate", o.rate, "Adam's learning rate (default 0.005)", 0, 1);
  cli.option("--seed", o.seed, "of points, weights and order (default 1)");
  cli.option("--sheet", o.sheet, "a PNG: the points, then each model's density and samples");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (o.sets.empty()) {
    for (const Planar set : planar_sets) o.sets.push_back(name_of(set));
  }
  if (o.models.empty()) o.models = {"mixture", "realnvp", "maf", "prior", "realnvp-mixture", "maf-mixture", "spline"};
  const Interrupt interrupt;
  Sheet sheet;
  std::printf("mean -log p(x) in nats over %lld fresh points\n", static_cast<long long>(fresh_points));
  for (const std::string& name : o.sets) {
    const Planar set = planar_named(name);
    sheet.add(panel_of_points(planar_points(set, fitted_points, Noise{o.seed}.fork(1)), planar_reach(set)), name);
    for (const std::string& model : o.models) {
      if (!fit_named(set, model, o, interrupt, sheet)) return Interrupt::exit_code;
    }
  }
  if (!o.sheet.empty()) {
    const Tensor<std::uint8_t> all = concat(std::span<const Tensor<std::uint8_t>>(sheet.panels), 0);
    write_png(o.sheet, contact_sheet(all, sheet.captions, {.columns = static_cast<int>(1 + 2 * o.models.size())}));
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, fit_densities, argc, argv); }
