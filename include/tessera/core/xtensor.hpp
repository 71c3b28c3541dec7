// The bridge to xtensor, the language for what is not hot: data preparation, statistics, slicing, npy, test oracles.
//
//     auto v = view(t);                                    // an xtensor expression over t's own memory
//     xt::view(v, xt::all(), 0) = 1.0f;                     // writes into t
//     auto standard = to_tensor<float>((v - xt::mean(v)) / xt::stddev(v));   // computed straight into the new tensor
//
// Like a pointer, a view does not keep its tensor alive. A mutable view makes the tensor's memory its own first (copy
// on write); a copy of the tensor made after that shares what the view then writes. Nothing else in Tessera includes
// this header: it costs 2 to 4 s a translation unit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tessera/core/tensor.hpp>
#include <type_traits>
#include <vector>

#if __has_include(<xtensor/containers/xadapt.hpp>)  // since 0.26
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#endif

namespace tessera {

/// The tensor as a row-major xtensor array over the same memory.
template <class T>
auto view(Tensor<T>& t) {
  const std::vector<std::size_t> extents(t.shape().begin(), t.shape().end());
  return xt::adapt<xt::layout_type::row_major>(t.data(), static_cast<std::size_t>(t.size()), xt::no_ownership(),
                                               extents);
}
template <class T>
auto view(const Tensor<T>& t) {
  const std::vector<std::size_t> extents(t.shape().begin(), t.shape().end());
  return xt::adapt<xt::layout_type::row_major>(t.data(), static_cast<std::size_t>(t.size()), xt::no_ownership(),
                                               extents);
}
template <class T>
void view(const Tensor<T>&&) = delete;  // it would outlive the memory

/// Evaluates any xtensor expression into a new Tensor<T>; without T, of the expression's own type (bool becomes uint8).
/// Throws shape_error above rank 8.
template <class T = void, class E>
auto to_tensor(const xt::xexpression<E>& expression) {
  const E& e = expression.derived_cast();
  using Value = std::remove_cv_t<typename E::value_type>;
  using Own = std::conditional_t<std::is_same_v<Value, bool>, std::uint8_t, Value>;
  using Scalar = std::conditional_t<std::is_void_v<T>, Own, T>;
  Index extents[Shape::max_rank] = {};
  Index rank = 0;
  for (const auto extent : e.shape()) {
    if (rank < Shape::max_rank) extents[rank] = static_cast<Index>(extent);
    ++rank;
  }
  Tensor<Scalar> t(Shape(extents, rank));
  auto to = view(t);
  xt::noalias(to) = xt::cast<Scalar>(e);
  return t;
}

}  // namespace tessera
