// What a painter of emoji can do so far: the same sixteen prompts from the same noise, so that the sheets of a run, and those of
// two models, compare.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <tessera/core/noise.hpp>
#include <tessera/core/tensor.hpp>

namespace tessera::examples {

/// Prompts and a noise for each to pictures in [-1, 1], [prompts, H, W, 3].
using PaintPrompts = std::function<Tensor<float>(const std::vector<std::string>&, const std::vector<Noise>&)>;

/// As a PNG, four by four, each with its prompt below. Throws io_error.
void write_sample_sheet(const std::string& path, const PaintPrompts& paint);

}  // namespace tessera::examples
