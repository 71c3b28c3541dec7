// A main that runs one forward pass of a U-Net, conditioned on time and text.
#include <tessera/nn/unet.hpp>

int main() {
  using namespace tessera;
  Rng rng{1};
  const UNet<float> net({.channels = {32, 64}, .attention = {false, true}, .embedding = 64, .context = 32}, rng);
  const Noise noise{2};
  const auto x = noise.fork(0).normal<float>({1, 32, 32, 3});
  const auto time = noise.fork(1).normal<float>({1, 64});
  const auto text = noise.fork(2).normal<float>({1, 8, 32});
  const Tensor<float> y = net(x, time, text);
  return y.size() == x.size() ? 0 : 1;
}
