// Sums and maxima over any axes, and their mirror image, broadcasting.
//
//   sum:          y = sum over axes of x      dx = broadcast(dy)
//   broadcast_to: y = x repeated              dx = sum over the repeated axes of dy   (`sum_to`)
//   max:          y = max over axes           dx = dy shared equally among the places that attain it
// Also mean and var (dividing by n - correction). Axes may be negative; `keep` leaves reduced axes in place with extent 1.
#pragma once

#include <tessera/autodiff/op/apply.hpp>
#include <tessera/kernel/reduce.hpp>

namespace tessera::inline TESSERA_ISA {

/// A set of axes, as bits; `Axes::all()` is every axis.
class Axes {
 public:
  Axes(std::initializer_list<int> axes) : count_(static_cast<int>(axes.size())) {
    if (count_ > Shape::max_rank) throw shape_error("reduce: more axes named than a shape can have");
    for (int i = 0; i < count_; ++i) list_[i] = axes.begin()[i];
  }
  static Axes all() { return Axes(); }
  /// Bit i set: axis i of `shape` is reduced. Throws shape_error for an axis that is not there or named twice.
  unsigned mask(const Shape& shape) const {
    if (count_ < 0) return (1u << shape.rank()) - 1u;
    unsigned m = 0;
    for (int i = 0; i < count_; ++i) {
      const unsigned bit = 1u << shape.normal(list_[i]);
      if (m & bit)
        throw shape_error("reduce: axis " + std::to_string(list_[i]) + " named twice for " + shape.to_string());
      m |= bit;
    }
    return m;
  }

