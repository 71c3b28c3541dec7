// A small classifier of grey 28 x 28 pictures: what its last hidden layer sees are the features that Frechet distances
// are taken over, and what it says is how a conditional model's obedience is measured. examples/train_classifier makes
// the weights.
#pragma once

#include <algorithm>

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::examples {

template <class T>
struct PictureClassifier {
  static constexpr Index side = 28, classes = 10, width = 128;

  Conv2d<T> conv1, conv2;
  Linear<T> hidden, out;

  explicit PictureClassifier(Rng& rng)
      : conv1({.in = 1, .out = 32, .stride = 2}, rng),
        conv2({.in = 32, .out = 64, .stride = 2}, rng),
        hidden({.in = 7 * 7 * 64, .out = width}, rng),
        out({.in = width, .out = classes}, rng) {}

  /// Pictures [B, 28, 28, 1] in [-1, 1] -> [B, width].
  template <Value X>
  X features(const X& x) const {
    if (x.rank() != 4 || x.shape() != Shape{x.extent(0), side, side, 1})
      throw shape_error("PictureClassifier: pictures [B, 28, 28, 1] wanted, shape is " + x.shape().to_string());
    const X h = relu(conv2(relu(conv1(x))));
    return relu(hidden(reshape(h, {x.extent(0), 7 * 7 * 64})));
  }
  /// [B, classes]
  template <Value X>
  X operator()(const X& x) const {
    return out(features(x));
  }

  static void members(auto& self, auto&& see) {
    see("conv1", self.conv1);
    see("conv2", self.conv2);
    see("hidden", self.hidden);
    see("out", self.out);
  }
};

/// f of every row of x, in parts of 500 rows, so that memory stays small.
template <class F>
Tensor<float> in_parts(const Tensor<float>& x, const F& f) {
  std::vector<Tensor<float>> parts;
  for (Index at = 0; at < x.extent(0); at += 500) parts.push_back(f(slice(x, 0, at, std::min(at + 500, x.extent(0)))));
  return concat(std::span<const Tensor<float>>(parts), 0);
}

/// Levels 0 to 255 as [-1, 1].
inline Tensor<float> in_symmetric_interval(const Tensor<std::uint8_t>& levels) {
  Tensor<float> x(levels.shape());
  float* to = x.data();
  for (Index i = 0; i < levels.size(); ++i) to[i] = static_cast<float>(levels[i]) / 127.5f - 1;
  return x;
}

}  // namespace tessera::examples
