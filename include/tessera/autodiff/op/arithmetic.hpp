// + - * / on values that broadcast, and with plain numbers.
//
//   y = a + b    da = dy         db = dy
//   y = a - b    da = dy         db = -dy
//   y = a b      da = dy b       db = dy a
//   y = a / b    da = dy / b     db = -dy y / b
// Gradients of broadcast operands are summed back to their shape. Adjoints are made of these same ops: any order of derivative.
#pragma once

#include <tessera/autodiff/op/reduce.hpp>

namespace tessera::inline TESSERA_ISA {

// ---- tensors

template <std::floating_point T>
Tensor<T> operator+(Tensor<T> a, const Tensor<T>& b) {
  return detail::zip("add", std::move(a), b, [](detail::Pack<T> x, detail::Pack<T> y) { return x + y; });
}
template <std::floating_point T>
Tensor<T> operator-(Tensor<T> a, const Tensor<T>& b) {
  return detail::zip("subtract", std::move(a), b, [](detail::Pack<T> x, detail::Pack<T> y) { return x - y; });
}
template <std::floating_point T>
Tensor<T> operator*(Tensor<T> a, const Tensor<T>& b) {
  return detail::zip("multiply", std::move(a), b, [](detail::Pack<T> x, detail::Pack<T> y) { return x * y; });
}
template <std::floating_point T>
Tensor<T> operator/(Tensor<T> a, const Tensor<T>& b) {
  return detail::zip("divide", std::move(a), b, [](detail::Pack<T> x, detail::Pack<T> y) { return x / y; });
}
template <std::floating_point T>
Tensor<T> operator*(Tensor<T> a, std::type_identity_t<T> s) {
  return detail::map(std::move(a), [s](detail::Pack<T> x) { return x * detail::Pack<T>(s); });
}
template <std::floating_point T>
Tensor<T> operator+(Tensor<T> a, std::type_identity_t<T> s) {
  return detail::map(std::move(a), [s](detail::Pack<T> x) { return x + detail::Pack<T>(s); });
}
/// s / a
template <std::floating_point T>
Tensor<T> operator/(std::type_identity_t<T> s, Tensor<T> a) {
  return detail::map(std::move(a), [s](detail::Pack<T> x) { return detail::Pack<T>(s) / x; });
}

// dst += g, in place when the buffer is not shared
template <std::floating_point T>
void accumulate(Tensor<T>& dst, Tensor<T> g) {
  if (!dst)
    dst = std::move(g);
  else if (!dst.unique() && g.unique() && dst.shape() == g.shape())
    dst = std::move(g) + dst;
  else
    dst = std::move(dst) + g;
}

// ---- recorded

namespace detail {
/// a + b, in b's buffer where that is the one nobody else holds.
template <Value V>
V add_either(V a, V b) {
  if constexpr (depth_of<V> == 0) {
    if (!a.unique() && b.unique() && a.shape() == b.shape()) return std::move(b) + a;
  }
  return std::move(a) + b;
}
}  // namespace detail
template <class V>
Var<V> operator+(Var<V> a, Var<V> b) {
  const Shape sa = a.shape(), sb = b.shape();
  return a.tape()->record(detail::add_either(std::move(a).value(), std::move(b).value()),
                          wrt(a, [sa](V g) { return sum_to(std::move(g), sa); }),
                          wrt(b, [sb](V g) { return sum_to(std::move(g), sb); }));
}
template <class V>
Var<V> operator-(Var<V> a, const Var<V>& b) {
  const Shape sa = a.shape();
  return a.tape()->record(std::move(a).value() - b.value(), wrt(a, [sa](V g) { return sum_to(std::move(g), sa); }),
                          wrt(b, [s = b.shape()](V g) { return sum_to(-std::move(g), s); }));
}
template <class V>
Var<V> operator*(const Var<V>& a, const Var<V>& b) {
  // Each side keeps the other's value, but only where its own gradient is wanted.
  return a.tape()->record(
      a.value() * b.value(),
      wrt(a, [b = a.needs_gradient() ? b.value() : V(), s = a.shape()](V g) { return sum_to(std::move(g) * b, s); }),
      wrt(b, [a = b.needs_gradient() ? a.value() : V(), s = b.shape()](V g) { return sum_to(std::move(g) * a, s); }));
}
template <class V>
Var<V> operator/(const Var<V>& a, const Var<V>& b) {
  V y = a.value() / b.value();
  return a.tape()->record(
      y, wrt(a, [b = b.value(), s = a.shape()](V g) { return sum_to(std::move(g) / b, s); }),
      wrt(b, [y, b = b.value(), s = b.shape()](V g) { return sum_to(-(std::move(g) * y / b), s); }));
}
template <class V>
Var<V> operator*(Var<V> a, ScalarOf<V> s) {
  return a.tape()->record(std::move(a).value() * s, wrt(a, [s](V g) { return std::move(g) * s; }));
}
template <class V>
Var<V> operator+(Var<V> a, ScalarOf<V> s) {
  return a.tape()->record(std::move(a).value() + s, wrt(a, [](V g) { return g; }));
}
template <class V>
Var<V> operator/(ScalarOf<V> s, const Var<V>& a) {
  V y = s / a.value();
  return a.tape()->record(y, wrt(a, [y, a = a.value()](V g) { return -(std::move(g) * y / a); }));
}
template <class V>
void accumulate(Var<V>& dst, Var<V> g) {
  dst = dst ? dst + g : std::move(g);
}

// ---- both

template <Value X>
X operator-(X x) {
  return std::move(x) * ScalarOf<X>(-1);
}
template <Value X>
X operator-(X x, std::type_identity_t<ScalarOf<X>> s) {
  return std::move(x) + (-s);
}
template <Value X>
X operator+(std::type_identity_t<ScalarOf<X>> s, X x) {
  return std::move(x) + s;
}
template <Value X>
X operator-(std::type_identity_t<ScalarOf<X>> s, X x) {
  return std::move(x) * ScalarOf<X>(-1) + s;
}
template <Value X>
X operator*(std::type_identity_t<ScalarOf<X>> s, X x) {
  return std::move(x) * s;
}
template <Value X>
X operator/(X x, std::type_identity_t<ScalarOf<X>> s) {
  return std::move(x) * (ScalarOf<X>(1) / s);
}

// A Tensor beside a Var takes part as a constant of its tape.
template <class A, class B>
concept Mixed = Value<A> && Value<B> &&(depth_of<A> != depth_of<B>);
namespace detail {
template <class A, class B, class Fn>
auto mixed(const A& a, const B& b, Fn f) {
  if constexpr ((depth_of<A>) > (depth_of<B>))
    return f(a, lift(a, b));
  else
    return f(lift(b, a), b);
}
}  // namespace detail
template <class A, class B>
requires Mixed<A, B>
auto operator+(const A& a, const B& b) {
  return detail::mixed(a, b, [](const auto& x, const auto& y) { return x + y; });
}
template <class A, class B>
requires Mixed<A, B>
auto operator-(const A& a, const B& b) {
  return detail::mixed(a, b, [](const auto& x, const auto& y) { return x - y; });
}
template <class A, class B>
requires Mixed<A, B>
auto operator*(const A& a, const B& b) {
  return detail::mixed(a, b, [](const auto& x, const auto& y) { return x * y; });
}
template <class A, class B>
requires Mixed<A, B>
auto operator/(const A& a, const B& b) {
  return detail::mixed(a, b, [](const auto& x, const auto& y) { return x / y; });
}

// ---- means

/// Mean over axes.
template <Value X>
X mean(const X& x, Axes axes = Axes::all(), bool keep = false) {
  const Index n = detail::reduced_count(x.shape(), axes.mask(x.shape()));
  if (n == 0) throw shape_error("mean: nothing to average in " + x.shape().to_string());
  return sum(x, axes, keep) * (ScalarOf<X>(1) / static_cast<ScalarOf<X>>(n));
}
/// Variance over axes, the sum of squared deviations divided by n - correction.
template <Value X>
X var(const X& x, Axes axes = Axes::all(), bool keep = false, Index correction = 0) {
  const Index n = detail::reduced_count(x.shape(), axes.mask(x.shape())) - correction;
  if (n <= 0) throw shape_error("var: too few elements in " + x.shape().to_string());
  const X d = x - mean(x, axes, true);
  return sum(d * d, axes, keep) * (ScalarOf<X>(1) / static_cast<ScalarOf<X>>(n));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> operator+(Tensor<float>, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> operator-(Tensor<float>, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> operator*(Tensor<float>, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> operator/(Tensor<float>, const Tensor<float>&);
TESSERA_INSTANCE template Tensor<float> operator*<float>(Tensor<float>, float);
TESSERA_INSTANCE template Tensor<float> operator+<float>(Tensor<float>, float);
TESSERA_INSTANCE template Tensor<float> operator/<float>(float, Tensor<float>);
TESSERA_INSTANCE template void accumulate(Tensor<float>&, Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> operator+(Var<Tensor<float>>, Var<Tensor<float>>);
TESSERA_INSTANCE template Var<Tensor<float>> operator-(Var<Tensor<float>>, const Var<Tensor<float>>&);
TESSERA_INSTANCE template Var<Tensor<float>> operator*(const Var<Tensor<float>>&, const Var<Tensor<float>>&);
TESSERA_INSTANCE template Var<Tensor<float>> operator/(const Var<Tensor<float>>&, const Var<Tensor<float>>&);
TESSERA_INSTANCE template Var<Tensor<float>> operator*<Tensor<float>>(Var<Tensor<float>>, float);
TESSERA_INSTANCE template Var<Tensor<float>> operator+<Tensor<float>>(Var<Tensor<float>>, float);
#endif

}  // namespace tessera::inline TESSERA_ISA
