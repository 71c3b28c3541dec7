// The affine step of couplings and autoregressive flows, fused: columns [begin, begin + d) of x change, the others
// stay.
//
//   s = b tanh(raw / b)      y = x exp(s) + t      log_det = sum of s over an item
//   inverse                  y = (x - t) exp(-s)   log_det = - sum of s
//
// raw and t are the halves of `h` [..., 2 d]. The bound b keeps exp(s) tame whatever a network says (RealNVP: Dinh et
// al., 2016, arXiv 1605.08803). Adjoints, with E = exp(s) (inverse: exp(-s)) and l the gradient of log_det:
//   forward  dx = dy E    dt = dy       ds = dy x E + l        inverse  dx = dy E    dt = -dy E    ds = -dy y - l
//   draw = ds (1 - (s / b)^2)
// One pass over memory each way where PyTorch's composition takes about ten. Second derivatives go by the composition.
#pragma once

#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/flow/bijection.hpp>

namespace tessera::inline TESSERA_ISA {

enum class Direction { forward, inverse };

namespace detail {

/// Which columns of x [items, rows, cols] a coupling changes.
struct AffineShape {
  Index items, rows, cols, begin, changed;  // rows: places an item has
};

inline AffineShape affine_shape(const Shape& x, const Shape& h, Index begin, Index changed) {
  if (x.rank() < 2 || begin < 0 || changed < 1 || begin + changed > x.back() || h != x.with(-1, 2 * changed))
    throw shape_error("affine: parameters " + h.to_string() + " for columns " + std::to_string(begin) + " to " +
                      std::to_string(begin + changed) + " of " + x.to_string() + "; wanted " +
                      (x.rank() < 2 ? "items [B, ...]" : x.with(-1, 2 * changed).to_string()));
  const Index places = x[0] == 0 || x.back() == 0 ? 0 : x.size() / (x[0] * x.back());
  return {x[0], places, x.back(), begin, changed};
}

/// Calls body(row) for all rows, an item's rows in one task.
template <class Body>
void for_each_affine_row(const AffineShape& a, const Body& body) {
  const Index cost = a.rows * a.changed + 1;
  kernel::parallel_for(a.items, 1 + 1024 / cost, [&](Index from, Index to) {
    for (Index r = from * a.rows; r < to * a.rows; ++r) body(r);
  });
}

/// y and s; log_det[item] += the sum of s with its sign.
template <class T>
void affine(const AffineShape& a, Direction way, T bound, const T* x, const T* h, T* y, T* s, T* log_det) {
  using P = kernel::Pack<T>;
  const bool ahead = way == Direction::forward;
  for (Index i = 0; i < a.items; ++i) log_det[i] = 0;
  for_each_affine_row(a, [&](Index r) {
    const T *xr = x + r * a.cols, *raw = h + r * 2 * a.changed, *t = raw + a.changed;
    T *yr = y + r * a.cols, *sr = s + r * a.changed;
    for (Index c = 0; c < a.begin; ++c) yr[c] = xr[c];
    for (Index c = a.begin + a.changed; c < a.cols; ++c) yr[c] = xr[c];
    P total(0);
    for (Index c = 0; c < a.changed; c += P::width) {
      const Index n = a.changed - c < P::width ? a.changed - c : P::width;
      const P scale = P(bound) * kernel::tanh(kernel::load_some(raw + c, n) * P(1 / bound));  // 0 in spare lanes
      const P shift = kernel::load_some(t + c, n), in = kernel::load_some(xr + a.begin + c, n);
      const P out = ahead ? fma(in, kernel::exp(scale), shift) : (in - shift) * kernel::exp(P(0) - scale);
      kernel::store_some(yr + a.begin + c, out, n);
      kernel::store_some(sr + c, scale, n);
      total = total + scale;
    }
    T lanes[P::width], sum = 0;
    total.store(lanes);
    for (const T v : lanes) sum += v;
    log_det[r / a.rows] += ahead ? sum : -sum;
  });
}

/// dx and dh from the gradient g of y. Where x or y is not needed by a direction it may be null.
template <class T>
void affine_adjoint(const AffineShape& a, Direction way, T bound, const T* x, const T* y, const T* s, const T* g, T* dx,
                    T* dh) {
  using P = kernel::Pack<T>;
  const bool ahead = way == Direction::forward;
  for_each_affine_row(a, [&](Index r) {
    const T *gr = g + r * a.cols, *sr = s + r * a.changed;
    const T* other = (ahead ? x : y) + r * a.cols + a.begin;
    T *dr = dx + r * a.cols, *draw = dh + r * 2 * a.changed, *dt = draw + a.changed;
    for (Index c = 0; c < a.begin; ++c) dr[c] = gr[c];
    for (Index c = a.begin + a.changed; c < a.cols; ++c) dr[c] = gr[c];
    for (Index c = 0; c < a.changed; c += P::width) {
      const Index n = a.changed - c < P::width ? a.changed - c : P::width;
      const P scale = kernel::load_some(sr + c, n), up = kernel::load_some(gr + a.begin + c, n);
      const P v = kernel::load_some(other + c, n), share = scale * P(1 / bound), slope = fnma(share, share, P(1));
      const P in = up * kernel::exp(ahead ? scale : P(0) - scale);
      kernel::store_some(dr + a.begin + c, in, n);
      kernel::store_some(dt + c, ahead ? up : P(0) - in, n);
      kernel::store_some(draw + c, (ahead ? in * v : P(0) - up * v) * slope, n);
    }
  });
}
/// dh from the gradient of log_det alone.
template <class T>
void affine_log_det_adjoint(const AffineShape& a, Direction way, T bound, const T* s, const T* g, T* dh) {
  using P = kernel::Pack<T>;
  for_each_affine_row(a, [&](Index r) {
    const P up(way == Direction::forward ? g[r / a.rows] : -g[r / a.rows]);
    T *draw = dh + r * 2 * a.changed, *dt = draw + a.changed;
    for (Index c = 0; c < a.changed; c += P::width) {
      const Index n = a.changed - c < P::width ? a.changed - c : P::width;
      const P share = kernel::load_some(s + r * a.changed + c, n) * P(1 / bound);
      kernel::store_some(draw + c, up * fnma(share, share, P(1)), n);
      kernel::store_some(dt + c, P(0), n);
    }
  });
}

}  // namespace detail

/// x [B, ..., C], h [B, ..., 2 changed]. Throws shape_error; argument_error unless bound > 0.
template <Value X>
Mapped<X> affine(const X& x, const X& h, Index begin, Index changed, double bound, Direction way) {
  using T = ScalarOf<X>;
  if (!(bound > 0))
    throw argument_error("affine: the bound of log-scales is " + std::to_string(bound) + "; above 0 wanted");
  const detail::AffineShape a = detail::affine_shape(x.shape(), h.shape(), begin, changed);
  const T b = static_cast<T>(bound);
  if constexpr (depth_of<X> == 0) {
    Tensor<T> y(x.shape()), s(h.shape().with(-1, changed)), log_det(Shape{a.items});
    detail::affine(a, way, b, x.data(), h.data(), y.data(), s.data(), log_det.data());
    return {std::move(y), std::move(log_det)};
  } else if constexpr (depth_of<X> == 1) {
    Tensor<T> y(x.shape()), s(h.shape().with(-1, changed)), log_det(Shape{a.items});
    detail::affine(a, way, b, x.value().data(), h.value().data(), y.data(), s.data(), log_det.data());
    Tape<Tensor<T>>& tape = *x.tape();
    const bool wanted = x.needs_gradient() || h.needs_gradient();
    const Tensor<T> other = way == Direction::forward ? x.value() : y;  // what the scale's gradient needs
    X out = tape.record_joint(
        y, wanted,
        [a, way, b, other, s, ix = x.id(), ih = h.id(), sh = h.shape()](Tape<Tensor<T>>& t, const Tensor<T>& g) {
          Tensor<T> dx(g.shape()), dh(sh);
          detail::affine_adjoint(a, way, b, other.data(), other.data(), s.data(), g.data(), dx.data(), dh.data());
          t.add(ih, std::move(dh));
          t.add(ix, std::move(dx));
        });
    X det = tape.record(log_det, wrt(h, [a, way, b, s, sh = h.shape()](const Tensor<T>& g) {
                          Tensor<T> dh(sh);
                          detail::affine_log_det_adjoint(a, way, b, s.data(), g.data(), dh.data());
                          return dh;
                        }));
    return {std::move(out), std::move(det)};
  } else {
    const X s = tanh(slice(h, -1, 0, changed) * (1 / b)) * b, t = slice(h, -1, changed, 2 * changed);
    const X in = slice(x, -1, begin, begin + changed);
    const X moved = way == Direction::forward ? in * exp(s) + t : (in - t) * exp(-s);
    const X y = concat({slice(x, -1, 0, begin), moved, slice(x, -1, begin + changed, a.cols)}, -1);
    const X total = sum(reshape(s, {a.items, a.rows * changed}), {1});
    return {y, way == Direction::forward ? total : -total};
  }
}

}  // namespace tessera::inline TESSERA_ISA
