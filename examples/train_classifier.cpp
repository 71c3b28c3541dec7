// Trains the classifier whose features and answers score the pictures of generative models on Fashion-MNIST.
//
//   build/examples/train_classifier --output classifier.safetensors        three epochs, about a minute
#include <cstdio>
#include <cstring>
#include <string>

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/loop.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/fashion.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_classifier";

int train_classifier(int argc, char** argv) {
  Index steps = 1400, batch = 128;
  std::uint64_t seed = 1;
  std::string output = "classifier.safetensors";
  Cli cli(program, "Trains a small classifier of Fashion-MNIST, for the metrics of generative models.");
  cli.option("--steps", steps, "training steps (default 1400: three epochs)", 1, 10'000'000);
  cli.option("--batch", batch, "pictures a step (default 128)", 1, 60000);
  cli.option("--seed", seed, "of weights and order (default 1)");
  cli.option("--output", output, "the weights (default classifier.safetensors)");
  if (const auto end = cli.parse(argc, argv)) return *end;

  const Fashion data = read_fashion(FashionPart::train), unseen = read_fashion(FashionPart::test);
  const Tensor<float> pictures = in_symmetric_interval(data.pictures);
  Rng rng(seed);
  PictureClassifier<float> net(rng);
  EpochSampler batches(data.labels.size(), batch, seed);
  const Interrupt interrupt;
  const auto result = train(
      net,
      [&](auto& tape, const auto& n, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        return cross_entropy(n(tape.constant(rows_of(pictures, items))), rows_of(data.labels, items));
      },
      adamw(1e-3),
      {.steps = steps,
       .schedule = {.decay = Decay::linear, .hold = steps / 2, .floor = 0.02},
       .seed = seed,
       .items = batch},
      [&](const TrainProgress& p) {
        if (p.step % 100 == 0) std::fprintf(stderr, "%s\n", to_string(p).c_str());
      },
      interrupt);
  if (result.end == TrainEnd::interrupted) {
    complain(program, "interrupted; nothing was written");
    return exit_interrupted;
  }
  const double right =
      agreement(in_parts(in_symmetric_interval(unseen.pictures), [&](const auto& x) { return net(x); }), unseen.labels);
  char accuracy[16];
  std::snprintf(accuracy, sizeof accuracy, "%.4f", right);
  save(output, net, {{"accuracy", accuracy}});
  std::printf("%.2f %% of the 10,000 test pictures are classified right; wrote %s\n", 100 * right, output.c_str());
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_classifier, argc, argv); }
