// One operation, and who computes it: Tessera and the C++ peers in this program, PyTorch in twins.py. Every side reads the
// same numbers and reports two sums of its result, so that a time counts only where both compute the same.
#pragma once

#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <tessera/core/tensor.hpp>
#include <vector>

namespace ops {

using namespace tessera;

struct Side {
  std::string name;  // tessera, openblas, onednn
  std::function<void()> run;
  std::function<std::span<const float>()> result;  // channels last
};

struct Op {
  std::string name, unit;
  double work;  // of one run, in that unit a second
  std::vector<Side> sides;
};

/// The same numbers as in twins.py: between -0.5 and 0.5.
inline Tensor<float> numbers(const Shape& shape, Index seed) {
  Tensor<float> x(shape);
  float* to = x.data();
  for (Index i = 0; i < x.size(); ++i) to[i] = static_cast<float>((i * 7919 + seed * 104729) % 1000) * 1e-3f - 0.5f;
  return x;
}

/// The sum of magnitudes, and a sum with changing weights that tells an order from another.
struct Sums {
  double size = 0, weighted = 0;
  explicit Sums(std::span<const float> y) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      size += std::abs(static_cast<double>(y[i]));
      weighted += static_cast<double>(y[i]) * (static_cast<double>(i % 7) - 3);
    }
  }
};

// Each makes its operations one at a time: they own large tensors.
using Make = std::function<Op()>;
std::vector<Make> products(), convolutions(), attentions(), maps(), others();

}  // namespace ops
