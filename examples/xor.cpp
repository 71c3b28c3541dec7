// The complete program of the README: a small network learns exclusive or.
#include <cstdio>
#include <tessera/tessera.hpp>
using namespace tessera;

int main() {
  Rng rng(1);
  Mlp<float> net({.width = 2, .hidden = 64, .out = 1}, rng);  // a network is a struct; its config is data
  Optimizer<float> optimizer(adamw(3e-3));
  const Tensor<float> x = Noise{7}.uniform<float>({512, 2});  // randomness is a value: same seed, same bytes
  Tensor<float> y({512, 1});
  for (Index i = 0; i < 512; ++i) y.data()[i] = (x[2 * i] > 0.5f) != (x[2 * i + 1] > 0.5f) ? 1.f : 0.f;
  for (int step = 0; step < 1000; ++step) {
    Tape<Tensor<float>> tape;  // on a Var net(x) records, on a Tensor it computes
    const auto loss = bce_logits(net(tape.constant(x)), y);
    tape.backward(loss);
    Gradients<float> gradients;
    gradients.add(net, tape);
    optimizer.step(net, gradients);
    if (step % 250 == 249) std::printf("step %d: loss %.4f\n", step + 1, static_cast<double>(loss.value().item()));
  }
  save("xor.safetensors", net);
  std::printf("xor(0.9, 0.1) = %.2f\n",
              static_cast<double>(sigmoid(net(Tensor<float>::from({1, 2}, {0.9f, 0.1f}))).item()));
}
