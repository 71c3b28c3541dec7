// Shape: the extents of a row-major tensor, at most 8 of them. Letters used in comments everywhere: B batch, T time,
// F frames, H height, W width, C channels, D model width, V vocabulary, K kernel. Images are channels-last,
// [B, H, W, C]; sound is [B, T, C]; video [B, F, H, W, C]; text [B, T] of token ids.
#pragma once

#include <initializer_list>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>

namespace tessera {

class Shape {
 public:
  static constexpr int max_rank = 8;

  /// A scalar: rank 0, one element.
  constexpr Shape() = default;

  /// Throws shape_error for a negative extent, a rank above 8, or a product that does not fit into Index.
  Shape(std::initializer_list<Index> extents) : Shape(extents.begin(), static_cast<Index>(extents.size())) {}

  Shape(const Index* extents, Index rank) {
    if (rank < 0 || rank > max_rank)
      throw shape_error("shape: rank " + std::to_string(rank) + " seen, at most 8 possible");
    rank_ = static_cast<int>(rank);
    for (int i = 0; i < rank_; ++i) extent_[i] = extents[i];
    check();
  }

  int rank() const { return rank_; }
  Index operator[](int axis) const { return extent_[axis]; }

  /// Extent of an axis; negative axes count from the end. Throws shape_error when there is no such axis.
  Index at(int axis) const { return extent_[normal(axis)]; }

  /// The axis counted from the front.
  int normal(int axis) const {
    const int a = axis < 0 ? axis + rank_ : axis;
    if (a < 0 || a >= rank_) throw shape_error("shape: no axis " + std::to_string(axis) + " in " + to_string());
    return a;
  }

  Index back() const { return rank_ == 0 ? 1 : extent_[rank_ - 1]; }
  Index size() const {
    Index n = 1;
    for (int i = 0; i < rank_; ++i) n *= extent_[i];
    return n;
  }

  const Index* begin() const { return extent_; }
  const Index* end() const { return extent_ + rank_; }

  /// The same shape with one extent changed.
  Shape with(int axis, Index extent) const {
    Shape s = *this;
    s.extent_[normal(axis)] = extent;
    s.check();
    return s;
  }
  /// The same shape with one more extent at the end.
  Shape append(Index extent) const {
    if (rank_ == max_rank) throw shape_error("shape: " + to_string() + " cannot take a ninth axis");
    Shape s = *this;
    s.extent_[s.rank_++] = extent;
    s.check();
    return s;
  }
  /// The same shape without one axis.
  Shape without(int axis) const {
    Shape s = *this;
    const int a = normal(axis);
    for (int i = a; i + 1 < rank_; ++i) s.extent_[i] = s.extent_[i + 1];
    s.extent_[--s.rank_] = 0;
    return s;
  }

  /// `[2, 3, 4]`
  std::string to_string() const {
    std::string s = "[";
    for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(extent_[i]);
    return s + "]";
  }

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if (extent_[i] != other.extent_[i]) return false;
    }
    return true;
  }

 private:
  /// Extents of 0 count as 1, so that dropping such an axis cannot overflow either.
  void check() const {
    Index n = 1;
    for (int i = 0; i < rank_; ++i) {
      if (extent_[i] < 0) throw shape_error("shape: negative extent in " + to_string());
      if (__builtin_mul_overflow(n, extent_[i] == 0 ? 1 : extent_[i], &n) || n > (Index{1} << 56))
        throw shape_error("shape: " + to_string() + " has more elements than memory can hold");
    }
  }

  Index extent_[max_rank] = {};
  int rank_ = 0;
};

/// The shape both broadcast to (right-aligned, extents equal or 1). Throws shape_error naming `op`.
inline Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  Index extents[Shape::max_rank] = {};
  for (int i = 0; i < rank; ++i) {
    const int ia = a.rank() - rank + i, ib = b.rank() - rank + i;
    const Index ea = ia < 0 ? 1 : a[ia], eb = ib < 0 ? 1 : b[ib];
    if (ea != eb && ea != 1 && eb != 1)
      throw shape_error(std::string(op) + ": shapes do not broadcast: " + a.to_string() + " and " + b.to_string());
    extents[i] = ea == 1 ? eb : ea;
  }
  return Shape(extents, rank);
}

}  // namespace tessera
