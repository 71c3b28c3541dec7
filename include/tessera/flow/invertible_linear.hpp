// The invertible 1 x 1 convolution (Glow: Kingma and Dhariwal, 2018, arXiv 1807.03039): channels [.., C] through one
// matrix, y = x W^T, kept as W = P L (U + diag(s)), so that log |det W| = sum log |s| costs C additions instead of C^3.
//
// P is a permutation and sign(s) are fixed when the matrix is drawn (a random rotation); L is unit lower and U strictly
// upper triangular. Putting W together from its parts costs C^3 a call, nothing beside C^2 for each of a batch's
// pixels.
#pragma once

#include <cmath>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/flow/bijection.hpp>
#include <tessera/flow/matrix_inverse.hpp>
#include <tessera/nn/init.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct InvertibleLinear {
  struct Config {
    Index channels = 2;
  };

  Parameter<T> lower, upper, log_scale;  // [C, C] (what is not below, not above the diagonal is ignored), [C]
  Buffer<T> permutation, sign;           // [C, C], [C]

  InvertibleLinear(Config c, Rng& rng) {
    const Index n = c.channels;
    if (n < 2)
      throw argument_error("InvertibleLinear: " + std::to_string(n) +
                           " channel has nothing to mix with; wanted 2 or more");
    std::vector<double> w = rotation(n, rng);
    std::vector<Index> row(static_cast<std::size_t>(n));
    decompose(n, w, row);
    lower.value = upper.value = permutation.value = init::zeros<T>({n, n});
    log_scale.value = sign.value = init::zeros<T>({n});
    T *l = lower.value.data(), *u = upper.value.data(), *p = permutation.value.data(), *s = log_scale.value.data(),
      *g = sign.value.data();
    for (Index i = 0; i < n; ++i) {
      p[row[static_cast<std::size_t>(i)] * n + i] = 1;
      for (Index k = 0; k < n; ++k) {
        const double v = w[static_cast<std::size_t>(i * n + k)];
        if (k < i) l[i * n + k] = static_cast<T>(v);
        if (k > i) u[i * n + k] = static_cast<T>(v);
        if (k == i) s[i] = static_cast<T>(std::log(std::abs(v))), g[i] = v < 0 ? T(-1) : T(1);
      }
    }
  }

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    check(x.shape());
    return {linear(x, weight(x)), log_det(x, lift(x, log_scale))};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    check(z.shape());
    return {linear(z, matrix_inverse(weight(z))), log_det(z, -lift(z, log_scale))};
  }
  /// W, as the same kind of value as `like`.
  template <Value X>
  X weight(const X& like) const {
    const Index n = sign.value.size();
    Tensor<T> below(Shape{n, n}, T(0)), above(Shape{n, n}, T(0)), one(Shape{n, n}, T(0));
    T *b = below.data(), *a = above.data(), *o = one.data();
    for (Index i = 0; i < n * n; ++i) (i % n < i / n ? b : i % n > i / n ? a : o)[i] = 1;
    const X diagonal =
        lift(like, Tensor<T>(one * reshape(sign.value, {n, 1}))) * reshape(exp(lift(like, log_scale)), {n, 1});
    const X l = lift(like, lower) * below + one, u = lift(like, upper) * above + diagonal;
    return matmul(lift(like, permutation.value), matmul(l, u));
  }

  static void members(auto& self, auto&& see) {
    see("lower", self.lower);
    see("upper", self.upper);
    see("log_scale", self.log_scale);
    see("permutation", self.permutation);
    see("sign", self.sign);
  }

 private:
  void check(const Shape& s) const {
    if (s.rank() < 2 || s.back() != sign.value.size())
      throw shape_error("InvertibleLinear: the last axis of " + s.to_string() + " is not " +
                        std::to_string(sign.value.size()) + " channels");
  }
  template <Value X>
  static X log_det(const X& x, const X& log_scale) {
    const Index items = x.extent(0), places = items == 0 ? 0 : x.size() / (items * x.cols());
    return detail::for_each_item(sum(log_scale) * static_cast<ScalarOf<X>>(places), items);
  }
  /// Rows of normal numbers made orthonormal.
  static std::vector<double> rotation(Index n, Rng& rng) {
    const Tensor<double> normals = init::normal<double>({n, n}, 1, rng);
    std::vector<double> q(normals.data(), normals.data() + n * n);
    for (Index i = 0; i < n; ++i) {
      double* r = q.data() + i * n;
      for (int twice = 0; twice < 2; ++twice) {  // once leaves rounding errors
        for (Index k = 0; k < i; ++k) {
          const double* other = q.data() + k * n;
          double dot = 0;
          for (Index c = 0; c < n; ++c) dot += r[c] * other[c];
          for (Index c = 0; c < n; ++c) r[c] -= dot * other[c];
        }
      }
      double norm = 0;
      for (Index c = 0; c < n; ++c) norm += r[c] * r[c];
      for (Index c = 0; c < n; ++c) r[c] /= std::sqrt(norm);
    }
    return q;
  }
  /// In place: L below the diagonal, U on and above it; row i of L U is row `row[i]` of what was given.
  static void decompose(Index n, std::vector<double>& w, std::vector<Index>& row) {
    const auto at = [&](Index r, Index c) -> double& { return w[static_cast<std::size_t>(r * n + c)]; };
    for (Index i = 0; i < n; ++i) row[static_cast<std::size_t>(i)] = i;
    for (Index k = 0; k < n; ++k) {
      Index best = k;
      for (Index r = k + 1; r < n; ++r) best = std::abs(at(r, k)) > std::abs(at(best, k)) ? r : best;
      if (best != k) {
        for (Index c = 0; c < n; ++c) std::swap(at(k, c), at(best, c));
        std::swap(row[static_cast<std::size_t>(k)], row[static_cast<std::size_t>(best)]);
      }
      for (Index r = k + 1; r < n; ++r) {
        const double f = at(r, k) /= at(k, k);
        for (Index c = k + 1; c < n; ++c) at(r, c) -= f * at(k, c);
      }
    }
  }
};

}  // namespace tessera::inline TESSERA_ISA
