// y = tanh(a) sigmoid(b),  [a; b] the halves of the last axis: [..., 2R] -> [..., R]
//   da = dy s (1 - t^2)    db = dy t s (1 - s)        t = tanh(a), s = sigmoid(b)
// The gated unit of PixelCNN and WaveNet (van den Oord et al., 2016, arXiv 1606.05328). One op, because apart it would be
// two slices and three passes each way, which together cost as much as the convolution before them.
#pragma once

#include <tessera/autodiff/op/sigmoid.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

/// body(row, begin of a register, lanes left) for every register of [rows, width].
template <class T, class Body>
void for_gates(Index rows, Index width, const Body& body) {
  kernel::parallel_for(rows, 16384 / (width + 1) + 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      for (Index i = 0; i < width; i += Pack<T>::width) body(r, i, width - i);
    }
  });
}
inline Index half_of_last(const Shape& shape) {
  if (shape.rank() < 1 || shape.back() % 2 != 0)
    throw shape_error("gated: an even last axis wanted, shape is " + shape.to_string());
  return shape.back() / 2;
}

}  // namespace detail

/// Throws shape_error when the last axis has no halves.
template <std::floating_point T>
Tensor<T> gated(const Tensor<T>& x) {
  const Index width = detail::half_of_last(x.shape());
  Tensor<T> y(x.shape().with(-1, width));
  const T* from = x.data();
  T* to = y.data();
  detail::for_gates<T>(y.rows(), width, [=](Index r, Index i, Index lanes) {
    const auto t = kernel::tanh(kernel::load_lanes<T>(from + 2 * r * width + i, lanes));
    const auto s = kernel::sigmoid(kernel::load_lanes<T>(from + (2 * r + 1) * width + i, lanes));
    kernel::store_lanes<T>(to + r * width + i, t * s, lanes);
  });
  return y;
}

template <Value V>
V gated_adjoint(const V& g, const V& x) {
  const Index width = x.cols() / 2;
  if constexpr (depth_of<V> == 0) {
    using T = ScalarOf<V>;
    V dx(x.shape());
    const T* from = x.data();
    const T* up = g.data();
    T* to = dx.data();
    detail::for_gates<T>(g.rows(), width, [=](Index r, Index i, Index lanes) {
      const detail::Pack<T> one(T(1));
      const auto t = kernel::tanh(kernel::load_lanes<T>(from + 2 * r * width + i, lanes));
      const auto s = kernel::sigmoid(kernel::load_lanes<T>(from + (2 * r + 1) * width + i, lanes));
      const auto gs = kernel::load_lanes<T>(up + r * width + i, lanes) * s;
      kernel::store_lanes<T>(to + 2 * r * width + i, gs * fnma(t, t, one), lanes);
      kernel::store_lanes<T>(to + (2 * r + 1) * width + i, gs * t * (one - s), lanes);
    });
    return dx;
  } else {
    const V t = tanh(slice(x, -1, 0, width)), s = sigmoid(slice(x, -1, width, 2 * width)), gs = g * s;
    return concat({gs - gs * t * t, gs * t - gs * t * s}, -1);
  }
}

namespace detail {
/// gated(x), and x becomes the slopes [s (1 - t^2); t s (1 - s)], in place where nobody else holds it.
template <std::floating_point T>
Sloped<T> gated_sloped(Tensor<T> x) {
  const Index width = half_of_last(x.shape());
  const Shape shape = x.shape();
  Sloped<T> r{Tensor<T>(shape.with(-1, width)), x.unique() ? std::move(x) : Tensor<T>(shape)};
  const T* from = x ? std::as_const(x).data() : std::as_const(r.slope).data();
  T *y = r.value.data(), *slope = r.slope.data();
  for_gates<T>(r.value.rows(), width, [=](Index row, Index i, Index lanes) {
    const Index a = 2 * row * width + i, b = a + width;
    const Pack<T> one(T(1));
    const auto t = kernel::tanh(kernel::load_lanes<T>(from + a, lanes));
    const auto s = kernel::sigmoid(kernel::load_lanes<T>(from + b, lanes));
    kernel::store_lanes<T>(y + row * width + i, t * s, lanes);
    kernel::store_lanes<T>(slope + a, s * fnma(t, t, one), lanes);
    kernel::store_lanes<T>(slope + b, t * s * (one - s), lanes);
  });
  return r;
}
/// [g a; g b] of slopes [a; b].
template <std::floating_point T>
Tensor<T> gated_adjoint_by_slopes(const Tensor<T>& g, Tensor<T> slopes) {
  const Index width = g.cols();
  Tensor<T> dx = slopes.unique() ? std::move(slopes) : slopes.clone();
  const T* up = g.data();
  T* to = dx.data();
  for_gates<T>(g.rows(), width, [=](Index row, Index i, Index lanes) {
    const auto d = kernel::load_lanes<T>(up + row * width + i, lanes);
    for (T* p : {to + 2 * row * width + i, to + (2 * row + 1) * width + i})
      kernel::store_lanes<T>(p, d * kernel::load_lanes<T>(p, lanes), lanes);
  });
  return dx;
}
}  // namespace detail

template <class V>
Var<V> gated(Var<V> x) {
  if constexpr (depth_of<V> == 0) {
    if (!x.needs_gradient()) return x.tape()->constant(gated(x.value()));
    auto r = detail::gated_sloped(std::move(x).value());
    return x.tape()->record(std::move(r.value), wrt(x, [slopes = std::move(r.slope)](const V& g) mutable {
                              return detail::gated_adjoint_by_slopes(g, std::move(slopes));
                            }));
  } else {
    return x.tape()->record(gated(x.value()), wrt(x, [x = x.value()](const V& g) { return gated_adjoint(g, x); }));
  }
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> gated(const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> gated(Var<Tensor<float>>);
#endif

}  // namespace tessera::inline TESSERA_ISA
