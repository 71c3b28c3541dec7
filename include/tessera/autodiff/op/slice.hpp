// slice:    y = x[..., begin:end, ...] along one axis        dx = dy padded with zeros, or added in its place
// pad:      y = x with `before` and `after` zeros on an axis  dx = the slice of dy
// concat:   y = the parts one after another on an axis        d part = its slice of dy
// stack:    concat along a new axis
// repeat:   y = x, `times` times after one another            dx = the sum of the copies
#pragma once

#include <span>
#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/copy.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/parallel.hpp>
#include <utility>
#include <vector>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// A shape seen as [outer, extent, inner] around an axis.
struct Around {
  Index outer = 1, extent = 1, inner = 1;
  Around(const Shape& s, int axis) {
    for (int i = 0; i < s.rank(); ++i) (i < axis ? outer : i == axis ? extent : inner) *= s[i];
  }
};
/// Copies [outer, n, inner] between two tensors whose axis has other extents.
template <class T>
void copy_part(const Around& s, Index n, const T* from, Index from_extent, T* to, Index to_extent) {
  const Index extents[2] = {s.outer, n * s.inner}, a[2] = {from_extent * s.inner, 1}, b[2] = {to_extent * s.inner, 1};
  kernel::copy_strided(2, extents, from, a, to, b);
}
/// body(to, from) for each of the `outer` rows: `from` [outer, n inner] is a part of `to` [outer, extent inner].
template <class T, class Body>
void for_part_rows(const Around& whole, Index n, T* to, const T* from, const Body& body) {
  const Index row = whole.extent * whole.inner, part = n * whole.inner;
  kernel::parallel_for(whole.outer, 16384 / (row + 1) + 1, [=](Index first, Index last) {
    for (Index o = first; o < last; ++o) body(to + o * row, from + o * part);
  });
}
/// y = x with zeros around: [outer, before + n + after, inner].
template <class T>
void put_part(const Around& whole, Index begin, Index n, const T* x, T* y) {
  using P = kernel::Pack<T>;
  const Index head = begin * whole.inner, part = n * whole.inner, row = whole.extent * whole.inner;
  for_part_rows(whole, n, y, x, [=](T* to, const T* from) {
    for (Index i = 0; i < head; i += P::width) kernel::store_lanes<T>(to + i, P(T(0)), head - i);
    for (Index i = 0; i < part; i += P::width)
      kernel::store_lanes<T>(to + head + i, kernel::load_lanes<T>(from + i, part - i), part - i);
    for (Index i = head + part; i < row; i += P::width) kernel::store_lanes<T>(to + i, P(T(0)), row - i);
  });
}
/// The part of y that begins there += x.
template <class T>
void add_part(const Around& whole, Index begin, Index n, const T* x, T* y) {
  using P = kernel::Pack<T>;
  const Index part = n * whole.inner;
  for_part_rows(whole, n, y + begin * whole.inner, x, [=](T* to, const T* from) {
    for (Index i = 0; i < part; i += P::width)
      kernel::store_lanes<T>(
          to + i, kernel::load_lanes<T>(to + i, part - i) + kernel::load_lanes<T>(from + i, part - i), part - i);
  });
}
}  // namespace detail

/// Throws shape_error unless 0 <= begin <= end <= extent.
template <class T>
Tensor<T> slice(const Tensor<T>& x, int axis, Index begin, Index end) {
  axis = x.shape().normal(axis);
  if (begin < 0 || end < begin || end > x.shape()[axis])
    throw shape_error("slice: [" + std::to_string(begin) + ", " + std::to_string(end) + ") is not within axis " +
                      std::to_string(axis) + " of " + x.shape().to_string());
  const detail::Around s(x.shape(), axis);
  if (s.outer == 1 && begin == 0 && end == s.extent) return x;
  Tensor<T> y(x.shape().with(axis, end - begin));
  detail::copy_part(s, end - begin, x.data() + begin * s.inner, s.extent, y.data(), end - begin);
  return y;
}
template <class T>
Tensor<T> pad(const Tensor<T>& x, int axis, Index before, Index after) {
  axis = x.shape().normal(axis);
  if (before < 0 || after < 0) throw shape_error("pad: negative padding; use slice to cut");
  const detail::Around s(x.shape(), axis);
  Tensor<T> y(x.shape().with(axis, before + s.extent + after));
  detail::put_part(detail::Around(y.shape(), axis), before, s.extent, x.data(), y.data());
  return y;
}
template <class V>
Var<V> pad(const Var<V>& x, int axis, Index before, Index after);
template <class V>
Var<V> slice(const Var<V>& x, int axis, Index begin, Index end) {
  // Several slices of one value are common (halves, gates): the first puts zeros around, the others add in place.
  return x.tape()->record_joint(slice(x.value(), axis, begin, end), x.needs_gradient(),
                                [id = x.id(), axis, begin, after = x.extent(axis) - end](Tape<V>& t, V g) {
                                  V* there = t.pending(id);
                                  if constexpr (depth_of<V> == 0) {
                                    if (there) {
                                      const int a = g.shape().normal(axis);
                                      return detail::add_part(detail::Around(there->shape(), a), begin, g.shape()[a],
                                                              std::as_const(g).data(), there->data());
                                    }
                                  }
                                  t.add(id, pad(g, axis, begin, after));
                                });
}
template <class V>
Var<V> pad(const Var<V>& x, int axis, Index before, Index after) {
  return x.tape()->record(pad(x.value(), axis, before, after), wrt(x, [axis, before, n = x.extent(axis)](V g) {
                            return slice(g, axis, before, before + n);
                          }));
}

