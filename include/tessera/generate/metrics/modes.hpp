// How many modes of a distribution a generator reaches, where they are known: as places, or as classes that a
// classifier tells.
#pragma once

#include <tessera/generate/metrics/distances.hpp>

namespace tessera::inline TESSERA_ISA {

struct ModeCount {
  Index covered = 0;             // modes with at least `least` samples
  Index modes = 0;               // of so many
  double near = 0;               // share of samples within the radius of a mode (1 for classes)
  std::vector<Index> hits = {};  // samples of each mode
};

/// `8/8 modes, 97% near one`
inline std::string to_string(const ModeCount& m) {
  return std::to_string(m.covered) + "/" + std::to_string(m.modes) + " modes, " +
         std::to_string(static_cast<int>(100 * m.near)) + "% near one";
}

namespace detail {
inline void count_covered(ModeCount& m, Index least) {
  for (const Index h : m.hits) m.covered += h >= least;
}
}  // namespace detail

/// samples [n, d], modes [k, d]: a sample belongs to its nearest mode, if that is no further than the radius.
template <class T>
ModeCount count_modes(const Tensor<T>& samples, const Tensor<T>& modes, double radius, Index least = 1) {
  detail::check_features("count_modes", samples, modes, 1);
  ModeCount m{.modes = modes.extent(0), .hits = std::vector<Index>(static_cast<std::size_t>(modes.extent(0)))};
  const Index d = samples.cols();
  Index near = 0;
  for (Index i = 0; i < samples.extent(0); ++i) {
    double best = std::numeric_limits<double>::infinity();
    std::size_t which = 0;
    for (Index k = 0; k < m.modes; ++k) {  // differences first: the product formula is not exact enough for small radii
      double s = 0;
      for (Index c = 0; c < d; ++c) {
        const double off = static_cast<double>(samples[i * d + c]) - static_cast<double>(modes[k * d + c]);
        s += off * off;
      }
      if (s < best) {
        best = s;
        which = static_cast<std::size_t>(k);
      }
    }
    if (best > radius * radius) continue;  // a NaN is near nothing
    ++near;
    if (best <= radius * radius) ++m.hits[which];
  }
  m.near = static_cast<double>(near) / static_cast<double>(samples.extent(0));
  detail::count_covered(m, least);
  return m;
}

/// The index of each row's largest number: logits [n, k] -> [n].
template <class T>
Tensor<std::int32_t> most_likely(const Tensor<T>& logits) {
  if (logits.rank() != 2 || logits.cols() < 1)
    throw shape_error("most_likely: logits [n, k] wanted, shape is " + logits.shape().to_string());
  Tensor<std::int32_t> best(Shape{logits.extent(0)});
  std::int32_t* to = best.data();
  for (Index i = 0; i < logits.extent(0); ++i) {
    const T* row = logits.data() + i * logits.cols();
    Index top = 0;
    for (Index k = 1; k < logits.cols(); ++k) {
      if (row[k] > row[top]) top = k;
    }
    to[i] = static_cast<std::int32_t>(top);
  }
  return best;
}

/// The same for classes: `labels` [n] in [0, classes), as a classifier says.
inline ModeCount count_classes(const Tensor<std::int32_t>& labels, Index classes, Index least = 1) {
  ModeCount m{.modes = classes, .near = 1, .hits = std::vector<Index>(static_cast<std::size_t>(classes))};
  for (Index i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      throw argument_error("count_classes: label " + std::to_string(labels[i]) + " is not in [0, " +
                           std::to_string(classes) + ")");
    ++m.hits[static_cast<std::size_t>(labels[i])];
  }
  detail::count_covered(m, least);
  return m;
}

/// Prompt agreement: the share of objects that a classifier takes for what was asked for.
template <class T>
double agreement(const Tensor<T>& logits, const Tensor<std::int32_t>& asked) {
  const Tensor<std::int32_t> seen = most_likely(logits);
  if (seen.shape() != asked.shape() || asked.size() == 0)
    throw shape_error("agreement: " + logits.shape().to_string() + " logits for " + asked.shape().to_string() +
                      " labels");
  Index same = 0;
  for (Index i = 0; i < asked.size(); ++i) same += seen[i] == asked[i];
  return static_cast<double>(same) / static_cast<double>(asked.size());
}

}  // namespace tessera::inline TESSERA_ISA
