// Tensor<T>: a contiguous row-major array, 64-byte aligned, from a pool. Copies share the buffer until one of them is
// written to (copy on write), so passing tensors by value is cheap and never surprises.
#pragma once

#include <cstring>
#include <initializer_list>
#include <span>
#include <tessera/core/pool.hpp>
#include <tessera/core/shape.hpp>
#include <type_traits>
#include <utility>

namespace tessera {

template <class T>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>, "Tensor holds plain numbers");

 public:
  using Scalar = T;

  /// No tensor at all: `bool(t)` is false.
  Tensor() = default;

  /// Uninitialised elements.
  explicit Tensor(const Shape& shape) : shape_(shape) {
    block_ = pool::take(static_cast<std::size_t>(shape.size()) * sizeof(T));
  }
  Tensor(const Shape& shape, T fill) : Tensor(shape) {
    T* p = elements();
    constexpr unsigned char zero[sizeof(T)] = {};
    if (std::memcmp(&fill, zero, sizeof(T)) == 0) {
      std::memset(static_cast<void*>(p), 0, static_cast<std::size_t>(size()) * sizeof(T));
      return;
    }
    for (Index i = 0, n = size(); i < n; ++i) p[i] = fill;
  }

  /// Throws shape_error when the number of values is not the shape's.
  static Tensor from(const Shape& shape, std::span<const T> values) {
    if (static_cast<Index>(values.size()) != shape.size())
      throw shape_error("Tensor: " + std::to_string(values.size()) + " values for shape " + shape.to_string());
    Tensor t(shape);
    if (!values.empty()) std::memcpy(t.elements(), values.data(), values.size() * sizeof(T));
    return t;
  }
  static Tensor from(const Shape& shape, std::initializer_list<T> values) {
    return from(shape, std::span<const T>(values.begin(), values.size()));
  }
  static Tensor scalar(T value) { return Tensor(Shape{}, value); }

  Tensor(const Tensor& other) : block_(other.block_), shape_(other.shape_) {
    if (block_) pool::share(block_);
  }
  Tensor(Tensor&& other) noexcept : block_(std::exchange(other.block_, nullptr)), shape_(other.shape_) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(block_, other.block_);
    shape_ = other.shape_;
    return *this;
  }
  ~Tensor() {
    if (block_) pool::drop(block_);
  }

  explicit operator bool() const { return block_ != nullptr; }

  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  Index size() const { return block_ ? shape_.size() : 0; }
  /// Extent of an axis; negative axes count from the end.
  Index extent(int axis) const { return shape_.at(axis); }
  /// Extent of the last axis, and how many such rows there are.
  Index cols() const { return shape_.back(); }
  Index rows() const { return cols() == 0 ? 0 : size() / cols(); }

  const T* data() const { return elements(); }
  /// Writable elements. Makes the buffer this tensor's own first, so take the pointer once, outside the loop.
  T* data() {
    if (block_ && !pool::unique(block_)) *this = clone();
    return elements();
  }
  std::span<const T> span() const { return {elements(), static_cast<std::size_t>(size())}; }
  std::span<T> span() { return {data(), static_cast<std::size_t>(size())}; }

  const T& operator[](Index i) const { return elements()[i]; }

  /// The only element. Throws shape_error when there are more.
  T item() const {
    if (size() != 1) throw shape_error("item: one element wanted, shape is " + shape_.to_string());
    return *elements();
  }

  /// True when no other tensor shares the buffer.
  bool unique() const { return block_ && pool::unique(block_); }

  /// The same buffer under another shape of as many elements. Throws shape_error.
  Tensor reshaped(const Shape& shape) const& {
    Tensor t = *this;
    return std::move(t).reshaped(shape);
  }
  Tensor reshaped(const Shape& shape) && {
    if (shape.size() != size())
      throw shape_error("reshape: " + shape_.to_string() + " does not hold as many elements as " + shape.to_string());
    Tensor t = std::move(*this);
    t.shape_ = shape;
    return t;
  }

  Tensor clone() const {
    if (!block_) return {};
    Tensor t(shape_);
    if (size() > 0) std::memcpy(t.elements(), elements(), static_cast<std::size_t>(size()) * sizeof(T));
    return t;
  }

  /// Every element as another type.
  template <class U>
  Tensor<U> as() const {
    if constexpr (std::is_same_v<T, U>) {
      return *this;
    } else {
      if (!block_) return {};
      Tensor<U> t(shape_);
      U* out = t.data();
      const T* in = elements();
      for (Index i = 0, n = size(); i < n; ++i) out[i] = static_cast<U>(in[i]);
      return t;
    }
  }

 private:
  T* elements() const { return block_ ? reinterpret_cast<T*>(block_ + 1) : nullptr; }

  pool::Block* block_ = nullptr;
  Shape shape_;
};

/// Same shape, same bytes.
template <class T>
bool same_bytes(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && a.size() == b.size() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

}  // namespace tessera
