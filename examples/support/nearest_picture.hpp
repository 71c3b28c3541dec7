// Which of many pictures is a given one most like? By Euclidean distance in a feature space that knows nothing of any
// model:
//
//   colours on opponent axes, (r + g + b) / sqrt 3, (r - g) / sqrt 2, (r + g - 2 b) / sqrt 6: a rotation;
//   blurred by the binomial [1 2 1] / 4 both ways and averaged over squares of 2 x 2 pixels: small shifts count little.
//
// What it is worth is measured by `score_paint --perturb`.
#pragma once

#include <string>
#include <vector>

#include <tessera/core/tensor.hpp>

namespace tessera::examples {

/// The features of pictures [N, H, W, 3], H and W even: [N, H / 2 * W / 2 * 3].
Tensor<float> features_of(const Tensor<std::uint8_t>& pictures);

class NearestPicture {
 public:
  explicit NearestPicture(const Tensor<std::uint8_t>& candidates) : features_(features_of(candidates)) {}

  /// For each picture how many candidates are nearer than the one it should be, answers[i]. Candidates that look
  /// exactly like the answer are not nearer.
  std::vector<Index> ranks(const Tensor<std::uint8_t>& pictures, const std::vector<Index>& answers) const;
  /// The nearest candidate of each picture.
  std::vector<Index> nearest(const Tensor<std::uint8_t>& pictures) const;

 private:
  Tensor<float> features_;
};

}  // namespace tessera::examples
