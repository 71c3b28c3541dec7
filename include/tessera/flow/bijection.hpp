// Bijection: an invertible map of items whose log-determinant is known, and how two of them become one.
//
//   forward(x, context) -> {value z, log_det [B]}    data to latent: log_det is log |dz/dx| of each item
//   inverse(z, context) -> {value x, log_det [B]}    the exact way back: log_det is log |dx/dz|
//
// By the change of variables log p(x) = log p(z) + log |dz/dx| (Tabak and Vanden-Eijnden, 2010; Rezende and Mohamed,
// 2015, arXiv 1505.05770). `context` [B, E] is what the map is conditioned on; an empty value where there is nothing,
// and bijections that take none pass over it. Chain and Stack compose, Reversed exchanges the two directions.
//
// Some bijections start from data (Kingma and Dhariwal, 2018): `initialise(x, context)` looks at a first batch, sets
// what it sets from it, and maps the batch on.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/nn/module.hpp>
#include <tuple>

namespace tessera::inline TESSERA_ISA {

template <Value X>
struct Mapped {
  X value;
  X log_det;  // [B]
};

template <class B, class X = Tensor<float>>
concept Bijection = Value<X> && Module<B> && requires(const B& b, const X& x) {
  { b.forward(x, x) } -> std::same_as<Mapped<X>>;
  { b.inverse(x, x) } -> std::same_as<Mapped<X>>;
};

namespace detail {
/// A log-determinant that is the same for all items, as [B].
template <Value X>
X for_each_item(const X& log_det, Index items) {
  return broadcast_to(reshape(log_det, {1}), {items});
}
template <Value X>
X no_log_det(const X& x) {
  return lift(x, Tensor<ScalarOf<X>>(Shape{x.extent(0)}, ScalarOf<X>(0)));
}
/// initialise() where a bijection has it, else forward().
template <class B, class T>
Mapped<Tensor<T>> initialise(B& b, const Tensor<T>& x, const Tensor<T>& context) {
  if constexpr (requires { b.initialise(x, context); })
    return b.initialise(x, context);
  else
    return b.forward(x, context);
}
template <class T>
void check_items(const char* op, const Shape& s) {
  if (s.rank() < 2) throw shape_error(std::string(op) + ": items [B, ...] wanted, shape is " + s.to_string());
}
}  // namespace detail

/// One bijection after another, each of its own kind.
template <class... B>
struct Chain {
  std::tuple<B...> parts;

  explicit Chain(B... b) : parts(std::move(b)...) {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    Mapped<X> at{x, {}};
    std::apply([&](const auto&... b) { (go_on(at, b.forward(at.value, context)), ...); }, parts);
    return at;
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    Mapped<X> at{z, {}};
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (go_on(at, std::get<sizeof...(B) - 1 - I>(parts).inverse(at.value, context)), ...);
    }
    (std::index_sequence_for<B...>{});
    return at;
  }
  template <class T>
  Mapped<Tensor<T>> initialise(const Tensor<T>& x, const Tensor<T>& context = {}) {
    Mapped<Tensor<T>> at{x, {}};
    std::apply([&](auto&... b) { (go_on(at, detail::initialise(b, at.value, context)), ...); }, parts);
    return at;
  }

  static void members(auto& self, auto&& see) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (see(std::to_string(I), std::get<I>(self.parts)), ...); }
    (std::index_sequence_for<B...>{});
  }

 private:
  template <class X>
  static void go_on(Mapped<X>& at, Mapped<X> next) {
    at.log_det = at.log_det ? at.log_det + next.log_det : std::move(next.log_det);
    at.value = std::move(next.value);
  }
};

/// Any number of bijections of one kind, one after another.
template <class B>
struct Stack {
  std::vector<B> parts;

  Stack() = default;
  explicit Stack(std::vector<B> b) : parts(std::move(b)) {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    Mapped<X> at{x, detail::no_log_det(x)};
    for (const B& b : parts) go_on(at, b.forward(at.value, context));
    return at;
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    Mapped<X> at{z, detail::no_log_det(z)};
    for (auto b = parts.rbegin(); b != parts.rend(); ++b) go_on(at, b->inverse(at.value, context));
    return at;
  }
  template <class T>
  Mapped<Tensor<T>> initialise(const Tensor<T>& x, const Tensor<T>& context = {}) {
    Mapped<Tensor<T>> at{x, detail::no_log_det(x)};
    for (B& b : parts) go_on(at, detail::initialise(b, at.value, context));
    return at;
  }

  static void members(auto& self, auto&& see) { see("parts", self.parts); }

 private:
  template <class X>
  static void go_on(Mapped<X>& at, Mapped<X> next) {
    at.log_det = at.log_det + next.log_det;
    at.value = std::move(next.value);
  }
};

/// The same map the other way round.
template <class B>
struct Reversed {
  B bijection;

  explicit Reversed(B b) : bijection(std::move(b)) {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    return bijection.inverse(x, context);
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    return bijection.forward(z, context);
  }

  static void members(auto& self, auto&& see) { see("bijection", self.bijection); }
};

}  // namespace tessera::inline TESSERA_ISA
