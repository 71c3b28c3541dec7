// What an op accepts: a plain Tensor computes, a Var also records. The type decides; there is no global switch.
//
// Var<V> nests: Var<Tensor<T>> carries first derivatives, Var<Var<Tensor<T>>> second ones. Ops written with ops on V serve all.
#pragma once

#include <concepts>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/isa.hpp>
#include <utility>

namespace tessera::inline TESSERA_ISA {

template <class V>
class Tape;

inline constexpr std::uint32_t no_gradient = ~0u;

/// A value and the place on its tape where its gradient will be gathered.
template <class V>
class Var {
 public:
  using Inner = V;

  Var() = default;
  Var(V value, Tape<V>* tape, std::uint32_t id) : value_(std::move(value)), tape_(tape), id_(id) {}

  const V& value() const& { return value_; }
  /// Of a temporary the value itself: an op that needs its operand no longer works in its buffer.
  V value() && { return std::move(value_); }
  Tape<V>* tape() const { return tape_; }
  std::uint32_t id() const { return id_; }
  bool needs_gradient() const { return id_ != no_gradient; }

  const Shape& shape() const { return value_.shape(); }
  int rank() const { return shape().rank(); }
  Index size() const { return value_.size(); }
  Index extent(int axis) const { return shape().at(axis); }
  Index cols() const { return value_.cols(); }
  Index rows() const { return value_.rows(); }
  explicit operator bool() const { return static_cast<bool>(value_); }

 private:
  V value_;
  Tape<V>* tape_ = nullptr;
  std::uint32_t id_ = no_gradient;
};

/// A trained value. Its gradient lives on the tape, found by this object's address: a module must not move between the
/// forward pass and `tape.gradient(parameter)`. A frozen parameter takes part as a constant.
template <class T>
struct Parameter {
  Tensor<T> value;
  bool frozen = false;
};

/// Token ids on a tape: what `tape.ids(tokens)` returns, so that an embedding knows whether to record.
template <class V>
struct VarIds {
  Tensor<std::int32_t> value;
  Tape<V>* tape = nullptr;
  const Shape& shape() const { return value.shape(); }
  Index extent(int axis) const { return value.extent(axis); }
};

namespace detail {
template <class X>
struct ValueTraits {
  static constexpr int depth = -1;
};
template <std::floating_point T>
struct ValueTraits<Tensor<T>> {
  static constexpr int depth = 0;
  using Scalar = T;
};
template <class V>
struct ValueTraits<Var<V>> {
  static constexpr int depth = ValueTraits<V>::depth + 1;
  using Scalar = typename ValueTraits<V>::Scalar;
};
template <class X>
struct IdsTraits {
  static constexpr bool ids = false;
};
template <>
struct IdsTraits<Tensor<std::int32_t>> {
  static constexpr bool ids = true;
};
template <class V>
struct IdsTraits<VarIds<V>> {
  static constexpr bool ids = true;
};
}  // namespace detail

/// Tensor<float>, Tensor<double>, or a Var of one.
template <class X>
concept Value = detail::ValueTraits<X>::depth >= 0;

/// Token ids, plain or on a tape.
template <class X>
concept Ids = detail::IdsTraits<X>::ids;

/// float or double.
template <Value X>
using ScalarOf = typename detail::ValueTraits<X>::Scalar;

/// 0 for a Tensor, 1 for a Var of one, ...
template <class X>
inline constexpr int depth_of = detail::ValueTraits<X>::depth;

/// The Tensor inside, however deep.
template <class T>
const Tensor<T>& plain(const Tensor<T>& x) {
  return x;
}
template <class V>
const auto& plain(const Var<V>& x) {
  return plain(x.value());
}

}  // namespace tessera::inline TESSERA_ISA
