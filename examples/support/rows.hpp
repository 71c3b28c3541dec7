// Some rows of a data set: what a batch is made of.
#pragma once

#include <cstring>
#include <string>

#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>

namespace tessera::examples {

/// [N, ...] to [items, ...], in the order of the items: a Tensor, vector or span of whole numbers. Throws
/// argument_error for one outside [0, N).
template <class T, class Items>
Tensor<T> rows_of(const Tensor<T>& data, const Items& items) {
  const auto* const item = items.data();
  const Index count = static_cast<Index>(items.size()), all = data.extent(0), each = all == 0 ? 0 : data.size() / all;
  Tensor<T> rows(data.shape().with(0, count));
  T* to = rows.data();
  for (Index i = 0; i < count; ++i) {
    if (item[i] < 0 || item[i] >= all)
      throw argument_error("rows_of: item " + std::to_string(item[i]) + " of " + std::to_string(all));
    std::memcpy(to + i * each, data.data() + item[i] * each, static_cast<std::size_t>(each) * sizeof(T));
  }
  return rows;
}

}  // namespace tessera::examples