 private:
  Axes() = default;
  int list_[Shape::max_rank] = {};
  int count_ = -1;
};

namespace detail {
inline Shape kept(const Shape& s, unsigned mask) {  // reduced axes with extent 1
  Index e[Shape::max_rank] = {};
  for (int i = 0; i < s.rank(); ++i) e[i] = mask >> i & 1u ? 1 : s[i];
  return Shape(e, s.rank());
}
inline Shape dropped(const Shape& s, unsigned mask) {  // reduced axes gone
  Index e[Shape::max_rank] = {};
  int n = 0;
  for (int i = 0; i < s.rank(); ++i) {
    if (!(mask >> i & 1u)) e[n++] = s[i];
  }
  return Shape(e, n);
}
inline Index reduced_count(const Shape& s, unsigned mask) {
  Index n = 1;
  for (int i = 0; i < s.rank(); ++i) n *= mask >> i & 1u ? s[i] : 1;
  return n;
}
// Runs of neighbouring reduced axes, last run first: each is one (outer, reduced, inner) pass.
template <class T, class Pass>
Tensor<T> reduce(Tensor<T> x, unsigned mask, Pass pass) {
  const Shape out = kept(x.shape(), mask);
  for (int last = x.rank() - 1; last >= 0; --last) {
    if (!(mask >> last & 1u)) continue;
    int first = last;
    while (first > 0 && (mask >> (first - 1) & 1u)) --first;
    Index outer = 1, reduced = 1, inner = 1;
    Shape s = x.shape();
    for (int i = 0; i < x.rank(); ++i) (i < first ? outer : i <= last ? reduced : inner) *= s[i];
    for (int i = first; i <= last; ++i) s = s.with(i, 1);
    if (reduced != 1) {
      Tensor<T> y(s);
      pass(outer, reduced, inner, std::as_const(x).data(), y.data());
      x = std::move(y);
    }
    last = first;
  }
  return std::move(x).reshaped(out);
}
template <class T>
Tensor<T> sum_keep(Tensor<T> x, unsigned mask) {
  return reduce(std::move(x), mask,
                [](Index o, Index r, Index i, const T* from, T* to) { kernel::sum(o, r, i, from, to); });
}
template <class T>
Tensor<T> max_keep(Tensor<T> x, unsigned mask) {
  if (reduced_count(x.shape(), mask) == 0)
    throw shape_error("max: nothing to take the maximum of in " + x.shape().to_string());
  return reduce(std::move(x), mask,
                [](Index o, Index r, Index i, const T* from, T* to) { kernel::max(o, r, i, from, to); });
}
inline unsigned repeated_axes(const Shape& from, const Shape& to) {  // axes of `to` along which `from` is repeated
  unsigned m = 0;
  for (int o = to.rank() - 1, i = from.rank() - 1; o >= 0; --o, --i) {
    if (i < 0 || (from[i] == 1 && to[o] != 1)) m |= 1u << o;
  }
  return m;
}
}  // namespace detail

// ---- reshape (needed by everything here): y = x under another shape, dx = dy under the old one

template <std::floating_point T>
Tensor<T> reshape(Tensor<T> x, const Shape& shape) {
  return std::move(x).reshaped(shape);
}
template <class V>
Var<V> reshape(Var<V> x, const Shape& shape) {
  const Shape from = x.shape();
  return x.tape()->record(reshape(std::move(x).value(), shape),
                          wrt(x, [from](V g) { return reshape(std::move(g), from); }));
}

// ---- broadcast_to and sum_to are each other's adjoints

template <std::floating_point T>
Tensor<T> broadcast_to(Tensor<T> x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (broadcast(x.shape(), shape, "broadcast_to") != shape)
    throw shape_error("broadcast_to: " + x.shape().to_string() + " does not broadcast to " + shape.to_string());
  Tensor<T> y(shape);
  const detail::BroadcastStrides s(x.shape(), shape);
  kernel::map_strided(shape.rank(), shape.begin(), s.stride, std::as_const(x).data(), y.data(),
                      [](detail::Pack<T> v) { return v; });
  return y;
}
template <std::floating_point T>
Tensor<T> sum_to(Tensor<T> x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return detail::sum_keep(x, detail::repeated_axes(shape, x.shape())).reshaped(shape);
}
template <class V>
Var<V> sum_to(const Var<V>& x, const Shape& shape);
template <class V>
Var<V> broadcast_to(const Var<V>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return x.tape()->record(broadcast_to(x.value(), shape),
                          wrt(x, [s = x.shape()](V g) { return sum_to(std::move(g), s); }));
}
template <class V>
Var<V> sum_to(const Var<V>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return x.tape()->record(sum_to(x.value(), shape),
                          wrt(x, [s = x.shape()](V g) { return broadcast_to(std::move(g), s); }));
}

// ---- sum

template <std::floating_point T>
Tensor<T> sum(Tensor<T> x, Axes axes = Axes::all(), bool keep = false) {
  const unsigned mask = axes.mask(x.shape());
  const Shape out = keep ? detail::kept(x.shape(), mask) : detail::dropped(x.shape(), mask);
  return detail::sum_keep(std::move(x), mask).reshaped(out);
}
template <class V>
Var<V> sum(const Var<V>& x, Axes axes = Axes::all(), bool keep = false) {
  const Shape from = x.shape(), kept = detail::kept(from, axes.mask(from));
  return x.tape()->record(sum(x.value(), axes, keep),
                          wrt(x, [from, kept](V g) { return broadcast_to(reshape(std::move(g), kept), from); }));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> sum(Tensor<float>, Axes, bool);
TESSERA_INSTANCE template Var<Tensor<float>> sum(const Var<Tensor<float>>&, Axes, bool);
TESSERA_INSTANCE template Var<Tensor<float>> reshape(Var<Tensor<float>>, const Shape&);
TESSERA_INSTANCE template Tensor<float> broadcast_to(Tensor<float>, const Shape&);
TESSERA_INSTANCE template Var<Tensor<float>> broadcast_to(const Var<Tensor<float>>&, const Shape&);
TESSERA_INSTANCE template Tensor<float> sum_to(Tensor<float>, const Shape&);
TESSERA_INSTANCE template Tensor<float> detail::max_keep(Tensor<float>, unsigned);
#endif

}  // namespace tessera::inline TESSERA_ISA
