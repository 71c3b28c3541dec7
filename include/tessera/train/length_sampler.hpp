// Which items batch i is made of, when items have lengths: those of about the same length come together, so that little of a batch
// is padding. Like EpochSampler (train/sampler.hpp) a pure function of i.
#pragma once

#include <algorithm>
#include <tessera/core/noise.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// Epoch e shuffles all items by Noise{seed}.fork(e), sorts them by length (equal ones stay shuffled), cuts whole
/// batches and shuffles these. What is left over, another few each epoch, waits for the next.
class LengthSampler {
 public:
  /// Throws argument_error unless there is at least a batch of items.
  LengthSampler(std::vector<Index> lengths, Index batch, std::uint64_t seed)
      : lengths_(std::move(lengths)), batch_(batch), noise_(seed) {
    if (batch < 1 || static_cast<Index>(lengths_.size()) < batch)
      throw argument_error("LengthSampler: " + std::to_string(lengths_.size()) + " items in batches of " +
                           std::to_string(batch) + ", wanted at least 1 and one batch");
  }

  Index batches_an_epoch() const { return static_cast<Index>(lengths_.size()) / batch_; }
  /// The items of batch i (from 0). Keeps the order of the last epoch it was asked for: one sampler a thread.
  std::span<const Index> operator()(Index i) {
    const Index each = batches_an_epoch();
    if (i / each != known_) arrange(i / each);
    const Index first = places_[i % each] * batch_;
    return std::span<const Index>(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(batch_));
  }

 private:
  void arrange(Index epoch) {
    const Noise noise = noise_.fork(static_cast<std::uint64_t>(epoch));
    const Tensor<Index> shuffled = noise.fork(0).permutation(static_cast<Index>(lengths_.size()));
    const Index used = batches_an_epoch() * batch_;
    order_.resize(static_cast<std::size_t>(used));
    for (Index i = 0; i < used; ++i)  // by length, then by place
      order_[static_cast<std::size_t>(i)] = lengths_[static_cast<std::size_t>(shuffled[i])] * used + i;
    std::sort(order_.begin(), order_.end());
    for (Index& item : order_) item = shuffled[item % used];
    places_ = noise.fork(1).permutation(batches_an_epoch());
    known_ = epoch;
  }

  std::vector<Index> lengths_;
  Index batch_;
  Noise noise_;
  Index known_ = -1;
  std::vector<Index> order_;
  Tensor<Index> places_;
};

}  // namespace tessera::inline TESSERA_ISA
