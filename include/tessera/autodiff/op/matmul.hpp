// matmul: y = a b over the last two axes, leading axes broadcast      da = dy b^T    db = a^T dy
// linear: y = x W^T + b for x [..., in], W [out, in], b [out]         dx = dy W      dW = dy^T x      db = sum of dy over rows
// `product` carries the two transposes as flags and is closed under differentiation; nothing is ever transposed in memory.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/gemm.hpp>

namespace tessera::inline TESSERA_ISA {

/// op(a) op(b), where op transposes the last two axes if the flag says so. Throws shape_error.
template <std::floating_point T>
Tensor<T> product(const Tensor<T>& a, const Tensor<T>& b, bool transpose_a, bool transpose_b) {
  if (a.rank() < 2 || b.rank() < 2)
    throw shape_error("matmul: matrices wanted, shapes are " + a.shape().to_string() + " and " + b.shape().to_string());
  const Index m = a.extent(transpose_a ? -1 : -2), k = a.extent(transpose_a ? -2 : -1);
  const Index n = b.extent(transpose_b ? -2 : -1), kb = b.extent(transpose_b ? -1 : -2);
  if (k != kb)
    throw shape_error("matmul: inner extents differ: " + a.shape().to_string() + (transpose_a ? "^T" : "") + " x " +
                      b.shape().to_string() + (transpose_b ? "^T" : ""));
  const Index ca = a.cols(), cb = b.cols();
  const kernel::View<T> vb{b.data(), transpose_b ? 1 : cb, transpose_b ? cb : 1};
  if (b.rank() == 2 && !transpose_a) {  // leading axes of a are more rows
    Tensor<T> y(a.shape().with(-1, n));
    kernel::gemm(k == 0 ? y.size() / (n ? n : 1) : a.size() / k, n, k, kernel::View<T>{a.data(), ca, 1}, vb, y.data(),
                 n);
    return y;
  }
  Shape la = a.shape().without(-1).without(-1), lb = b.shape().without(-1).without(-1);
  const Shape lead = broadcast(la, lb, "matmul");
  Tensor<T> y(lead.append(m).append(n));
  const detail::BroadcastStrides sa(la, lead), sb(lb, lead);
  const kernel::View<T> va{a.data(), transpose_a ? 1 : ca, transpose_a ? ca : 1};
  if (la == lead && lb == lead) {
    kernel::gemm_batched(lead.size(), m, n, k, va, m * k, vb, k * n, y.data(), n, m * n);
    return y;
  }
  T* out = y.data();
  for (Index i = 0, count = lead.size(); i < count; ++i) {
    Index rest = i, ia = 0, ib = 0;
    for (int d = lead.rank() - 1; d >= 0; --d) {
      ia += rest % lead[d] * sa.stride[d];
      ib += rest % lead[d] * sb.stride[d];
      rest /= lead[d];
    }
    kernel::View<T> x = va, w = vb;
    x.data += ia * m * k;
    w.data += ib * k * n;
    kernel::gemm(m, n, k, x, w, out + i * m * n, n);
  }
  return y;
}
template <class V>
Var<V> product(const Var<V>& a, const Var<V>& b, bool ta, bool tb) {
  return a.tape()->record(
      product(a.value(), b.value(), ta, tb),
      wrt(a, [b = b.value(), s = a.shape(), ta,
              tb](const V& g) { return sum_to(ta ? product(b, g, tb, true) : product(g, b, false, !tb), s); }),
      wrt(b, [a = a.value(), s = b.shape(), ta, tb](const V& g) {
        if (s.rank() == 2 && !ta) {  // one weight for all rows: leading axes are rows of one product
          const Index k = a.cols(), n = g.cols();
          const V rows = reshape(a, {k == 0 ? 0 : a.size() / k, k});
          const V up = reshape(g, {n == 0 ? 0 : g.size() / n, n});
          return tb ? product(up, rows, true, false) : product(rows, up, true, false);
        }
        return sum_to(tb ? product(g, a, true, ta) : product(a, g, !ta, false), s);
      }));
}
/// [..., M, K] x [..., K, N] -> [..., M, N]
template <Value X>
X matmul(const X& a, const X& b) {
  return product(a, b, false, false);
}
template <class A, class B>
requires Mixed<A, B>
auto matmul(const A& a, const B& b) {
  return detail::mixed(a, b, [](const auto& x, const auto& y) { return product(x, y, false, false); });
}

namespace detail {
template <Value X>
void check_linear(const X& x, const X& w, const X* b) {
  if (w.rank() != 2 || x.rank() < 1 || x.extent(-1) != w.extent(1))
    throw shape_error("linear: input " + x.shape().to_string() + " for weight [out, in] = " + w.shape().to_string());
  if (b && b->shape() != Shape{w.extent(0)})
    throw shape_error("linear: bias " + b->shape().to_string() + " for weight [out, in] = " + w.shape().to_string());
}
}  // namespace detail

template <std::floating_point T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& b) {
  detail::check_linear(x, w, &b);
  const Index in = w.extent(1), out = w.extent(0);
  Tensor<T> y(x.shape().with(-1, out));
  kernel::gemm(out == 0 ? 0 : y.size() / out, out, in, kernel::View<T>{x.data(), in, 1},
               kernel::View<T>{w.data(), 1, in}, y.data(), out, false, kernel::AddBias<T>{b.data()});
  return y;
}
template <std::floating_point T>
Tensor<T> linear(const Tensor<T>& x, const Tensor<T>& w) {
  detail::check_linear<Tensor<T>>(x, w, nullptr);
  const Index in = w.extent(1), out = w.extent(0);
  Tensor<T> y(x.shape().with(-1, out));
  kernel::gemm(out == 0 ? 0 : y.size() / out, out, in, kernel::View<T>{x.data(), in, 1},
               kernel::View<T>{w.data(), 1, in}, y.data(), out);
  return y;
}
namespace detail {
template <Value V>
V linear_weight_adjoint(const V& g, const V& x) {  // g^T x over all rows
  const V rows = reshape(x, {x.cols() == 0 ? 0 : x.size() / x.cols(), x.cols()});
  return product(reshape(g, {rows.extent(0), g.cols()}), rows, true, false);
}
template <Value V>
V linear_bias_adjoint(const V& g) {
  return sum(reshape(g, {g.cols() == 0 ? 0 : g.size() / g.cols(), g.cols()}), {0});
}
template <Value V>
V linear_input_adjoint(const V& g, const V& w) {
  return product(g.rank() == 1 ? reshape(g, {1, g.cols()}) : g, w, false, false);
}
}  // namespace detail
template <class V>
Var<V> linear(const Var<V>& x, const Var<V>& w, const Var<V>& b) {
  return x.tape()->record(
      linear(x.value(), w.value(), b.value()), wrt(b, [](const V& g) { return detail::linear_bias_adjoint(g); }),
      wrt(w, [x = x.value()](const V& g) { return detail::linear_weight_adjoint(g, x); }),
      wrt(x, [w = w.value(), s = x.shape()](const V& g) { return reshape(detail::linear_input_adjoint(g, w), s); }));
}
template <class V>
Var<V> linear(const Var<V>& x, const Var<V>& w) {
  return x.tape()->record(
      linear(x.value(), w.value()), wrt(w, [x = x.value()](const V& g) { return detail::linear_weight_adjoint(g, x); }),
      wrt(x, [w = w.value(), s = x.shape()](const V& g) { return reshape(detail::linear_input_adjoint(g, w), s); }));
}

}  // namespace tessera::inline TESSERA_ISA
