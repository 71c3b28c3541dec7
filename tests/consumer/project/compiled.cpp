// With tessera::compiled: single precision comes out of the library, double out of the headers.
#include <cmath>
#include <cstdio>

#include <tessera/nn/linear.hpp>
#include <tessera/train/optimizer.hpp>

#ifndef TESSERA_INSTANCE
#error "tessera::compiled did not say that its templates are elsewhere"
#endif

template <class T>
double loss_after_training() {
  using namespace tessera;
  Rng rng(1);
  Linear<T> net({.in = 2, .out = 1}, rng);
  Optimizer<T> optimizer(sgd(0.1));
  const auto x = Tensor<T>::from({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1}), y = Tensor<T>::from({4, 1}, {1, 3, 4, 6});
  double loss = 0;
  for (int step = 0; step < 300; ++step) {
    Tape<Tensor<T>> tape;
    const auto error = net(tape.constant(x)) - tape.constant(y);
    const auto squares = sum(error * error);
    loss = static_cast<double>(squares.value().item());
    tape.backward(squares);
    Gradients<T> gradients;
    gradients.add(net, tape);
    optimizer.step(net, gradients);
  }
  return loss;
}

int main() {
  const double in_float = loss_after_training<float>(), in_double = loss_after_training<double>();
  std::printf("loss %g in float, %g in double\n", in_float, in_double);
  return in_float < 1e-6 && in_double < 1e-6 ? 0 : 1;
}
