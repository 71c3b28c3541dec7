// log p of pixels under a mixture of logistics cut into levels (PixelCNN++: Salimans et al., 2017, arXiv 1701.05517).
//
//   p(x) = sum_k softmax(w)_k prod_c P(x_c | m_kc, s_kc),      P(x | m, s) = sigmoid(b) - sigmoid(a)
//   a, b = (x - m -+ half a level) e^-s;  the lowest level has no a, the highest no b
// A later channel's mean is shifted by those before it: m_kc + sum_(j < c) tanh(r_kcj) x_j. What a network gives a
// pixel are, for K components and C channels in turn, K weights w, then C K means m, C K log-scales s, and C (C - 1) /
// 2 K shifts r, in the order (1, 0), (2, 0), (2, 1), ...
//
// Where the paper switches between three formulas, here is one that never cancels:
//   log(sigmoid(b) - sigmoid(a)) = log(1 - e^(a - b)) - softplus(a) - softplus(-b)
// It is made of ops, for the sake of derivatives of any order.
#pragma once

#include <cmath>
#include <span>
#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/log.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct LogisticMixture {
  Index components = 10, channels = 1, levels = 256;

  static constexpr double least_log_scale = -7;  // the paper's; a tenth of a level's width

  Index shifts() const { return channels * (channels - 1) / 2; }
  /// Numbers a pixel.
  Index parameters() const { return components * (1 + 2 * channels + shifts()); }
  /// Where in a pixel's numbers each part begins.
  Index mean(Index c) const { return components * (1 + c); }
  Index scale(Index c) const { return components * (1 + channels + c); }
  Index shift(Index c, Index j) const { return components * (1 + 2 * channels + c * (c - 1) / 2 + j); }
};

namespace detail {

/// 1 where x is at an end of [-1, 1], by less than half a level.
template <class T>
Tensor<T> end_levels(const Tensor<T>& x, Index levels, bool high) {
  const T half = T(1) / static_cast<T>(levels - 1);
  Tensor<T> y(x.shape());
  T* to = y.data();
  for (Index i = 0; i < x.size(); ++i) to[i] = (high ? x[i] > 1 - half : x[i] < half - 1) ? T(1) : T(0);
  return y;
}

}  // namespace detail

/// Parameters [..., parameters()], x [..., C], levels as numbers from -1 to 1 -> log p of each pixel, [...]. Throws
/// shape_error.
template <Value X>
X logistic_mixture(const X& parameters, const Tensor<ScalarOf<X>>& x, const LogisticMixture& m) {
  using T = ScalarOf<X>;
  if (parameters.rank() < 1 || parameters.cols() != m.parameters() ||
      x.shape() != parameters.shape().with(-1, m.channels))
    throw shape_error("logistic_mixture: [..., " + std::to_string(m.parameters()) + "] numbers and pixels [..., " +
                      std::to_string(m.channels) + "] wanted, shapes are " + parameters.shape().to_string() + " and " +
                      x.shape().to_string());
  const T half = T(1) / static_cast<T>(m.levels - 1);
  const auto part = [&](Index begin) { return slice(parameters, -1, begin, begin + m.components); };
  X each = log_softmax(part(0));  // [..., K]
  for (Index c = 0; c < m.channels; ++c) {
    const Tensor<T> level = slice(x, -1, c, c + 1);  // [..., 1]
    X mean = part(m.mean(c));
    for (Index j = 0; j < c; ++j) mean = mean + tanh(part(m.shift(c, j))) * slice(x, -1, j, j + 1);
    const X inverse = exp(clamp(part(m.scale(c)), static_cast<T>(LogisticMixture::least_log_scale), T(30)) * T(-1));
    const X centred = (mean * T(-1) + level) * inverse, reach = inverse * half;
    const Tensor<T> lowest = detail::end_levels(level, m.levels, false),
                    highest = detail::end_levels(level, m.levels, true);
    const Tensor<T> not_lowest = lowest * T(-1) + T(1), not_highest = highest * T(-1) + T(1);
    const X t = tanh(reach), between = log(t * T(2) / (t + T(1)));  // 1 - exp(-2 reach), without its cancellation
    each = each + between * (not_lowest * not_highest) - softplus(centred - reach) * not_lowest -
           softplus((centred + reach) * T(-1)) * not_highest;
  }
  return logsumexp(each);
}

/// For generation: the log-probabilities of all levels of the next channel, given one pixel's numbers and its channels
/// so far (their values from -1 to 1).
template <std::floating_point T>
std::vector<float> logistic_mixture_levels(std::span<const T> numbers, std::span<const T> before,
                                           const LogisticMixture& m) {
  const auto at = [&](Index i) { return static_cast<double>(numbers[static_cast<std::size_t>(i)]); };
  const auto softplus = [](double v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); };
  const double half = 1 / static_cast<double>(m.levels - 1);
  const auto log_p = [&](Index c, Index k, double x) {
    double mean = at(m.mean(c) + k);
    for (Index j = 0; j < c; ++j)
      mean += std::tanh(at(m.shift(c, j) + k)) * static_cast<double>(before[static_cast<std::size_t>(j)]);
    const double s = at(m.scale(c) + k),
                 inverse = std::exp(-(s > LogisticMixture::least_log_scale ? s : LogisticMixture::least_log_scale));
    const double a = (x - mean - half) * inverse, b = (x - mean + half) * inverse;
    const bool lowest = x<half - 1, highest = x> 1 - half;
    return (lowest || highest ? 0 : std::log(-std::expm1(a - b))) - (lowest ? 0 : softplus(a)) -
           (highest ? 0 : softplus(-b));
  };
  const auto log_sum = [](const std::vector<double>& v) {
    double top = -INFINITY, sum = 0;
    for (const double u : v) top = u > top ? u : top;
    for (const double u : v) sum += std::exp(u - top);
    return top + std::log(sum);
  };
  const auto c = static_cast<Index>(before.size());
  std::vector<double> weight;  // of each component, after what the channels so far say
  for (Index k = 0; k < m.components; ++k) {
    double w = at(k);
    for (Index j = 0; j < c; ++j) w += log_p(j, k, static_cast<double>(before[static_cast<std::size_t>(j)]));
    weight.push_back(w);
  }
  const double all = log_sum(weight);
  std::vector<float> levels;
  std::vector<double> terms(weight.size());
  for (Index level = 0; level < m.levels; ++level) {
    const double x = 2 * static_cast<double>(level) * half - 1;
    for (Index k = 0; k < m.components; ++k)
      terms[static_cast<std::size_t>(k)] = weight[static_cast<std::size_t>(k)] - all + log_p(c, k, x);
    levels.push_back(static_cast<float>(log_sum(terms)));
  }
  return levels;
}

}  // namespace tessera::inline TESSERA_ISA
