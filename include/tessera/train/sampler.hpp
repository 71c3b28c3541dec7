// Which items batch i is made of: a pure function of i, so that the data position of a run is one number.
#pragma once

#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

/// Epoch e is a permutation of 0 ... count - 1 drawn from Noise{seed}.fork(e); batches cut the endless row of epochs
/// into equal parts, so each item is seen exactly once an epoch and no batch is short.
class EpochSampler {
 public:
  /// Throws argument_error unless count and batch are positive.
  EpochSampler(Index count, Index batch, std::uint64_t seed) : count_(count), batch_(batch), noise_(seed) {
    if (count < 1 || batch < 1)
      throw argument_error("EpochSampler: " + std::to_string(count) + " items in batches of " + std::to_string(batch) +
                           ", wanted at least 1 of each");
  }

  /// The items of batch i (from 0). Keeps the order of the last epoch it was asked for: one sampler a thread.
  Tensor<Index> operator()(Index i) {
    Tensor<Index> items(Shape{batch_});
    Index* to = items.data();
    for (Index k = 0; k < batch_; ++k) {
      const Index at = i * batch_ + k;
      to[k] = order(at / count_)[at % count_];
    }
    return items;
  }

  /// Epochs begun before batch i, as a fraction.
  double epoch(Index i) const {
    return static_cast<double>(i) * static_cast<double>(batch_) / static_cast<double>(count_);
  }
  Index count() const { return count_; }
  Index batch() const { return batch_; }

 private:
  const Tensor<Index>& order(Index epoch) {
    if (epoch != known_) {
      order_ = noise_.fork(static_cast<std::uint64_t>(epoch)).permutation(count_);
      known_ = epoch;
    }
    return order_;
  }

  Index count_, batch_;
  Noise noise_;
  Index known_ = -1;
  Tensor<Index> order_;
};

}  // namespace tessera::inline TESSERA_ISA