/// Parts agree in every extent but the axis'. Throws shape_error.
template <class T>
Tensor<T> concat(std::span<const Tensor<T>> parts, int axis) {
  if (parts.empty()) throw shape_error("concat: no parts");
  const Shape& first = parts[0].shape();
  axis = first.normal(axis);
  Index total = 0;
  for (const Tensor<T>& p : parts) {
    if (p.rank() != first.rank() || p.shape().with(axis, first[axis]) != first)
      throw shape_error("concat: " + first.to_string() + " and " + p.shape().to_string() + " differ beyond axis " +
                        std::to_string(axis));
    total += p.shape()[axis];
  }
  Tensor<T> y(first.with(axis, total));
  T* out = y.data();
  Index at = 0;
  for (const Tensor<T>& p : parts) {
    const detail::Around s(p.shape(), axis);
    detail::copy_part(s, s.extent, p.data(), s.extent, out + at * s.inner, total);
    at += s.extent;
  }
  return y;
}
template <class V>
Var<V> concat(std::span<const Var<V>> parts, int axis) {
  if (parts.empty()) throw shape_error("concat: no parts");
  struct Part {
    std::uint32_t id;
    Index begin, end;
  };
  axis = parts[0].shape().normal(axis);
  std::vector<V> values;
  std::vector<Part> where;
  bool wanted = false;
  Index at = 0;
  for (const Var<V>& p : parts) {
    values.push_back(p.value());
    where.push_back({p.id(), at, at + p.extent(axis)});
    at += p.extent(axis);
    wanted = wanted || p.needs_gradient();
  }
  return parts[0].tape()->record_joint(concat(std::span<const V>(values), axis), wanted,
                                       [where = std::move(where), axis](Tape<V>& t, V g) {
                                         for (const Part& p : where) {
                                           if (p.id != no_gradient) t.add(p.id, slice(g, axis, p.begin, p.end));
                                         }
                                       });
}
template <Value X>
X concat(std::initializer_list<X> parts, int axis) {
  return concat(std::span<const X>(parts.begin(), parts.size()), axis);
}
/// Parts of one shape, along a new axis.
template <Value X>
X stack(std::span<const X> parts, int axis) {
  if (parts.empty()) throw shape_error("stack: no parts");
  const Shape& s = parts[0].shape();
  const int at = axis < 0 ? axis + s.rank() + 1 : axis;
  if (at < 0 || at > s.rank() || s.rank() == Shape::max_rank)
    throw shape_error("stack: no place for axis " + std::to_string(axis) + " in " + s.to_string());
  Index e[Shape::max_rank];
  for (int i = 0, j = 0; i <= s.rank(); ++i) e[i] = i == at ? 1 : s[j++];
  std::vector<X> raised;
  for (const X& p : parts) {
    if (p.shape() != s) throw shape_error("stack: " + s.to_string() + " and " + p.shape().to_string() + " differ");
    raised.push_back(reshape(p, Shape(e, s.rank() + 1)));
  }
  return concat(std::span<const X>(raised), at);
}
template <Value X>
X stack(std::initializer_list<X> parts, int axis) {
  return stack(std::span<const X>(parts.begin(), parts.size()), axis);
}
/// The whole of x, `times` times along an axis: [a, b] becomes [a, b, a, b].
template <Value X>
X repeat(const X& x, int axis, Index times) {
  if (times < 1) throw argument_error("repeat: at least once, not " + std::to_string(times) + " times");
  const int a = x.shape().normal(axis);
  const detail::Around s(x.shape(), a);
  const X y = broadcast_to(reshape(x, {s.outer, 1, s.extent * s.inner}), {s.outer, times, s.extent * s.inner});
  return reshape(y, x.shape().with(a, s.extent * times));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> slice(const Tensor<float>&, int, Index, Index);
TESSERA_INSTANCE template Tensor<float> pad(const Tensor<float>&, int, Index, Index);
TESSERA_INSTANCE template Var<Tensor<float>> slice(const Var<Tensor<float>>&, int, Index, Index);
TESSERA_INSTANCE template Var<Tensor<float>> pad(const Var<Tensor<float>>&, int, Index, Index);
TESSERA_INSTANCE template Tensor<float> concat(std::span<const Tensor<float>>, int);
TESSERA_INSTANCE template Var<Tensor<float>> concat(std::span<const Var<Tensor<float>>>, int);
#endif

}  // namespace tessera::inline TESSERA_ISA
