// Choice by comparison. Masks are tensors of 0 and 1 and carry no gradient.
//
//   greater(a, b), less(a, b), equal(a, b): 1 where it holds
//   where(m, a, b): a where m is not 0, b elsewhere       da = m dy, db = (1 - m) dy
//   maximum, minimum: elementwise; a tie gives the gradient to a
//   clamp(x, lo, hi): dx = dy where lo <= x <= hi
//   abs: dx = dy sign(x), 0 at 0
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
template <class T, class Test>
Tensor<T> compare(const char* op, const Tensor<T>& a, const Tensor<T>& b, Test test) {
  return zip(op, a, b, [test](Pack<T> x, Pack<T> y) { return select(test(x, y), Pack<T>(1), Pack<T>(0)); });
}
}  // namespace detail

template <Value A, Value B>
auto greater(const A& a, const B& b) {
  return detail::compare("greater", plain(a), plain(b), [](auto x, auto y) { return x > y; });
}
template <Value A, Value B>
auto less(const A& a, const B& b) {
  return greater(b, a);
}
template <Value A, Value B>
auto equal(const A& a, const B& b) {
  return detail::compare("equal", plain(a), plain(b), [](auto x, auto y) { return x == y; });
}

/// Mask, a and b broadcast to one shape.
template <std::floating_point T, Value X>
X where(const Tensor<T>& mask, const X& a, const X& b) {
  if constexpr (depth_of<X> == 0) {
    const Shape s = broadcast(mask.shape(), broadcast(a.shape(), b.shape(), "where"), "where");
    using P = detail::Pack<T>;
    return detail::zip3(broadcast_to(mask, s), broadcast_to(a, s), broadcast_to(b, s),
                        [](P m, P x, P y) { return select(m == P(0), y, x); });
  } else {
    using V = typename X::Inner;
    return a.tape()->record(where(mask, a.value(), b.value()),
                            wrt(a, [mask, s = a.shape()](V g) { return sum_to(where(mask, g, g * T(0)), s); }),
                            wrt(b, [mask, s = b.shape()](V g) { return sum_to(where(mask, g * T(0), g), s); }));
  }
}
template <Value X>
X maximum(const X& a, const X& b) {
  if constexpr (depth_of<X> == 0) {
    using P = detail::Pack<ScalarOf<X>>;
    return detail::zip("maximum", a, b, [](P x, P y) { return select(x < y, y, x); });
  } else {
    return where(less(a, b), b, a);
  }
}
template <Value X>
X minimum(const X& a, const X& b) {
  if constexpr (depth_of<X> == 0) {
    using P = detail::Pack<ScalarOf<X>>;
    return detail::zip("minimum", a, b, [](P x, P y) { return select(x > y, y, x); });
  } else {
    return where(greater(a, b), b, a);
  }
}
/// Throws argument_error when lo > hi.
template <Value X>
X clamp(const X& x, std::type_identity_t<ScalarOf<X>> lo, std::type_identity_t<ScalarOf<X>> hi) {
  if (!(lo <= hi))
    throw argument_error("clamp: the lower bound " + std::to_string(lo) + " is above " + std::to_string(hi));
  using P = detail::Pack<ScalarOf<X>>;
  if constexpr (depth_of<X> == 0) {
    return detail::map(x, [lo, hi](P v) { return max(min(v, P(hi)), P(lo)); });
  } else {
    using V = typename X::Inner;
    return x.tape()->record(clamp(x.value(), lo, hi), wrt(x, [lo, hi, at = plain(x)](V g) {
                              const auto inside = detail::map(
                                  at, [lo, hi](P v) { return select(v < P(lo), P(0), select(v > P(hi), P(0), P(1))); });
                              return std::move(g) * inside;
                            }));
  }
}
template <Value X>
X abs(const X& x) {
  using P = detail::Pack<ScalarOf<X>>;
  if constexpr (depth_of<X> == 0) {
    return detail::map(x, [](P v) { return kernel::abs(v); });
  } else {
    using V = typename X::Inner;
    return x.tape()->record(abs(x.value()), wrt(x, [at = plain(x)](V g) {
                              const auto sign = detail::map(
                                  at, [](P v) { return select(v > P(0), P(1), select(v < P(0), P(-1), P(0))); });
                              return std::move(g) * sign;
                            }));
  }
}
/// Maximum over axes; the gradient is shared equally among the places that attain it.
template <Value X>
X max(const X& x, Axes axes = Axes::all(), bool keep = false) {
  const unsigned mask = axes.mask(x.shape());
  const Shape out = keep ? detail::kept(x.shape(), mask) : detail::dropped(x.shape(), mask);
  if constexpr (depth_of<X> == 0) {
    return detail::max_keep(x, mask).reshaped(out);
  } else {
    using V = typename X::Inner;
    const auto top = max(plain(x), axes, true);
    const auto share = equal(plain(x), top);
    const auto weight = share / sum(share, axes, true);
    return x.tape()->record(max(x.value(), axes, keep), wrt(x, [weight, kept = top.shape()](V g) {
                              return broadcast_to(reshape(std::move(g), kept), weight.shape()) * weight;
                            }));
  }
}

}  // namespace tessera::inline TESSERA_ISA
