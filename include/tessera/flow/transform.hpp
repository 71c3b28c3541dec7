// What a coupling or an autoregressive flow does to its numbers, given the network's parameters for them:
//
//   Additive   y = x + t                       NICE (Dinh et al., 2014, arXiv 1410.8516); log_det 0
//   Affine     y = x exp(s) + t                RealNVP (Dinh et al., 2016, arXiv 1605.08803)
//   SplineMap  y = rational_quadratic(x)       neural spline flows (Durkan et al., 2019, arXiv 1906.04032)
//
// parameters(d): how many for d numbers; owner(k, d): which of them parameter k belongs to (autoregressive networks
// ask); apply(x, h, begin, d, way): columns [begin, begin + d) of x change. All parameters zero is the identity.
#pragma once

#include <tessera/flow/rational_quadratic.hpp>

namespace tessera::inline TESSERA_ISA {

struct Additive {
  Index parameters(Index d) const { return d; }
  Index owner(Index k, Index) const { return k; }

  template <Value X>
  Mapped<X> apply(const X& x, const X& h, Index begin, Index d, Direction way) const {
    const Index rest = x.extent(-1) - begin - d;
    const X shift = begin == 0 && rest == 0 ? h : pad(h, -1, begin, rest);
    return {way == Direction::forward ? x + shift : x - shift, detail::no_log_det(x)};
  }
};

struct Affine {
  double bound = 2;  // log-scales stay within +-bound

  Index parameters(Index d) const { return 2 * d; }
  Index owner(Index k, Index d) const { return k % d; }

  template <Value X>
  Mapped<X> apply(const X& x, const X& h, Index begin, Index d, Direction way) const {
    return affine(x, h, begin, d, bound, way);
  }
};

struct SplineMap {
  SplineShape shape = {};

  Index parameters(Index d) const { return d * (3 * shape.bins - 1); }
  Index owner(Index k, Index) const { return k / (3 * shape.bins - 1); }

  template <Value X>
  Mapped<X> apply(const X& x, const X& h, Index begin, Index d, Direction way) const {
    const Index cols = x.extent(-1);
    if (begin == 0 && d == cols) return rational_quadratic(x, h, shape, way);
    Mapped<X> moved = rational_quadratic(slice(x, -1, begin, begin + d), h, shape, way);
    if (begin == 0) return {concat({moved.value, slice(x, -1, d, cols)}, -1), moved.log_det};
    if (begin + d == cols) return {concat({slice(x, -1, 0, begin), moved.value}, -1), moved.log_det};
    return {concat({slice(x, -1, 0, begin), moved.value, slice(x, -1, begin + d, cols)}, -1), moved.log_det};
  }
};

}  // namespace tessera::inline TESSERA_ISA
