// One side of bench/gan_training/compare.sh: rounds of DCGAN training by the library's own game
// (generate/adversarial.hpp) and trainer (train/alternating.hpp), in the configuration of the usual 32 x 32 network:
// noise 128, 64 channels at the largest maps.
//
//   step fixture FILE         writes weights, pictures and noise for both sides
//   step run FILE SECONDS     five rounds' losses, then as many rounds as fit into the time: pictures a second, peak
//       MiB
//   step profile FILE ROUNDS  that many rounds, for perf and callgrind
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tessera/gan/dcgan.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/alternating.hpp>

#include "bench/rate.hpp"

using namespace tessera;

namespace {
constexpr Index batch = 64, width = 128, fixed = 8;  // batches of noise, taken in turn

/// The generator, with noise from the fixture instead of a draw.
struct Fed : DcganGenerator<float> {
  Tensor<float> fed;  // [fixed, batch, width]
  mutable Index turn = 0;
  using DcganGenerator<float>::DcganGenerator;
  Tensor<float> prior(const Noise&, Index) const {
    return slice(fed, 0, turn % fixed, turn % fixed + 1).reshaped({batch, width});
  }
};
}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "step fixture FILE | run FILE SECONDS | profile FILE ROUNDS\n"), 2;
  Rng rng(1);
  Fed generator({.noise = width}, rng);
  DcganCritic<float> critic({}, rng);
  if (std::strcmp(argv[1], "fixture") == 0) {
    Safetensors file;
    put(file, generator, "generator");
    put(file, critic, "critic");
    file.put("real", Noise{2}.normal<float>({batch, 32, 32, 3}));
    file.put("noise", Noise{3}.normal<float>({fixed, batch, width}));
    file.write(argv[2]);
    return 0;
  }
  const Safetensors file = Safetensors::read(argv[2]);
  get(file, generator, "generator");
  get(file, critic, "critic");
  generator.fed = file.get<float>("noise");
  const auto real = file.get<float>("real");
  auto game = adversarial(generator, critic, {});
  AlternatingTrainer trainer(game, {.run = {.steps = 1'000'000'000}});
  const auto data = [&](const TrainStep&) { return Examples<float>{real}; };
  const auto round = [&]() -> const RoundProgress& {
    const RoundProgress& p = trainer.step(data);
    ++generator.turn;
    return p;
  };
  const double amount = argc > 3 ? std::atof(argv[3]) : 10;
  if (std::strcmp(argv[1], "profile") == 0) {
    for (int i = 0; i < static_cast<int>(amount); ++i) round();
    return 0;
  }
  std::printf("losses");
  for (int i = 0; i < 5; ++i) {
    const RoundProgress& p = round();
    std::printf(" %.6f %.6f", p.critic_loss, p.loss);
  }
  const double rate = bench::rate(amount, round);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  std::printf("\nrate %.3f\npeak %ld\n", rate * batch, used.ru_maxrss / 1024);
}
