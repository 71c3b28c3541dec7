// Many right answers, and what each way of generating makes of them. Distributions with known modes (a sentence of two
// readings, a runner to the left or right, a ring and a grid of normals) go through every family of the library:
//
//   build/examples/multimodality --sheet multimodality.png
//
//   impossible   share of objects that are no right answer: the first word of one reading, the second of the other
//   modes        right answers that got a fifth of their share at least
//   joint        nats that an object of the data costs under what was drawn, as a whole
//   per unit     the same, each unit by itself: what one-shot generation without a latent can see
//   passes       of the network, for one object
// The line `the data` is other draws of the data itself: nothing can do better but by chance.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/kernel/parallel.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/strategy.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "multimodality";

struct Options {
  std::vector<std::string> sets, strategies;
  double effort = 1;
  Index count = 4000, threads = 0;
  std::uint64_t seed = 1;
  bool quick = false;
  std::string sheet;
};

/// Panels with captions, a column a set and a row a strategy.
struct Sheet {
  Index columns;
  std::vector<Tensor<std::uint8_t>> panels = {};
  std::vector<std::string> captions = {};

  void write(const std::string& path) const {
    const Index each = modal_panel_side * modal_panel_side * 3, rows = static_cast<Index>(panels.size()) / columns;
    Tensor<std::uint8_t> all(Shape{columns * rows, modal_panel_side, modal_panel_side, 3});
    std::uint8_t* to = all.data();
    for (const Tensor<std::uint8_t>& panel : panels) to = std::copy(panel.data(), panel.data() + each, to);
    write_png(path, contact_sheet(all, captions, {.columns = static_cast<int>(columns)}));
  }
};

/// A line of the table.
void print(Modal set, const std::string& name, const ModalScore& score, Index passes, double seconds) {
  std::printf("%-9s %-26s %7.1f %% %5lld/%-3lld %7.2f %9.2f %7lld %6.1f\n", name_of(set), name.c_str(),
              100 * score.modes.impossible, static_cast<long long>(score.modes.covered),
              static_cast<long long>(score.modes.modes), score.nats.joint, score.nats.per_unit,
              static_cast<long long>(passes), seconds);
  std::fflush(stdout);
}

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::vector<Strategy> chosen(const std::vector<std::string>& names) {
  std::vector<Strategy> found;
  for (const Strategy& s : strategies()) {
    const bool wanted = std::any_of(names.begin(), names.end(),
                                    [&](const std::string& part) { return s.name.find(part) != std::string::npos; });
    if (names.empty() || wanted) found.push_back(s);
  }
  if (found.empty()) throw argument_error("--strategy " + quoted(names[0]) + ": none is called so; see the table");
  return found;
}

int multimodality(int argc, char** argv) {
  Options o;
  Cli cli(program, "Runs every family of the library over distributions with known modes.");
  cli.option("--set", o.sets, "sentence, runner, ring, grid (default: all)");
  cli.option("--strategy", o.strategies, "part of a name in the table (default: all)");
  cli.option("--effort", o.effort, "times the usual number of training steps (default 1)", 1e-6, 1000);
  cli.option("--count", o.count, "objects drawn of each (default 4000)", 16, 1000000);
  cli.option("--seed", o.seed, "of everything (default 1)");
  cli.option("--sheet", o.sheet, "a PNG: a column a set, a row a strategy");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  cli.flag("--quick", o.quick, "hardly any training and few draws: does it run?");
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (o.quick) o.effort = 1e-6, o.count = 100;
  std::vector<Modal> sets(modal_sets.begin(), modal_sets.end());
  if (!o.sets.empty()) sets.clear();
  for (const std::string& name : o.sets) sets.push_back(modal_named(name));
  const std::vector<Strategy> all = chosen(o.strategies);

  std::printf("set       strategy                   impossible     modes   joint  per unit  passes      s\n");
  Sheet sheet{.columns = static_cast<Index>(sets.size())};
  const auto add = [&](Modal set, const std::string& name, const Drawn& drawn, double seconds) {
    const ModalScore score = score_modal(set, drawn.points, Noise{o.seed}.fork(8));
    print(set, name, score, drawn.passes, seconds);
    sheet.panels.push_back(modal_panel(set, drawn.points));
    sheet.captions.push_back(name.substr(name.find_first_not_of(" +")) + ": " + to_string(score.modes));
  };
  const Interrupt interrupt;
  for (const Modal set : sets) add(set, "the data", {modal_points(set, o.count, Noise{o.seed}.fork(9)), 0}, 0);
  for (const Strategy& strategy : all) {
    for (const Modal set : sets) {
      if (interrupt()) return exit_interrupted;
      const auto began = std::chrono::steady_clock::now();
      const Drawn drawn = strategy.draw({.set = set, .effort = o.effort, .count = o.count, .seed = o.seed});
      add(set, strategy.name, drawn, seconds_since(began));
    }
  }
  if (!o.sheet.empty()) sheet.write(o.sheet);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, multimodality, argc, argv); }
