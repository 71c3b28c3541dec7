// Sequences of different lengths as one tensor: [B, T] with T the greatest length, a filler after the end of each.
#pragma once

#include <span>
#include <tessera/core/tensor.hpp>
#include <vector>

namespace tessera {

/// `least`: T is at least this.
inline Tensor<std::int32_t> padded(std::span<const std::vector<std::int32_t>> rows, std::int32_t filler,
                                   Index least = 1) {
  Index longest = least;
  for (const auto& row : rows)
    longest = static_cast<Index>(row.size()) > longest ? static_cast<Index>(row.size()) : longest;
  Tensor<std::int32_t> all(Shape{static_cast<Index>(rows.size()), longest}, filler);
  std::int32_t* to = all.data();
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) to[i] = row[i];
    to += longest;
  }
  return all;
}

}  // namespace tessera
