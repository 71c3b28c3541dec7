// matmul: y = a b over the last two axes, leading axes broadcast      da = dy b^T    db = a^T dy
// linear: y = x W^T + b for x [..., in], W [out, in], b [out]         dx = dy W      dW = dy^T x      db = sum of dy over rows
// linear_added: z = y + x W^T + b, the same and dy = dz
// `product` carries the two transposes as flags and is closed under differentiation; nothing is ever transposed in memory.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/gemm.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// [..., C] as [rows, C]: rows counted by the leading extents, which tell also where C is 0.
template <Value V>
V as_rows(const V& x) {
  return reshape(x, {x.shape().without(-1).size(), x.cols()});
}
}  // namespace detail

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
          const V rows = detail::as_rows(a), up = detail::as_rows(g);
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
  return product(as_rows(g), as_rows(x), true, false);
}
template <Value V>
V linear_bias_adjoint(const V& g) {
  return sum(as_rows(g), {0});
}
template <Value V>
V linear_input_adjoint(const V& g, const V& w) {
  return product(g.rank() == 1 ? reshape(g, {1, g.cols()}) : g, w, false, false);
}
}  // namespace detail
/// y + x W^T + b, in y's buffer where nobody else holds it: a residual or a sum of many branches without a pass of its
/// own.
template <std::floating_point T>
Tensor<T> linear_added(Tensor<T> y, const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& b) {
  detail::check_linear(x, w, &b);
  const Index in = w.extent(1), out = w.extent(0);
  if (y.shape() != x.shape().with(-1, out))
    throw shape_error("linear_added: " + y.shape().to_string() + " and the product's " +
                      x.shape().with(-1, out).to_string() + " differ");
  T* to = y.data();
  kernel::gemm(out == 0 ? 0 : y.size() / out, out, in, kernel::View<T>{x.data(), in, 1},
               kernel::View<T>{w.data(), 1, in}, to, out, true, kernel::AddBias<T>{b.data()});
  return y;
}

namespace detail {
/// Gives x its gradient g W: onto what has come together of it, where that is.
template <class V>
void give_linear_input(Tape<V>& t, std::uint32_t id, const Shape& shape, const V& g, const V& w) {
  if (id == no_gradient) return;
  if constexpr (depth_of<V> == 0) {
    using T = ScalarOf<V>;
    if (V* there = t.pending(id); there && there->unique() && g.cols() > 0 && there->shape() == shape) {
      const Index in = w.extent(1), out = w.extent(0);
      kernel::gemm(g.size() / out, in, out, kernel::View<T>{g.data(), out, 1}, kernel::View<T>{w.data(), in, 1},
                   there->data(), in, true);
      return;
    }
  }
  t.add(id, reshape(linear_input_adjoint(g, w), shape));
}
/// What a linear map owes to its operands.
template <class V>
struct LinearPull {
  std::uint32_t x_id, w_id, b_id;
  V x, w;  // only where the other's gradient is wanted
  Shape shape;

  LinearPull(const Var<V>& in, const Var<V>& weight, std::uint32_t bias)
      : x_id(in.id()),
        w_id(weight.id()),
        b_id(bias),
        x(weight.needs_gradient() ? in.value() : V()),
        w(in.needs_gradient() ? weight.value() : V()),
        shape(in.shape()) {}
  bool wanted() const { return x_id != no_gradient || w_id != no_gradient || b_id != no_gradient; }
  void operator()(Tape<V>& t, const V& g) {
    if (b_id != no_gradient) t.add(b_id, linear_bias_adjoint(g));
    if (w_id != no_gradient) t.add(w_id, linear_weight_adjoint(g, x));
    x = V();  // before the next buffer is asked for
    give_linear_input(t, x_id, shape, g, w);
  }
};
}  // namespace detail
template <class V>
Var<V> linear(const Var<V>& x, const Var<V>& w, const Var<V>& b) {
  detail::LinearPull<V> pull(x, w, b.id());
  const bool wanted = pull.wanted();
  return x.tape()->record_joint(linear(x.value(), w.value(), b.value()), wanted, std::move(pull));
}
template <class V>
Var<V> linear(const Var<V>& x, const Var<V>& w) {
  detail::LinearPull<V> pull(x, w, no_gradient);
  const bool wanted = pull.wanted();
  return x.tape()->record_joint(linear(x.value(), w.value()), wanted, std::move(pull));
}
template <class V>
Var<V> linear_added(Var<V> y, const Var<V>& x, const Var<V>& w, const Var<V>& b) {
  detail::LinearPull<V> pull(x, w, b.id());
  const bool wanted = pull.wanted() || y.needs_gradient();
  return y.tape()->record_joint(linear_added(std::move(y).value(), x.value(), w.value(), b.value()), wanted,
                                [pull = std::move(pull), id = y.id()](Tape<V>& t, V g) mutable {
                                  pull(t, g);
                                  t.add(id, std::move(g));
                                });
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> product(const Tensor<float>&, const Tensor<float>&, bool, bool);
TESSERA_INSTANCE template Var<Tensor<float>> product(const Var<Tensor<float>>&, const Var<Tensor<float>>&, bool, bool);
TESSERA_INSTANCE template Tensor<float> linear(const Tensor<float>&, const Tensor<float>&, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> linear(const Tensor<float>&, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> linear_added(Tensor<float>, const Tensor<float>&, const Tensor<float>&,
                                                     const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> linear(const Var<Tensor<float>>&, const Var<Tensor<float>>&,
                                                    const Var<Tensor<float>>&);
TESSERA_INSTANCE template Var<Tensor<float>> linear(const Var<Tensor<float>>&, const Var<Tensor<float>>&);
TESSERA_INSTANCE template Var<Tensor<float>> linear_added(Var<Tensor<float>>, const Var<Tensor<float>>&,
                                                          const Var<Tensor<float>>&, const Var<Tensor<float>>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
