// Connectionist temporal classification (Graves, Fernandez, Gomez and Schmidhuber, 2006): -log p(y | x) where each of T steps says
// a unit or a blank, and y is what is left when repeats are merged and then blanks dropped.
//
//   z = blank y_1 blank y_2 ... y_L blank                    one step stays, goes on by one, or leaps a blank between unlike units
//   alpha(t, s) = p(z_s | t) (alpha(t-1, s) + alpha(t-1, s-1) [+ alpha(t-1, s-2)])         all that can have been said so far
//   beta(t, s)  = sum over s' in {s, s+1, [s+2]} of p(z_s' | t+1) beta(t+1, s')            all that can still come
//   p(y | x) = alpha(T, last) + alpha(T, last - 1)
//   d(-log p) / d logit(t, v) = softmax(t, v) - sum over s with z_s = v of alpha(t, s) beta(t, s) / p
//
// Sums run in double, as logarithms. The adjoint is fused, for Tensors only: second derivatives throw argument_error.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <tessera/autodiff/op/softmax.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct CtcTargets {
  Tensor<std::int32_t> units;       // [B, L], -1 after the end of each
  Tensor<std::int32_t> steps = {};  // [B], how many of the T steps count; empty: all
  std::int32_t blank = 0;
};

/// What a row of units and blanks says: repeats merged, then blanks dropped.
inline std::vector<std::int32_t> ctc_collapse(std::span<const std::int32_t> path, std::int32_t blank = 0) {
  std::vector<std::int32_t> said;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != blank && (i == 0 || path[i] != path[i - 1])) said.push_back(path[i]);
  }
  return said;
}
/// The fewest steps in which these units can be said: one each, and a blank between equal ones.
inline Index ctc_steps(std::span<const std::int32_t> units) {
  Index n = static_cast<Index>(units.size());
  for (std::size_t i = 1; i < units.size(); ++i) n += units[i] == units[i - 1] ? 1 : 0;
  return n;
}

