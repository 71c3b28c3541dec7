// The one-dimensional transforms of Winograd's F(2, 3) and F(4, 3): B^T for inputs, A^T for outputs, A, and the matrix
// G for weights. Lavin and Gray (2015, arXiv 1509.09308); F(4, 3) with the points 0, +-sqrt(1/2), +-sqrt(2), infinity.
//
// A point p gives the column (1, p, p^2, p^3) of A^T, the row (1, p, p^2) / product of (p - q) over the other finite
// points q of G, and the coefficients of that product, as a polynomial in x - q, of B^T; infinity takes the leading
// coefficients.
#pragma once

#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// The one-dimensional transforms of F(M, 3), on numbers or packs, from[i * step] to to[i * to_step]: Side outputs from
/// T inputs by R weights.
template <int M>
struct Winograd;

template <>
struct Winograd<2> {
  static constexpr int Side = 2, R = 3, T = 4;
  static constexpr float G[T][3] = {{1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};

  template <class P>
  [[gnu::always_inline]] static void weights(const P* g, int step, P* u, int to_step) {  // G
    const P even = P(0.5f) * (g[0] + g[2 * step]);
    u[0] = g[0];
    u[to_step] = fma(P(0.5f), g[step], even);
    u[2 * to_step] = fma(P(-0.5f), g[step], even);
    u[3 * to_step] = g[2 * step];
  }
  template <class P>
  [[gnu::always_inline]] static void input(const P* x, int step, P* v, int to_step) {  // B^T
    v[0] = x[0] - x[2 * step];
    v[to_step] = x[step] + x[2 * step];
    v[2 * to_step] = x[2 * step] - x[step];
    v[3 * to_step] = x[step] - x[3 * step];
  }
  template <class P>
  [[gnu::always_inline]] static void output(const P* p, int step, P* y, int to_step) {  // A^T
    y[0] = p[0] + p[step] + p[2 * step];
    y[to_step] = p[step] - p[2 * step] - p[3 * step];
  }
  template <class P>
  [[gnu::always_inline]] static void output_adjoint(const P* y, int step, P* p, int to_step) {  // A
    p[0] = y[0];
    p[to_step] = y[0] + y[step];
    p[2 * to_step] = y[0] - y[step];
    p[3 * to_step] = -y[step];
  }
};

template <>
struct Winograd<4> {
  static constexpr int Side = 4, R = 3, T = 6;
  static constexpr float a = 0.70710678118654752f, b = 1.41421356237309505f;  // the points: a^2 = 1/2, b^2 = 2
  static constexpr float a3 = a / 2, b3 = b * 2;                              // their cubes
  static constexpr float third = 1.0f / 3, G1 = -2 * third * a, G3 = third / 2 * b;
  static constexpr float G[T][3] = {
      {1, 0, 0}, {-2 * third, G1, -third}, {-2 * third, -G1, -third}, {third / 2, G3, third}, {third / 2, -G3, third},
      {0, 0, 1}};  // row of point p: (1, p, p^2) / product of (p - q) over the other points q

  template <class P>
  [[gnu::always_inline]] static void weights(const P* g, int step, P* u, int to_step) {
    const P even_a = fma(P(G[1][0]), g[0], P(G[1][2]) * g[2 * step]);
    const P even_b = fma(P(G[3][0]), g[0], P(G[3][2]) * g[2 * step]);
    u[0] = g[0];
    u[to_step] = fma(P(G1), g[step], even_a);
    u[2 * to_step] = fma(P(-G1), g[step], even_a);
    u[3 * to_step] = fma(P(G3), g[step], even_b);
    u[4 * to_step] = fma(P(-G3), g[step], even_b);
    u[5 * to_step] = g[2 * step];
  }
  template <class P>
  [[gnu::always_inline]] static void input(const P* x, int step, P* v, int to_step) {
    const P even_a = fma(P(-2.0f), x[2 * step], x[4 * step]), odd_a = P(a) * fma(P(-2.0f), x[step], x[3 * step]);
    const P even_b = fma(P(-0.5f), x[2 * step], x[4 * step]), odd_b = P(b) * fma(P(-0.5f), x[step], x[3 * step]);
    v[0] = fma(P(-2.5f), x[2 * step], x[0] + x[4 * step]);
    v[to_step] = even_a + odd_a;
    v[2 * to_step] = even_a - odd_a;
    v[3 * to_step] = even_b + odd_b;
    v[4 * to_step] = even_b - odd_b;
    v[5 * to_step] = fma(P(-2.5f), x[3 * step], x[step] + x[5 * step]);
  }
  template <class P>
  [[gnu::always_inline]] static void output(const P* p, int step, P* y, int to_step) {
    const P sum_a = p[step] + p[2 * step], difference_a = p[step] - p[2 * step];
    const P sum_b = p[3 * step] + p[4 * step], difference_b = p[3 * step] - p[4 * step];
    y[0] = p[0] + sum_a + sum_b;
    y[to_step] = fma(P(a), difference_a, P(b) * difference_b);
    y[2 * to_step] = fma(P(0.5f), sum_a, sum_b + sum_b);
    y[3 * to_step] = fma(P(a3), difference_a, fma(P(b3), difference_b, p[5 * step]));
  }
  template <class P>
  [[gnu::always_inline]] static void output_adjoint(const P* y, int step, P* p, int to_step) {
    const P even_a = fma(P(0.5f), y[2 * step], y[0]), odd_a = fma(P(a3), y[3 * step], P(a) * y[step]);
    const P even_b = fma(P(2.0f), y[2 * step], y[0]), odd_b = fma(P(b3), y[3 * step], P(b) * y[step]);
    p[0] = y[0];
    p[to_step] = even_a + odd_a;
    p[2 * to_step] = even_a - odd_a;
    p[3 * to_step] = even_b + odd_b;
    p[4 * to_step] = even_b - odd_b;
    p[5 * to_step] = y[3 * step];
  }
};

}  // namespace tessera::inline TESSERA_ISA::kernel
