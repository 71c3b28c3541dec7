// Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, arXiv 1708.07747) as Debian's dataset-fashion-mnist installs it:
// 60,000 and 10,000 grey pictures of 28 x 28 in ten classes, in gzipped IDX files, read where they are.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

inline constexpr const char* fashion_folder = "/usr/share/datasets/fashion-mnist";
inline constexpr std::array<const char*, 10> fashion_classes = {"T-shirt", "trousers", "pullover", "dress", "coat",
                                                                "sandal",  "shirt",    "sneaker",  "bag",   "boot"};

enum class FashionPart { train, test };

struct Fashion {
  Tensor<std::uint8_t> pictures;  // [N, 28, 28, 1]
  Tensor<std::int32_t> labels;    // [N] in [0, 10)
};

/// Throws io_error; where files are missing it says which package brings them.
Fashion read_fashion(FashionPart part, const std::string& folder = fashion_folder);
/// For tests that pass over where the package is not installed.
bool fashion_installed(const std::string& folder = fashion_folder);

/// Levels 0 to 255 as shares of white, [0, 1]: what a Bernoulli likelihood takes.
Tensor<float> in_unit_interval(const Tensor<std::uint8_t>& levels);

/// [B, 10]: 1 where the label is.
inline Tensor<float> one_hot(const Tensor<std::int32_t>& labels, Index classes = 10) {
  Tensor<float> y(Shape{labels.size(), classes}, 0.f);
  float* to = y.data();
  for (Index i = 0; i < labels.size(); ++i) to[i * classes + labels[i]] = 1;
  return y;
}

/// One gzipped IDX file of bytes: the extents its header tells and as many values. Nothing is believed before it is
/// there. Throws io_error that names file, field, what was expected and what was found.
Tensor<std::uint8_t> read_idx(const std::string& path);

}  // namespace tessera::examples
