// Is the game going wrong? What an adversarial run should tell of itself, cheap enough for a progress line.
//
//   saturation   share of scores (real and made) that are so clear that the critic's loss no longer pulls: near 1 the
//                critic has won
//   duplicates   share of made objects with another made one nearer than half the median distance at which real objects
//                have their nearest neighbour: 0 for a faithful maker, near 1 for one that has collapsed to few objects
// Mode counts are in generate/metrics/modes.hpp.
#pragma once

#include <cstdio>
#include <tessera/generate/adversarial_loss.hpp>
#include <tessera/generate/metrics/distances.hpp>

namespace tessera::inline TESSERA_ISA {

struct Diagnosis {
  double real_score = 0, made_score = 0;  // means
  double saturation = 0;                  // [0, 1]
  double duplicates = 0;                  // [0, 1]; with fewer than 3 objects a side 0
};

/// `real 1.31 made -0.87  saturated 3%  duplicates 1%`
inline std::string to_string(const Diagnosis& d) {
  char text[128];
  std::snprintf(text, sizeof text, "real %.3g made %.3g  saturated %.0f%%  duplicates %.0f%%", d.real_score,
                d.made_score, 100 * d.saturation, 100 * d.duplicates);
  return text;
}

/// Share of items of `made` [n, ...] that have a twin in it, by the scale of `real` [m, ...].
template <class T>
double duplicate_rate(const Tensor<T>& real, const Tensor<T>& made) {
  if (real.rank() < 1 || made.rank() < 1 || real.extent(0) < 3 || made.extent(0) < 3) return 0;
  std::vector<double> scale = nearest_other(as_rows(real));
  const auto middle = scale.begin() + static_cast<std::ptrdiff_t>(scale.size() / 2);
  std::nth_element(scale.begin(), middle, scale.end());
  Index twins = 0;
  for (const double d : nearest_other(as_rows(made))) twins += d < *middle / 2;
  return static_cast<double>(twins) / static_cast<double>(made.extent(0));
}

/// From the last batch's scores and objects.
template <class T>
Diagnosis diagnose(AdversarialLoss loss, const Tensor<T>& real_scores, const Tensor<T>& made_scores,
                   const Tensor<T>& real, const Tensor<T>& made) {
  Diagnosis d;
  Index clear = 0;
  const auto add = [&](const Tensor<T>& scores, bool is_real) {
    double s = 0;
    for (Index i = 0; i < scores.size(); ++i) {
      s += static_cast<double>(scores[i]);
      clear += settled(loss, static_cast<double>(scores[i]), is_real);
    }
    return scores.size() == 0 ? 0 : s / static_cast<double>(scores.size());
  };
  d.real_score = add(real_scores, true);
  d.made_score = add(made_scores, false);
  const Index n = real_scores.size() + made_scores.size();
  d.saturation = n == 0 ? 0 : static_cast<double>(clear) / static_cast<double>(n);
  d.duplicates = duplicate_rate(real, made);
  return d;
}

}  // namespace tessera::inline TESSERA_ISA
