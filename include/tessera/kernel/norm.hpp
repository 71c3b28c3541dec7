// Normalisation of rows with adjoints: layer norm (Ba et al. 2016, arXiv 1607.06450) and RMS norm (Zhang and Sennrich
// 2019, arXiv 1910.07467). Over groups of channels and over the batch: kernel/group_norm.hpp, included here.
//
//   y = (x - mean) rstd gain + bias,   rstd = 1 / sqrt(variance + eps);   RMS norm: mean = bias = 0
//
// An offset far larger than the spread costs no accuracy: means are sums of x - x[0], variances a second pass over x -
// mean, and what a float cannot hold of the mean is taken off too. gain and bias may be null.
#pragma once

#include <cmath>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/group_norm.hpp>
#include <tessera/kernel/reduce.hpp>
#include <tessera/kernel/scratch.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

template <class T>
double row_mean(Index n, const T* x) {
  const T first = n > 0 ? *x : T(0);
  const double rest =
      fold<Add, T>(n, [x, first](Index i, Index count) { return load_up_to(x + i, count) - Pack<T>(first); });
  return static_cast<double>(first) + rest / static_cast<double>(n);
}

/// Layer norm (centred) or RMS norm of each row.
template <bool centred, class T>
void norm_rows(Index rows, Index cols, const T* x, const T* gain, const T* bias, double eps, T* y, T* mean, T* rstd) {
  const Scratch<T> ones(gain ? 0 : cols), zeros(bias ? 0 : cols);  // for what is not there: one loop for all cases
  for (Index c = 0; !gain && c < cols; ++c) ones[c] = T(1);
  for (Index c = 0; !bias && c < cols; ++c) zeros[c] = T(0);
  const T *const g = gain ? gain : ones.data(), *const b = bias ? bias : zeros.data();
  parallel_for(rows, rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* row = x + r * cols;
      const double n = static_cast<double>(cols), exact = centred ? row_mean(cols, row) : 0.0;
      const T m = static_cast<T>(exact);
      const double left = exact - static_cast<double>(m);  // what T could not hold: it shows where |mean| >> spread
      const double square = fold<Add, T>(cols, [row, m](Index i, Index count) {
        const Pack<T> d = centred ? load_up_to(row + i, count) - Pack<T>(m) : load_up_to(row + i, count);
        return d * d;
      });
      const double variance = square / n - left * left;
      const T s = static_cast<T>(1.0 / std::sqrt((variance > 0.0 ? variance : 0.0) + eps)), low = static_cast<T>(left);
      const T* const in[] = {row, g, b};
      apply<T>(
          cols,
          [=](Pack<T> v, Pack<T> scale, Pack<T> shift) {
            const Pack<T> h = centred ? ((v - Pack<T>(m)) - Pack<T>(low)) * Pack<T>(s) : v * Pack<T>(s);
            return fma(h, scale, shift);
          },
          y + r * cols, in);
      if (mean) mean[r] = m;
      if (rstd) rstd[r] = s;
    }
  });
}

/// With h = (x - mean) rstd and d = dy gain:  dx = rstd (d - avg(d) - h avg(d h)), without avg(d) for RMS norm;
/// dgain = sum over rows of dy h, dbias = sum over rows of dy. dx may be dy; dgain and dbias may be null. Of a layer
/// norm, mean may be null too: then x is h, what came out of one without gain and bias.
template <bool centred, class T>
void norm_rows_adjoint(Index rows, Index cols, const T* x, const T* gain, const T* mean, const T* rstd, const T* dy,
                       T* dx, T* dgain, T* dbias) {
  const bool is_h = centred && !mean;
  if (dbias) sum_rows(rows, cols, dy, dbias);
  if (dgain) {
    fold_columns<Add>(
        rows, cols,
        [=](Index r, Index c, Index count) {
          const Pack<T> v = load_up_to(x + r * cols + c, count), m(mean ? mean[r] : T(0));
          return load_up_to(dy + r * cols + c, count) * ((v - m) * Pack<T>(is_h ? T(1) : rstd[r]));
        },
        dgain);
  }
  parallel_for(rows, rows_together(cols), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const T* row = x + r * cols;
      const T* d = dy + r * cols;
      const T s = rstd[r], m = mean ? mean[r] : T(0), to_h = is_h ? T(1) : s;
      const auto scaled = [=](Index i, Index count) {
        const Pack<T> v = load_up_to(d + i, count);
        return gain ? v * load_up_to(gain + i, count) : v;
      };
      const double n = static_cast<double>(cols);
      const T average = centred ? static_cast<T>(fold<Add, T>(cols, scaled) / n) : T(0);
      const T along = static_cast<T>(fold<Add, T>(cols,
                                                  [=](Index i, Index count) {
                                                    return scaled(i, count) *
                                                           ((load_up_to(row + i, count) - Pack<T>(m)) * Pack<T>(to_h));
                                                  }) /
                                     n);
      const auto rule = [=](Pack<T> v, Pack<T> g) {
        const Pack<T> h = (v - Pack<T>(m)) * Pack<T>(to_h);
        return Pack<T>(s) * fnma(h, Pack<T>(along), g - Pack<T>(average));
      };
      const T *const in[] = {row, d}, *const in_gain[] = {row, d, gain};
      if (gain)
        apply<T>(
            cols, [&](Pack<T> v, Pack<T> u, Pack<T> g) { return rule(v, u * g); }, dx + r * cols, in_gain);
      else
        apply<T>(cols, rule, dx + r * cols, in);
    }
  });
}

}  // namespace detail

// ---- over rows [rows, cols]

template <class T>
void layer_norm(Index rows, Index cols, const T* x, const T* gain, const T* bias, double eps, T* y, T* mean, T* rstd) {
  detail::norm_rows<true>(rows, cols, x, gain, bias, eps, y, mean, rstd);
}
template <class T>
void layer_norm_adjoint(Index rows, Index cols, const T* x, const T* gain, const T* mean, const T* rstd, const T* dy,
                        T* dx, T* dgain, T* dbias) {
  detail::norm_rows_adjoint<true>(rows, cols, x, gain, mean, rstd, dy, dx, dgain, dbias);
}

template <class T>
void rms_norm(Index rows, Index cols, const T* x, const T* gain, double eps, T* y, T* rstd) {
  detail::norm_rows<false, T>(rows, cols, x, gain, nullptr, eps, y, nullptr, rstd);
}
template <class T>
void rms_norm_adjoint(Index rows, Index cols, const T* x, const T* gain, const T* rstd, const T* dy, T* dx, T* dgain) {
  detail::norm_rows_adjoint<false, T>(rows, cols, x, gain, nullptr, rstd, dy, dx, dgain, nullptr);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
