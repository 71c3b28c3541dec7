// Euclidean distances between rows, which the metrics over features stand on. Squares are summed in float or double as
// the features are, |a - b|^2 = |a|^2 + |b|^2 - 2 a b by one matrix product, in blocks of rows so that memory stays
// small.
//
// The formula cancels where a and b are close and far from the origin: features are centred on the second set's mean
// first.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <tessera/autodiff/op/matmul.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// [n, ...] as [n, d].
template <class T>
Tensor<T> as_rows(const Tensor<T>& x) {
  if (x.rank() < 1) throw shape_error("features: [n, d] wanted, shape is " + x.shape().to_string());
  const Index n = x.extent(0);
  return x.reshaped({n, n == 0 ? 0 : x.size() / n});
}

namespace detail {
/// Throws shape_error unless both are [n, d] and [m, d] with at least `least` rows.
template <class T>
void check_features(const char* metric, const Tensor<T>& a, const Tensor<T>& b, Index least) {
  if (a.rank() != 2 || b.rank() != 2 || a.cols() != b.cols())
    throw shape_error(std::string(metric) + ": features [n, d] and [m, d] wanted, shapes are " + a.shape().to_string() +
                      " and " + b.shape().to_string());
  if (a.extent(0) < least || b.extent(0) < least || a.cols() < 1)
    throw shape_error(std::string(metric) + ": at least " + std::to_string(least) +
                      " rows a side are needed, shapes are " + a.shape().to_string() + " and " + b.shape().to_string());
}
template <class T>
std::vector<double> squared_lengths(const Tensor<T>& x) {
  std::vector<double> lengths;
  for (Index i = 0; i < x.extent(0); ++i) {
    const T* row = x.data() + i * x.cols();
    double s = 0;
    for (Index k = 0; k < x.cols(); ++k) s += static_cast<double>(row[k]) * static_cast<double>(row[k]);
    lengths.push_back(s);
  }
  return lengths;
}
}  // namespace detail

/// Calls see(i, squared) with row i's squared distances to all rows of b (m of them), for i = 0 ... n - 1.
template <class T, class See>
void for_each_distance_row(Tensor<T> a, Tensor<T> b, const See& see) {
  detail::check_features("distances", a, b, 1);
  const Tensor<T> middle = mean(b, {0}, true);
  a = std::move(a) - middle;
  b = std::move(b) - middle;
  const Index n = a.extent(0), m = b.extent(0), d = a.cols(), block = 256;
  const std::vector<double> la = detail::squared_lengths(a), lb = detail::squared_lengths(b);
  std::vector<double> row(static_cast<std::size_t>(m));
  for (Index begin = 0; begin < n; begin += block) {
    const Index end = begin + block < n ? begin + block : n;
    Tensor<T> part(Shape{end - begin, d});
    std::memcpy(part.data(), std::as_const(a).data() + begin * d,
                static_cast<std::size_t>((end - begin) * d) * sizeof(T));
    const Tensor<T> dots = product(part, b, false, true);
    for (Index i = begin; i < end; ++i) {
      const T* dot = dots.data() + (i - begin) * m;
      for (Index j = 0; j < m; ++j) {
        const auto k = static_cast<std::size_t>(j);
        const double s = la[static_cast<std::size_t>(i)] + lb[k] - 2 * static_cast<double>(dot[j]);
        row[k] = s > 0 ? s : 0;
      }
      see(i, row);
    }
  }
}

/// Each row's distance to the nearest other row of x [n, d].
template <class T>
std::vector<double> nearest_other(const Tensor<T>& x) {
  std::vector<double> nearest;
  for_each_distance_row(x, x, [&](Index i, const std::vector<double>& squared) {
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < squared.size(); ++j) {
      if (j != static_cast<std::size_t>(i) && squared[j] < best) best = squared[j];
    }
    nearest.push_back(std::sqrt(best));
  });
  return nearest;
}

}  // namespace tessera::inline TESSERA_ISA
