// One side of bench/flow_training/compare.sh: training steps of multi-scale flows in Tessera.
//
//   step fixture FILE realnvp|glow   writes weights and one batch, for both sides to start from
//   step run FILE SECONDS            five steps' losses, then as many steps as fit into the time: pictures a second
#include <cstdio>
#include <cstdlib>
#include <string>

#include <tessera/nn/save.hpp>
#include <tessera/train/optimizer.hpp>

#include <tessera/flow/flow.hpp>
#include <tessera/flow/multiscale.hpp>

#include "bench/rate.hpp"

using namespace tessera;
using Net = Flow<float, MultiScale<float>>;

namespace {
constexpr Index batch = 16;

// RealNVP is that of the table of peers: 32 x 32 x 3, 2 levels of 8 couplings, 128 channels, log-scales within 1.
Net make_net(bool glow) {
  Rng rng(1);
  Net net(
      {.item = {32 * 32 * 3}},
      MultiScale<float>(
          {.height = 32, .width = 32, .channels = 3, .levels = 2, .steps = 8, .hidden = 128, .mix = glow, .bound = 1},
          rng));
  // Couplings that start as the identity would leave their first layers without gradients: give the last ones
  // something.
  for_each_parameter(
      net, [&](const std::string&, auto& p) { p.value = p.value + init::normal<float>(p.value.shape(), 0.005, rng); });
  return net;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "step fixture FILE realnvp|glow | step run FILE SECONDS\n"), 2;
  if (std::string(argv[1]) == "fixture") {
    const bool glow = std::string(argv[3]) == "glow";
    Safetensors file;
    put(file, make_net(glow), "net");
    file.put("x", Noise{2}.uniform<float>({batch, 32, 32, 3}));
    file.metadata["kind"] = glow ? "glow" : "realnvp";
    file.write(argv[2]);
    return 0;
  }
  const Safetensors file = Safetensors::read(argv[2]);
  const auto kind = file.metadata.find("kind");
  Net net = make_net(kind != file.metadata.end() && kind->second == "glow");
  get(file, net, "net");
  const auto x = file.get<float>("x");
  Optimizer<float> optimizer(adam(1e-4));
  const auto step = [&] {
    Tape<Tensor<float>> tape;
    const auto loss = flow_loss(net, tape.constant(x));
    tape.backward(loss);
    Gradients<float> gradients;
    gradients.add(net, tape);
    optimizer.step(net, gradients);
    return loss.value().item();
  };
  std::printf("losses");
  for (int i = 0; i < 5; ++i) std::printf(" %.4f", static_cast<double>(step()));
  const double seconds = std::atof(argv[3]);
  const double rate = bench::rate(seconds, step);
  std::printf("\nrate %.3f\n", rate * batch);
}
