// What the tests of convolutions share: a common shape, and how far results are from those in double.
#pragma once

#include <cmath>
#include <tessera/kernel/conv_shape.hpp>
#include <vector>

namespace tessera::testing {

/// A 3x3 convolution with stride 1, padded by as much on every side.
inline kernel::ConvShape three_by_three(Index batch, Index height, Index width, Index in, Index out, Index pad = 1) {
  return {.batch = batch,
          .height = height,
          .width = width,
          .in_channels = in,
          .out_channels = out,
          .kernel_h = 3,
          .kernel_w = 3,
          .pad_top = pad,
          .pad_left = pad,
          .pad_bottom = pad,
          .pad_right = pad};
}

/// |seen - wanted| / |wanted|, Euclidean norms.
inline double relative_error(const std::vector<float>& seen, const std::vector<double>& wanted) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    difference += (static_cast<double>(seen[i]) - wanted[i]) * (static_cast<double>(seen[i]) - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace tessera::testing
