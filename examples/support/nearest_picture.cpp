#include "examples/support/nearest_picture.hpp"

#include <cmath>

#include <tessera/core/error.hpp>

namespace tessera::examples {
namespace {

/// One colour plane [H, W], blurred along x and then y; at the border the outermost pixels repeat.
void blur(std::vector<float>& plane, Index height, Index width) {
  const auto along = [&](Index lines, Index length, Index line_step, Index step) {
    for (Index l = 0; l < lines; ++l) {
      float* p = plane.data() + l * line_step;
      float before = p[0];
      for (Index i = 0; i < length; ++i) {
        const float here = p[i * step], after = p[(i + 1 < length ? i + 1 : i) * step];
        p[i * step] = 0.25f * before + 0.5f * here + 0.25f * after;
        before = here;
      }
    }
  };
  along(height, width, width, 1);
  along(width, height, 1, width);
}

float squared_distance(const float* a, const float* b, Index size) {
  constexpr Index lanes = 16;  // sums side by side, which the compiler can keep in one register
  float sums[lanes] = {};
  Index i = 0;
  for (; i + lanes <= size; i += lanes)
    for (Index k = 0; k < lanes; ++k) sums[k] += (a[i + k] - b[i + k]) * (a[i + k] - b[i + k]);
  float sum = 0;
  for (; i < size; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  for (const float s : sums) sum += s;
  return sum;
}

}  // namespace

Tensor<float> features_of(const Tensor<std::uint8_t>& pictures) {
  const Shape& s = pictures.shape();
  if (s.rank() != 4 || s[1] % 2 != 0 || s[2] % 2 != 0 || s[3] != 3)
    throw shape_error("features_of: expected pictures [N, H, W, 3] of even height and width, found " + s.to_string());
  const Index height = s[1], width = s[2], pixels = height * width;
  // Rows are the opponent axes of (r, g, b) in [0, 1].
  const float axes[3][3] = {{1 / std::sqrt(3.f), 1 / std::sqrt(3.f), 1 / std::sqrt(3.f)},
                            {1 / std::sqrt(2.f), -1 / std::sqrt(2.f), 0},
                            {1 / std::sqrt(6.f), 1 / std::sqrt(6.f), -2 / std::sqrt(6.f)}};
  Tensor<float> features(Shape{s[0], pixels / 4 * 3});
  float* to = features.data();
  std::vector<float> plane(static_cast<std::size_t>(pixels));
  for (Index n = 0; n < s[0]; ++n) {
    const std::uint8_t* picture = pictures.data() + n * pixels * 3;
    for (const auto& axis : axes) {
      for (Index p = 0; p < pixels; ++p) {
        const std::uint8_t* rgb = picture + p * 3;
        plane[static_cast<std::size_t>(p)] =
            (axis[0] * static_cast<float>(rgb[0]) + axis[1] * static_cast<float>(rgb[1]) +
             axis[2] * static_cast<float>(rgb[2])) /
            255;
      }
      blur(plane, height, width);
      for (Index y = 0; y < height; y += 2) {
        for (Index x = 0; x < width; x += 2) {
          const float* p = plane.data() + y * width + x;
          *to++ = 0.25f * (p[0] + p[1] + p[width] + p[width + 1]);
        }
      }
    }
  }
  return features;
}

std::vector<Index> NearestPicture::ranks(const Tensor<std::uint8_t>& pictures,
                                         const std::vector<Index>& answers) const {
  const Tensor<float> found = features_of(pictures);
  const Index size = features_.cols();
  std::vector<Index> ranks;
  for (Index i = 0; i < found.rows(); ++i) {
    const float* picture = found.data() + i * size;
    const Index answer = answers[static_cast<std::size_t>(i)];
    const float wanted = squared_distance(picture, features_.data() + answer * size, size);
    Index nearer = 0;  // equal features give bitwise equal distances
    for (Index c = 0; c < features_.rows(); ++c)
      nearer += squared_distance(picture, features_.data() + c * size, size) < wanted ? 1 : 0;
    ranks.push_back(nearer);
  }
  return ranks;
}

std::vector<Index> NearestPicture::nearest(const Tensor<std::uint8_t>& pictures) const {
  const Tensor<float> found = features_of(pictures);
  const Index size = features_.cols();
  std::vector<Index> nearest;
  for (Index i = 0; i < found.rows(); ++i) {
    Index best = 0;
    float least = INFINITY;
    for (Index c = 0; c < features_.rows(); ++c) {
      const float d = squared_distance(found.data() + i * size, features_.data() + c * size, size);
      if (d < least) least = d, best = c;
    }
    nearest.push_back(best);
  }
  return nearest;
}

}  // namespace tessera::examples
