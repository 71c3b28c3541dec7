// Working memory of the kernels: pooled, so that a step in steady state allocates nothing.
#pragma once

#include <type_traits>
#include <utility>

#include <tessera/core/index.hpp>
#include <tessera/core/pool.hpp>
#include <tessera/kernel/isa.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// `count` uninitialised elements (0 is fine), 64-byte aligned, given back to this thread's pool at the end of the
/// scope.
template <class T>
class Scratch {
  static_assert(std::is_trivial_v<T>);

 public:
  explicit Scratch(Index count) : block_(pool::take(static_cast<std::size_t>(count) * sizeof(T))) {}
  Scratch(Scratch&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Scratch() {
    if (block_) pool::drop(block_);
  }

  T* data() const { return block_ ? reinterpret_cast<T*>(block_ + 1) : nullptr; }
  T& operator[](Index i) const { return data()[i]; }

 private:
  pool::Block* block_;
};

}  // namespace tessera::inline TESSERA_ISA::kernel
