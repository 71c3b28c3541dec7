// Softmax, log-softmax and log-sum-exp over the last axis of [rows, cols], and the adjoints of the first two.
//
//   softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m),   m = max_j x_j
//
// -inf is a masked entry: probability 0. A row of nothing but -inf gives zeros (softmax) or -inf (the other two), not
// NaN, so that a fully masked query contributes nothing. Terms below exp(-87) of the greatest count as 0 in float.
#pragma once

#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/math.hpp>
#include <tessera/kernel/reduce.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

template <class T>
T row_max(Index n, const T* x) {
  return fold<Greatest, T>(n, [x](Index i, Index count) { return load_up_to(x + i, count); });
}
template <class T>
double row_sum(Index n, const T* x) {
  return fold<Add, T>(n, [x](Index i, Index count) { return load_up_to(x + i, count); });
}
template <class T>
double row_dot(Index n, const T* a, const T* b) {
  return fold<Add, T>(n, [a, b](Index i, Index count) { return load_up_to(a + i, count) * load_up_to(b + i, count); });
}
/// sum_j exp(x_j - m), m finite.
template <class T>
double row_sum_exp(Index n, const T* x, T m) {
  return fold<Add, T>(n, [x, m](Index i, Index count) { return exp_fast(load_up_to(x + i, count) - Pack<T>(m)); });
}

}  // namespace detail

/// y may be x.
template <class T>
void softmax(Index rows, Index cols, const T* x, T* y) {
  constexpr T lowest = static_cast<T>(-__builtin_huge_val());
  parallel_for(rows, detail::rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* const in[] = {x + r * cols};
      T* out = y + r * cols;
      const T m = detail::row_max(cols, in[0]);
      if (m == lowest) {
        for (Index c = 0; c < cols; ++c) out[c] = T(0);
        continue;
      }
      detail::apply<T>(
          cols, [m](Pack<T> v) { return exp_fast(v - Pack<T>(m)); }, out, in);
      const T scale = static_cast<T>(1.0 / detail::row_sum(cols, out));
      const T* const sum_in[] = {out};
      detail::apply<T>(
          cols, [scale](Pack<T> v) { return v * Pack<T>(scale); }, out, sum_in);
    }
  });
}

/// dx = y (dy - sum_j y_j dy_j) for y = softmax(x). dx may be dy.
template <class T>
void softmax_adjoint(Index rows, Index cols, const T* y, const T* dy, T* dx) {
  parallel_for(rows, detail::rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* const in[] = {y + r * cols, dy + r * cols};
      const T inner = static_cast<T>(detail::row_dot(cols, in[0], in[1]));
      detail::apply<T>(
          cols, [inner](Pack<T> p, Pack<T> d) { return p * (d - Pack<T>(inner)); }, dx + r * cols, in);
    }
  });
}

/// y[r] = ln sum_c exp(x[r, c]).
template <class T>
void log_sum_exp(Index rows, Index cols, const T* x, T* y) {
  parallel_for(rows, detail::rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T m = detail::row_max(cols, x + r * cols);
      const bool finite = m - m == T(0);  // else the answer is m: masked row, overflow, NaN
      y[r] = finite ? static_cast<T>(static_cast<double>(m) + std::log(detail::row_sum_exp(cols, x + r * cols, m))) : m;
    }
  });
}

/// y = x - log_sum_exp(x). y may be x.
template <class T>
void log_softmax(Index rows, Index cols, const T* x, T* y) {
  constexpr T lowest = static_cast<T>(-__builtin_huge_val());
  parallel_for(rows, detail::rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* const in[] = {x + r * cols};
      T m = detail::row_max(cols, in[0]), rest = T(0);
      if (m == lowest)
        m = T(0);
      else
        rest = static_cast<T>(std::log(detail::row_sum_exp(cols, in[0], m)));
      // in two steps: x - m is exact near the greatest, where the answer is small
      detail::apply<T>(
          cols, [m, rest](Pack<T> v) { return (v - Pack<T>(m)) - Pack<T>(rest); }, y + r * cols, in);
    }
  });
}

/// dx = dy - exp(y) sum_j dy_j for y = log_softmax(x). dx may be dy.
template <class T>
void log_softmax_adjoint(Index rows, Index cols, const T* y, const T* dy, T* dx) {
  parallel_for(rows, detail::rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* const in[] = {y + r * cols, dy + r * cols};
      const T total = static_cast<T>(detail::row_sum(cols, in[1]));
      detail::apply<T>(
          cols, [total](Pack<T> p, Pack<T> d) { return fnma(exp_fast(p), Pack<T>(total), d); }, dx + r * cols, in);
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