namespace detail {

inline double ctc_add(double a, double b) {  // log(exp a + exp b)
  if (a < b) std::swap(a, b);
  return b == -std::numeric_limits<double>::infinity() ? a : a + std::log1p(std::exp(b - a));
}

/// One item: log p(y), and, with `taken`, the share of each unit in each step: taken[t, v] = sum of alpha beta / p.
template <class T>
double ctc_item(Index steps, Index classes, const T* log_p, std::span<const std::int32_t> y, std::int32_t blank,
                T* taken) {
  constexpr double never = -std::numeric_limits<double>::infinity();
  const Index states = 2 * static_cast<Index>(y.size()) + 1;
  const auto label = [&](Index s) { return s % 2 == 0 ? blank : y[static_cast<std::size_t>(s / 2)]; };
  const auto leaps = [&](Index s) { return s >= 3 && s % 2 == 1 && label(s) != label(s - 2); };
  const auto say = [&](Index t, Index s) { return static_cast<double>(log_p[t * classes + label(s)]); };
  std::vector<double> alpha(static_cast<std::size_t>(steps * states), never);
  const auto at = [&](Index t, Index s) -> double& { return alpha[static_cast<std::size_t>(t * states + s)]; };
  at(0, 0) = say(0, 0);
  if (states > 1) at(0, 1) = say(0, 1);
  for (Index t = 1; t < steps; ++t) {
    for (Index s = 0; s < states; ++s) {
      double sum = at(t - 1, s);
      if (s >= 1) sum = ctc_add(sum, at(t - 1, s - 1));
      if (leaps(s)) sum = ctc_add(sum, at(t - 1, s - 2));
      at(t, s) = sum + say(t, s);
    }
  }
  const double all = states > 1 ? ctc_add(at(steps - 1, states - 1), at(steps - 1, states - 2)) : at(steps - 1, 0);
  if (!taken) return all;

  std::vector<double> beta(static_cast<std::size_t>(states), never), next(beta.size());
  beta.back() = 0;
  if (states > 1) beta[beta.size() - 2] = 0;
  for (Index t = steps - 1; t >= 0; --t) {
    for (Index s = 0; s < states; ++s)
      taken[t * classes + label(s)] += static_cast<T>(std::exp(at(t, s) + beta[static_cast<std::size_t>(s)] - all));
    if (t == 0) break;
    for (Index s = 0; s < states; ++s)
      next[static_cast<std::size_t>(s)] = beta[static_cast<std::size_t>(s)] + say(t, s);
    for (Index s = 0; s < states; ++s) {
      double sum = next[static_cast<std::size_t>(s)];
      if (s + 1 < states) sum = ctc_add(sum, next[static_cast<std::size_t>(s + 1)]);
      if (s + 2 < states && leaps(s + 2)) sum = ctc_add(sum, next[static_cast<std::size_t>(s + 2)]);
      beta[static_cast<std::size_t>(s)] = sum;
    }
  }
  return all;
}

/// The units of row b, once they are known to make sense.
inline std::span<const std::int32_t> ctc_target(const Shape& logits, const CtcTargets& y, Index b) {
  const Index most = y.units.extent(1);
  const std::int32_t* row = y.units.data() + b * most;
  Index n = 0;
  while (n < most && row[n] >= 0) ++n;
  const std::span<const std::int32_t> units(row, static_cast<std::size_t>(n));
  const std::string where = "ctc: target " + std::to_string(b);
  for (const std::int32_t u : units) {
    if (u == y.blank || u >= logits[2])
      throw argument_error(where + " holds " + std::to_string(u) + ", wanted units in [0, " +
                           std::to_string(logits[2]) + ") other than the blank, " + std::to_string(y.blank));
  }
  const Index steps = y.steps ? y.steps[b] : logits[1];
  if (steps < 1 || steps > logits[1])
    throw argument_error(where + " has " + std::to_string(steps) + " steps, wanted 1 to " + std::to_string(logits[1]));
  if (steps < ctc_steps(units))
    throw argument_error(where + " cannot be said in " + std::to_string(steps) + " steps, it wants " +
                         std::to_string(ctc_steps(units)) + " with a blank between equal units; take more steps, or " +
                         "leave it out");
  return units;
}

/// The mean of -log p; with `gradient` [B, T, V], also its derivative by the logits.
template <class T>
T ctc_mean(const Tensor<T>& logits, const CtcTargets& y, Tensor<T>* gradient) {
  const Shape& s = logits.shape();
  if (s.rank() != 3 || y.units.rank() != 2 || y.units.extent(0) != s[0] || (y.steps && y.steps.shape() != Shape{s[0]}))
    throw shape_error("ctc: logits [B, T, V], units [B, L] and steps [B] wanted, shapes are " + s.to_string() + ", " +
                      y.units.shape().to_string() + (y.steps ? ", " + y.steps.shape().to_string() : ""));
  if (y.blank < 0 || y.blank >= s[2])
    throw argument_error("ctc: the blank, " + std::to_string(y.blank) + ", is not in [0, " + std::to_string(s[2]) +
                         ")");
  const Index items = s[0], size = s[1] * s[2];
  std::vector<std::span<const std::int32_t>> targets;
  for (Index b = 0; b < items; ++b) targets.push_back(ctc_target(s, y, b));
  const Tensor<T> log_p = log_softmax(logits);
  Tensor<double> each(Shape{items});
  double* values = each.data();
  T* d = nullptr;
  if (gradient) {
    *gradient = Tensor<T>(s, T(0));
    d = gradient->data();
  }
  const T share = T(1) / static_cast<T>(items);
  kernel::parallel_for(items, 1, [&](Index begin, Index end) {
    for (Index b = begin; b < end; ++b) {
      const Index steps = y.steps ? y.steps[b] : s[1];
      const T* from = log_p.data() + b * size;
      T* to = d ? d + b * size : nullptr;
      values[b] = -ctc_item(steps, s[2], from, targets[static_cast<std::size_t>(b)], y.blank, to);
      for (Index i = 0; to && i < steps * s[2]; ++i) to[i] = (std::exp(from[i]) - to[i]) * share;
    }
  });
  double sum = 0;
  for (Index b = 0; b < items; ++b) sum += each[b];
  return static_cast<T>(sum / static_cast<double>(items));
}

}  // namespace detail

/// logits [B, T, V] -> the mean over B of -log p(target | logits). Throws argument_error for a target that cannot be
/// said in its steps.
template <std::floating_point T>
Tensor<T> ctc(const Tensor<T>& logits, const CtcTargets& y) {
  return Tensor<T>::scalar(detail::ctc_mean<T>(logits, y, nullptr));
}
template <class V>
Var<V> ctc(const Var<V>& logits, const CtcTargets& y) {
  if constexpr (depth_of<V> == 0) {
    if (!logits.needs_gradient()) return logits.tape()->constant(ctc(logits.value(), y));
    V d;
    const auto value = detail::ctc_mean<ScalarOf<V>>(logits.value(), y, &d);
    return logits.tape()->record(V::scalar(value), wrt(logits, [d](const V& g) { return d * g; }));
  } else {
    return logits.tape()->record_joint(ctc(logits.value(), y), logits.needs_gradient(), [](Tape<V>&, const V&) {
      throw argument_error("ctc: its adjoint is fused, for Tensors only, so it has no second derivative");
    });
  }
}

}  // namespace tessera::inline TESSERA_ISA
