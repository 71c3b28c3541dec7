// One side of bench/pixel_cnn_training/compare.sh: training steps of a class-conditional PixelCNN in Tessera.
//
//   step fixture FILE softmax|mixture   writes weights and one batch of levels, for both sides to start from
//   step run FILE SECONDS               five steps' losses, then as many steps as fit into the time: pictures a second
#include <cstdio>
#include <cstdlib>
#include <string>

#include <tessera/autoregressive/pixel_cnn.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/optimizer.hpp>

#include "bench/rate.hpp"

using namespace tessera;

namespace {

constexpr Index batch = 16, classes = 10;

// That of examples/train_pixel_cnn.
PixelCnnConfig config_of(bool mixture) {
  return {.width = 32,
          .layers = 6,
          .kernel = 3,
          .condition = classes,
          .components = mixture ? 10 : 0,
          .map = 16,
          .map_height = 28,
          .map_width = 28};
}

int fixture(const char* path, bool mixture) {
  Rng rng(1);
  const PixelCnn<float> net(config_of(mixture), rng);
  Tensor<std::int32_t> levels(Shape{batch, 28, 28, 1});
  for (Index i = 0; i < levels.size(); ++i)
    levels.data()[i] = static_cast<std::int32_t>(Noise{2}.below(256, static_cast<std::uint64_t>(i)));
  Safetensors file;
  put(file, net, "net");
  file.put("levels", levels);
  file.metadata["kind"] = mixture ? "mixture" : "softmax";
  file.write(path);
  return 0;
}

int run(const Safetensors& file, bool mixture, double seconds) {
  Rng rng(2);
  PixelCnn<float> net(config_of(mixture), rng);
  get(file, net, "net");
  const auto levels = file.get<std::int32_t>("levels");
  Tensor<std::uint8_t> pictures(levels.shape());
  for (Index i = 0; i < levels.size(); ++i) pictures.data()[i] = static_cast<std::uint8_t>(levels[i]);
  Tensor<float> labels(Shape{batch, classes}, 0.f);
  for (Index i = 0; i < batch; ++i) labels.data()[i * classes + i % classes] = 1;
  Optimizer<float> optimizer(adam(1e-3));
  Tape<Tensor<float>> tape;
  Gradients<float> gradients;
  const auto step = [&] {
    const auto loss = net.loss(tape, pictures, labels);
    const float value = loss.value().item();
    tape.backward(loss);
    gradients.add(net, tape);
    tape.clear();
    optimizer.step(net, gradients);
    gradients.clear();
    return value;
  };
  std::printf("losses");
  for (int i = 0; i < 5; ++i) std::printf(" %.5f", static_cast<double>(step()));
  const double rate = bench::rate(seconds, step);
  std::printf("\nrate %.3f\n", rate * batch);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "step fixture FILE softmax|mixture | step run FILE SECONDS\n"), 2;
  if (std::string(argv[1]) == "fixture") return fixture(argv[2], std::string(argv[3]) == "mixture");
  const Safetensors file = Safetensors::read(argv[2]);
  const auto kind = file.metadata.find("kind");
  return run(file, kind != file.metadata.end() && kind->second == "mixture", std::atof(argv[3]));
}
