// Trains Glow, or with --plain RealNVP, on Fashion-MNIST: exact likelihoods of pictures, in bits a pixel.
//
//   build/examples/train_flow --folder flow --output flow.safetensors --sheet flow.png
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/io/png.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/fashion_models.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/training.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_flow";
constexpr Index pixels = 28 * 28, levels = 256;

struct Options {
  Index steps = 10000, batch = 64, flow_steps = 8, hidden = 64, tested = 10000, threads = 0;
  double rate = 1e-3;
  std::uint64_t seed = 1;
  bool plain = false;
  std::string folder, output, twin, sheet;
};

int train_flow(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a normalising flow on Fashion-MNIST.");
  cli.flag("--plain", o.plain, "RealNVP: no actnorm, no 1 x 1 convolutions, no learned prior");
  cli.option("--flow-steps", o.flow_steps, "couplings a level, of which there are two (default 8)", 1, 1000);
  cli.option("--hidden", o.hidden, "channels of their networks (default 64)", 1, 4096);
  cli.option("--steps", o.steps, "training steps (default 10000)", 1, 100000000);
  cli.option("--batch", o.batch, "pictures a step (default 64)", 2, 60000);
  cli.option("--rate", o.rate, "Adam's learning rate (default 0.001)", 0, 1);
  cli.option("--tested", o.tested, "test pictures for the result (default all 10000)", 1, 10000);
  cli.option("--seed", o.seed, "of weights, order and noise (default 1)");
  cli.option("--folder", o.folder, "where checkpoints go, and a run goes on from");
  cli.option("--output", o.output, "the averaged weights");
  cli.option("--twin", o.twin, TwinFile::help);
  cli.option("--sheet", o.sheet, "a PNG of draws: temperatures 0.6, 0.8 and 1, a row each");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Fashion data = read_fashion(FashionPart::train), test = read_fashion(FashionPart::test);
  Rng rng(o.seed);
  Glow flow = fashion_glow(o.flow_steps, o.hidden, !o.plain, rng);
  EpochSampler batches(data.pictures.extent(0), o.batch, o.seed);
  flow.initialise(for_flow(rows_of(data.pictures, batches(0)), Noise{o.seed}.fork(901)));
  std::fprintf(stderr, "%lld parameters\n", static_cast<long long>(parameter_count(flow)));
  const Interrupt interrupt;
  Trainer<Glow> trainer(flow, adam(o.rate),
                        {.steps = o.steps,
                         .clip_norm = 100,
                         .ema_decay = 0.999,
                         .schedule = {.decay = Decay::cosine, .warmup = 100},
                         .seed = o.seed,
                         .checkpoint = o.folder,
                         .items = o.batch});
  go_on(program, trainer);
  TwinFile twin(o.twin, "flow", trainer, {{"bound", flow.bijection.config.bound}});
  const TrainEnd end = trainer.run(
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<float> x = for_flow(rows_of(data.pictures, batches(at.batch)), at.noise);
        twin.see(at, "x", x);
        return flow_loss(net, tape.constant(x));
      },
      [&](const TrainProgress& p) {
        if (p.step % 50 != 0 && p.step != p.steps) return;
        std::fprintf(stderr, "%s  %.3f bits a pixel\n", to_string(p).c_str(),
                     bits_a_dimension(-p.smoothed, pixels, levels));
      },
      interrupt);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  const Glow& best = *trainer.average();
  std::printf("test: %.4f bits a pixel after %lld steps, %.0f s\n",
              flow_bits(best, slice(test.pictures, 0, 0, o.tested), Noise{o.seed}.fork(900)),
              static_cast<long long>(trainer.steps_done()), trainer.seconds());
  if (!o.sheet.empty()) {
    std::vector<Tensor<float>> rows;
    const Tensor<float> z = best.prior(Noise{o.seed}.fork(902), 12);
    for (const float temperature : {0.6f, 0.8f, 1.f}) rows.push_back(best.decode(z * temperature) + 0.5f);
    const auto all = grey_to_rgb(concat(std::span<const Tensor<float>>(rows), 0));
    write_png(o.sheet, contact_sheet(all, {}, {.columns = 12, .upscale = 2, .padding = 2}));
  }
  if (!o.output.empty())
    save(o.output, best,
         {{"model", o.plain ? "realnvp" : "glow"},
          {"steps", std::to_string(o.flow_steps)},
          {"hidden", std::to_string(o.hidden)}});
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_flow, argc, argv); }
