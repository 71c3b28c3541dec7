// Modules: structs of parameters and modules with one static function, no base class and no macro:
//
//   template <class T>
//   struct Linear {
//     Parameter<T> weight;
//     std::optional<Parameter<T>> bias;
//     static void members(auto& self, auto&& see) { see("weight", self.weight); see("bias", self.bias); }
//   };
//
// for_each_parameter walks any of them and yields dotted paths (`blocks.0.attention.query.weight`). Counting, saving, loading,
// moving averages, freezing and the optimizers stand on the same walk as a list, detail::leaves: a walk is compiled once for
// each type of module then, not once for each use of each.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tessera/autodiff/tape.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// A tensor that is saved with a module but not trained (running statistics).
template <class T>
struct Buffer {
  Tensor<T> value;
};

namespace detail {
struct SeeAnything {
  template <class M>
  void operator()(std::string_view, M&&) const {}
};
template <class T>
inline constexpr bool is_parameter = false;
template <class T>
inline constexpr bool is_parameter<Parameter<T>> = true;
template <class T>
inline constexpr bool is_buffer = false;
template <class T>
inline constexpr bool is_buffer<Buffer<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_pointer = false;
template <class T>
inline constexpr bool is_pointer<std::unique_ptr<T>> = true;
template <class T>
inline constexpr bool is_sequence = false;
template <class T>
inline constexpr bool is_sequence<std::vector<T>> = true;
template <class T, std::size_t N>
inline constexpr bool is_sequence<std::array<T, N>> = true;
template <class>
inline constexpr bool always_false = false;
}  // namespace detail

/// Anything with `static void members(auto& self, auto&& see)`.
template <class M>
concept Module = requires(M& m) {
  std::remove_const_t<M>::members(m, detail::SeeAnything{});
};

namespace detail {
inline std::string dotted(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + '.' + std::string(name);
}

template <class M, class Fn>
void walk(M& member, const std::string& path, const Fn& f) {
  using Plain = std::remove_const_t<M>;
  if constexpr (is_parameter<Plain> || is_buffer<Plain>) {
    f(path, member);
  } else if constexpr (is_optional<Plain> || is_pointer<Plain>) {
    if (member) walk(*member, path, f);
  } else if constexpr (is_sequence<Plain>) {
    std::size_t i = 0;
    for (auto& m : member) walk(m, path + '.' + std::to_string(i++), f);
  } else if constexpr (Module<M>) {
    Plain::members(member, [&](std::string_view name, auto& m) { walk(m, dotted(path, name), f); });
  } else {
    static_assert(always_false<M>,
                  "members() may name only parameters, buffers, modules, and optionals or sequences of these");
  }
}
}  // namespace detail

/// Calls f(path, Parameter&) for every parameter, in the order members() names them.
template <Module M, class Fn>
void for_each_parameter(M& module, const Fn& f) {
  detail::walk(module, std::string(), [&](const std::string& path, auto& p) {
    if constexpr (detail::is_parameter<std::remove_cvref_t<decltype(p)>>) f(path, p);
  });
}
/// Calls f(path, tensor) for every parameter and buffer: everything that is saved.
template <Module M, class Fn>
void for_each_tensor(M& module, const Fn& f) {
  detail::walk(module, std::string(), [&](const std::string& path, auto& p) { f(path, p.value); });
}

namespace detail {
enum class Scalar : unsigned char { f32, f64, i32, i64, u8 };
template <class T>
inline constexpr Scalar scalar_of = [] {
  if constexpr (std::is_same_v<T, float>)
    return Scalar::f32;
  else if constexpr (std::is_same_v<T, double>)
    return Scalar::f64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return Scalar::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return Scalar::i64;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>, "a module holds float, double, int32, int64 and uint8 only");
    return Scalar::u8;
  }
}();

/// A parameter or buffer of some type.
struct Leaf {
  std::string path;
  void* at;       // Parameter<T> or Buffer<T>
  Scalar scalar;  // T
  bool trained;   // a parameter

  /// Throws argument_error when it is a parameter of another type: such a module has no gradients on a tape of T.
  template <class T>
  Parameter<T>& parameter() const {
    if (scalar != scalar_of<T>) throw argument_error("a parameter is not of the scalar type that is being trained");
    return *static_cast<Parameter<T>*>(at);
  }
  template <class T>
  Tensor<T>& tensor() const {
    return trained ? static_cast<Parameter<T>*>(at)->value : static_cast<Buffer<T>*>(at)->value;
  }
};
/// f(tensor), of the type it has.
template <class Fn>
decltype(auto) visit(const Leaf& leaf, const Fn& f) {
  switch (leaf.scalar) {
    case Scalar::f32:
      return f(leaf.tensor<float>());
    case Scalar::f64:
      return f(leaf.tensor<double>());
    case Scalar::i32:
      return f(leaf.tensor<std::int32_t>());
    case Scalar::i64:
      return f(leaf.tensor<std::int64_t>());
    default:
      return f(leaf.tensor<std::uint8_t>());
  }
}

/// What walk() calls to make the list: one type, so that a walk for it is compiled once a module type.
struct ListLeaves {
  std::vector<Leaf>& all;
  template <class P>
  void operator()(const std::string& path, P& p) const {
    using T = typename decltype(p.value)::Scalar;
    all.push_back({path, &p, scalar_of<T>, is_parameter<P>});
  }
};
/// Every parameter and buffer, in the order members() names them. They are the module's own: const is the caller's
/// duty.
template <Module M>
std::vector<Leaf> leaves(const M& module) {
  std::vector<Leaf> all;
  walk(const_cast<M&>(module), std::string(), ListLeaves{all});
  return all;
}
}  // namespace detail

/// Number of trained numbers.
template <Module M>
Index parameter_count(const M& module) {
  Index n = 0;
  for (const detail::Leaf& leaf : detail::leaves(module)) {
    if (leaf.trained) n += detail::visit(leaf, [](const auto& v) { return v.size(); });
  }
  return n;
}

/// `*` stands for any run of characters: "text.*", "*.bias".
inline bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    for (std::size_t i = 0; i <= name.size(); ++i) {
      if (matches(pattern.substr(1), name.substr(i))) return true;
    }
    return false;
  }
  return !name.empty() && pattern.front() == name.front() && matches(pattern.substr(1), name.substr(1));
}
/// Freezes (or frees) the parameters whose path matches; returns how many did.
template <Module M>
Index freeze(M& module, std::string_view pattern, bool frozen = true) {
  Index n = 0;
  for (const detail::Leaf& leaf : detail::leaves(module)) {
    if (!leaf.trained || !matches(pattern, leaf.path)) continue;
    if (leaf.scalar == detail::Scalar::f32)
      leaf.parameter<float>().frozen = frozen;
    else
      leaf.parameter<double>().frozen = frozen;
    ++n;
  }
  return n;
}

}  // namespace tessera::inline TESSERA_ISA
