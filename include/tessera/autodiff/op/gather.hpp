// gather:      y[i, ...] = x[index[i], ...]  along the first axis      dx = scatter_add(dy, index)
// scatter_add: y[index[i], ...] += x[i, ...] into zeros                dx = gather(dy, index)
// embedding:   gather from a table [V, D] by token ids of any shape: ids [B, T] -> [B, T, D]
// Each is the other's adjoint, so derivatives of any order exist. Sums run in index order: the same bits every time.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
inline void check_index(const char* op, const Tensor<std::int32_t>& index, Index count) {
  const std::int32_t* p = index.data();
  for (Index i = 0, n = index.size(); i < n; ++i) {
    if (p[i] < 0 || p[i] >= count)
      throw argument_error(std::string(op) + ": index " + std::to_string(p[i]) + " at position " + std::to_string(i) +
                           " is not in [0, " + std::to_string(count) + ")");
  }
}
inline Shape rows_of(const Shape& index, const Shape& table) {  // index extents, then the table's without its first
  Index e[Shape::max_rank];
  int n = 0;
  if (index.rank() + table.rank() - 1 > Shape::max_rank) throw shape_error("gather: result has more than 8 axes");
  for (const Index i : index) e[n++] = i;
  for (int i = 1; i < table.rank(); ++i) e[n++] = table[i];
  return Shape(e, n);
}
}  // namespace detail

/// Throws argument_error for an index outside the first axis.
template <std::floating_point T>
Tensor<T> gather(const Tensor<T>& x, const Tensor<std::int32_t>& index) {
  if (x.rank() < 1) throw shape_error("gather: a scalar has no rows");
  detail::check_index("gather", index, x.shape()[0]);
  Tensor<T> y(detail::rows_of(index.shape(), x.shape()));
  const Index width = x.shape()[0] == 0 ? 0 : x.size() / x.shape()[0];
  const T* from = x.data();
  T* to = y.data();
  for (Index i = 0, n = index.size(); i < n; ++i)
    std::memcpy(to + i * width, from + index[i] * width, static_cast<std::size_t>(width) * sizeof(T));
  return y;
}
/// Rows of x added into `count` rows of zeros.
template <std::floating_point T>
Tensor<T> scatter_add(const Tensor<T>& x, const Tensor<std::int32_t>& index, Index count) {
  detail::check_index("scatter_add", index, count);
  const int rank = x.rank() - index.rank();
  if (rank < 0 || rank >= Shape::max_rank)
    throw shape_error("scatter_add: index " + index.shape().to_string() + " for " + x.shape().to_string());
  Index e[Shape::max_rank] = {count};
  Index width = 1;
  for (int i = 0; i < rank; ++i) width *= e[i + 1] = x.shape()[index.rank() + i];
  if (width * index.size() != x.size())
    throw shape_error("scatter_add: index " + index.shape().to_string() + " for " + x.shape().to_string());
  Tensor<T> y(Shape(e, rank + 1), T(0));
  const T* from = x.data();
  T* to = y.data();
  for (Index i = 0, n = index.size(); i < n; ++i) {
    T* row = to + index[i] * width;
    kernel::zip(width, row, from + i * width, row, [](detail::Pack<T> a, detail::Pack<T> b) { return a + b; });
  }
  return y;
}
template <class V>
Var<V> scatter_add(const Var<V>& x, const Tensor<std::int32_t>& index, Index count);
template <class V>
Var<V> gather(const Var<V>& x, const Tensor<std::int32_t>& index) {
  return x.tape()->record(gather(x.value(), index),
                          wrt(x, [index, count = x.extent(0)](V g) { return scatter_add(g, index, count); }));
}
template <class V>
Var<V> scatter_add(const Var<V>& x, const Tensor<std::int32_t>& index, Index count) {
  return x.tape()->record(scatter_add(x.value(), index, count), wrt(x, [index](V g) { return gather(g, index); }));
}

/// Rows of a table by token id; ids decide (plain, or `tape.ids(...)`) whether it is recorded.
template <std::floating_point T>
Tensor<T> embedding(const Tensor<std::int32_t>& ids, const Parameter<T>& table) {
  return gather(table.value, ids);
}
template <class V, std::floating_point T>
Var<V> embedding(const VarIds<V>& ids, const Parameter<T>& table) {
  return gather(lift(ids, table), ids.value);
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> gather(const Tensor<float>&, const Tensor<std::int32_t>&);
TESSERA_INSTANCE template Tensor<float> scatter_add(const Tensor<float>&, const Tensor<std::int32_t>&, Index);
TESSERA_INSTANCE template Var<Tensor<float>> gather(const Var<Tensor<float>>&, const Tensor<std::int32_t>&);
TESSERA_INSTANCE template Var<Tensor<float>> embedding(const VarIds<Tensor<float>>&, const Parameter<float>&);
#endif

}  // namespace tessera::inline TESSERA_ISA
