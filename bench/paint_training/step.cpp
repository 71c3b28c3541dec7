// One side of bench/paint_training/compare.sh: training steps of examples/paint's network in Tessera.
//
//   step fixture FILE         writes weights and one batch, for both sides to start from
//   step run FILE SECONDS     five steps' losses, then as many steps as fit into the time: pictures a second
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/text_unet.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/ema.hpp>
#include <tessera/train/optimizer.hpp>

#include "bench/rate.hpp"

using namespace tessera;
using Net = TextUNet<float>;

namespace {
constexpr Index batch = 64, length = 24;

Net make_net() {
  TextUNetConfig config;
  config.text.vocabulary = 2048;
  Rng rng(1);
  Net net(config, rng);
  // Zero-initialised branches would leave parts of the network without work; give every weight some.
  for_each_parameter(
      net, [&](const std::string&, auto& p) { p.value = p.value + init::normal<float>(p.value.shape(), 0.01, rng); });
  return net;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "step fixture FILE | step run FILE SECONDS\n"), 2;
  Net net = make_net();
  if (std::strcmp(argv[1], "fixture") == 0) {
    Safetensors file;
    put(file, net, "net");
    const auto b = flow_matching_batch(Noise{2}.uniform<float>({batch, 32, 32, 3}), Noise{3});
    Tensor<std::int32_t> ids(Shape{batch, length}, 0);
    for (Index i = 0; i < batch; ++i) {
      const Index n = 4 + Noise{4}.below(length - 4, static_cast<std::uint64_t>(i));
      for (Index k = 0; k < n; ++k)
        ids.data()[i * length + k] =
            static_cast<std::int32_t>(1 + Noise{5}.below(2047, static_cast<std::uint64_t>(i * length + k)));
    }
    file.put("x", b.x);
    file.put("t", b.t);
    file.put("velocity", b.velocity);
    file.put("ids", ids);
    file.write(argv[2]);
    return 0;
  }
  const Safetensors file = Safetensors::read(argv[2]);
  get(file, net, "net");
  const auto x = file.get<float>("x"), t = file.get<float>("t"), velocity = file.get<float>("velocity");
  const auto ids = file.get<std::int32_t>("ids");
  Optimizer<float> optimizer({.rate = 1e-3, .beta2 = 0.99, .decay = 0.01});
  Ema<Net> ema(net, 0.999);
  const auto step = [&] {
    Tape<Tensor<float>> tape;
    const auto loss = mse(net(tape.constant(x), t, net.text(tape.ids(ids))), velocity);
    tape.backward(loss);
    Gradients<float> gradients;
    gradients.add(net, tape);
    gradients.clip_norm(1);
    optimizer.step(net, gradients);
    ema.update(net);
    return loss.value().item();
  };
  std::printf("losses");
  for (int i = 0; i < 5; ++i) std::printf(" %.6f", static_cast<double>(step()));
  const double seconds = argc > 3 ? std::atof(argv[3]) : 10;
  const double rate = bench::rate(seconds, step);
  std::printf("\nrate %.3f\n", rate * batch);
}
