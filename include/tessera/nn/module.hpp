// Modules: structs of parameters and modules with one static function, no base class and no macro:
//
//   template <class T>
//   struct Linear {
//     Parameter<T> weight;
//     std::optional<Parameter<T>> bias;
//     static void members(auto& self, auto&& see) { see("weight", self.weight); see("bias", self.bias); }
//   };
//
// for_each_parameter walks any of them and yields dotted paths (`blocks.0.attention.query.weight`); counting, saving, loading,
// moving averages, freezing and the optimizers all stand on it.
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
    Plain::members(member, [&](std::string_view name, auto& m) {
      walk(m, path.empty() ? std::string(name) : path + '.' + std::string(name), f);
    });
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

/// Number of trained numbers.
template <Module M>
Index parameter_count(const M& module) {
  Index n = 0;
  for_each_parameter(module, [&](const std::string&, const auto& p) { n += p.value.size(); });
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
  for_each_parameter(module, [&](const std::string& path, auto& p) {
    if (!matches(pattern, path)) return;
    p.frozen = frozen;
    ++n;
  });
  return n;
}

}  // namespace tessera::inline TESSERA_ISA
