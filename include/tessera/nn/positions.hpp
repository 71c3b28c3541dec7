// Where and when: learned positions of a sequence, and sinusoids of a time or position (Vaswani et al., 2017, arXiv 1706.03762).
#pragma once

#include <cmath>
#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

/// [n] numbers -> [n, width]: cosines then sines of t times width/2 frequencies from 1 down to 1 / max_period.
/// Throws argument_error for an odd width.
template <std::floating_point T>
Tensor<T> sinusoids(const Tensor<T>& t, Index width, double max_period = 10000) {
  if (width < 2 || width % 2 != 0)
    throw argument_error("sinusoids: an even width wanted, not " + std::to_string(width));
  const Index n = t.size(), half = width / 2;
  Tensor<T> y(Shape{n, width});
  T* to = y.data();
  for (Index k = 0; k < half; ++k) {
    const double frequency = std::exp(-std::log(max_period) * static_cast<double>(k) / static_cast<double>(half));
    for (Index i = 0; i < n; ++i) {
      const double angle = static_cast<double>(t[i]) * frequency;
      to[i * width + k] = static_cast<T>(std::cos(angle));
      to[i * width + half + k] = static_cast<T>(std::sin(angle));
    }
  }
  return y;
}

/// Adds a learned vector per position: [B, T, D] -> [B, T, D], T at most `length`.
template <class T>
struct LearnedPositions {
  struct Config {
    Index length = 1, width = 1;
    double deviation = 0.02;
  };

  Parameter<T> weight;  // [length, width]

  LearnedPositions(Config c, Rng& rng) : weight{init::normal<T>({c.length, c.width}, c.deviation, rng)} {}

  template <Value X>
  X operator()(const X& x) const {
    if (x.extent(-2) > weight.value.extent(0))
      throw shape_error("LearnedPositions: sequence " + x.shape().to_string() + " is longer than the " +
                        std::to_string(weight.value.extent(0)) + " positions there are");
    return x + slice(lift(x, weight), 0, 0, x.extent(-2));
  }

  static void members(auto& self, auto&& see) { see("weight", self.weight); }
};

}  // namespace tessera::inline TESSERA_ISA
