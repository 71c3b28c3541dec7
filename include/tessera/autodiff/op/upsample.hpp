// Nearest-neighbour enlargement by a whole factor, and its adjoint, the sum over each block: [B, H, W, C] both ways.
//
//   y = upsample_nearest(x, f)     dx = block_sum(dy, f)
//   average_pool(x, f) = block_sum(x, f) / f^2
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
inline void check_picture(const char* op, const Shape& s, Index factor) {
  if (s.rank() != 4) throw shape_error(std::string(op) + ": a picture [B, H, W, C] wanted, shape is " + s.to_string());
  if (factor < 1) throw argument_error(std::string(op) + ": factor " + std::to_string(factor) + " is below 1");
}
}  // namespace detail

template <std::floating_point T>
Tensor<T> upsample_nearest(const Tensor<T>& x, Index factor) {
  detail::check_picture("upsample_nearest", x.shape(), factor);
  const Index b = x.shape()[0], h = x.shape()[1], w = x.shape()[2], c = x.shape()[3];
  Tensor<T> y(Shape{b, h * factor, w * factor, c});
  const T* from = x.data();
  T* to = y.data();
  const Index row = w * factor * c;
  kernel::parallel_for(b * h, 1 + 16384 / (row * factor + 1), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      T* line = to + r * factor * row;
      for (Index i = 0; i < w; ++i) {
        for (Index k = 0; k < factor; ++k)
          std::memcpy(line + (i * factor + k) * c, from + (r * w + i) * c, static_cast<std::size_t>(c) * sizeof(T));
      }
      for (Index k = 1; k < factor; ++k) std::memcpy(line + k * row, line, static_cast<std::size_t>(row) * sizeof(T));
    }
  });
  return y;
}
/// Sum over blocks of factor x factor. Throws shape_error when factor does not divide H and W.
template <std::floating_point T>
Tensor<T> block_sum(const Tensor<T>& x, Index factor) {
  detail::check_picture("block_sum", x.shape(), factor);
  if (x.shape()[1] % factor != 0 || x.shape()[2] % factor != 0)
    throw shape_error("block_sum: " + x.shape().to_string() + " does not divide into blocks of " +
                      std::to_string(factor));
  const Index b = x.shape()[0], h = x.shape()[1] / factor, w = x.shape()[2] / factor, c = x.shape()[3];
  Tensor<T> y(Shape{b, h, w, c});
  const T* from = x.data();
  T* to = y.data();
  const Index row = w * factor * c;
  kernel::parallel_for(b * h, 1 + 16384 / (row * factor + 1), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      for (Index i = 0; i < w; ++i) {
        T* place = to + (r * w + i) * c;
        std::memcpy(place, from + r * factor * row + i * factor * c, static_cast<std::size_t>(c) * sizeof(T));
        for (Index k = 1; k < factor * factor; ++k) {
          const T* add = from + (r * factor + k / factor) * row + (i * factor + k % factor) * c;
          kernel::zip(c, place, add, place, [](detail::Pack<T> p, detail::Pack<T> q) { return p + q; });
        }
      }
    }
  });
  return y;
}
template <class V>
Var<V> block_sum(const Var<V>& x, Index factor);
template <class V>
Var<V> upsample_nearest(const Var<V>& x, Index factor) {
  return x.tape()->record(upsample_nearest(x.value(), factor),
                          wrt(x, [factor](const V& g) { return block_sum(g, factor); }));
}
template <class V>
Var<V> block_sum(const Var<V>& x, Index factor) {
  return x.tape()->record(block_sum(x.value(), factor),
                          wrt(x, [factor](const V& g) { return upsample_nearest(g, factor); }));
}
template <Value X>
X average_pool(const X& x, Index factor) {
  return block_sum(x, factor) * (ScalarOf<X>(1) / static_cast<ScalarOf<X>>(factor * factor));
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> upsample_nearest(const Tensor<float>&, Index);
TESSERA_INSTANCE template Tensor<float> block_sum(const Tensor<float>&, Index);
TESSERA_INSTANCE template Var<Tensor<float>> upsample_nearest(const Var<Tensor<float>>&, Index);
TESSERA_INSTANCE template Var<Tensor<float>> block_sum(const Var<Tensor<float>>&, Index);
#endif

}  // namespace tessera::inline TESSERA_ISA
