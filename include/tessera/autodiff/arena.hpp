// Bump memory for what the tape's entries capture: 64 KB chunks, kept from step to step.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace tessera {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// n bytes, aligned to 16; n may be at most one chunk.
  void* take(std::size_t n) {
    n = (n + 15) & ~std::size_t{15};
    if (used_ + n > chunk_bytes) {
      ++at_;
      used_ = 0;
    }
    if (at_ == chunks_.size()) chunks_.push_back(std::unique_ptr<std::byte[]>(new std::byte[chunk_bytes]));
    void* p = chunks_[at_].get() + used_;
    used_ += n;
    return p;
  }
  void reset() { at_ = used_ = 0; }

  static constexpr std::size_t chunk_bytes = std::size_t{1} << 16;

 private:
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t at_ = 0, used_ = 0;
};

}  // namespace tessera
