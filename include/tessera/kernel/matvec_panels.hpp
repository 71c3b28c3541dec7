// y = W x for one x at a time, from weights packed beforehand: what a model does that decides unit after unit.
//
// Outputs lie in lanes. A panel is up to 8 registers of outputs; within it the weights of input 0 come first, then
// those of input 1, and so on, so that they stream through once from front to back, 8 independent sums hide the latency
// of the multiplication, and each y is one sum in the order of the inputs: the bits that kernel::gemm gives (up to 256
// inputs). Weights may be halves: half the memory traffic, which is the limit once they no longer fit into the caches
// near the core; sums are in float.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/half.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/scratch.hpp>
#include <type_traits>
#include <utility>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

inline constexpr Index panel_registers = 8;

[[gnu::always_inline]] inline F fetch_weights(const float* p) { return F::load(p); }
[[gnu::always_inline]] inline F fetch_weights(const Half* p) { return load_half(p); }

/// sums[r] += the panel's weights times x, `count` inputs; returns where the weights go on.
template <int Registers, class Stored>
[[gnu::always_inline]] inline const Stored* add_panel(const Stored* w, const float* x, Index count, F* sums) {
  constexpr Index ahead = 512 / static_cast<Index>(sizeof(Stored));  // about the latency of the second cache
  for (Index k = 0; k < count; ++k) {
    const F factor(x[k]);
#pragma GCC unroll 8
    for (int r = 0; r < Registers; ++r) sums[r] = fma(fetch_weights(w + r * native_width), factor, sums[r]);
    if constexpr (Registers * native_width * sizeof(Stored) >= 64) {
#pragma GCC unroll 8
      for (std::size_t line = 0; line < Registers * native_width * sizeof(Stored) / 64; ++line)
        __builtin_prefetch(w + ahead + line * 64 / sizeof(Stored));
    }
    w += Registers * native_width;
  }
  return w;
}

/// sums[v][r] += R registers of the weights at w, of `pitch` a panel has, times vector v.
template <int Registers, int Vectors, class Stored>
[[gnu::always_inline]] inline void add_vectors(const Stored* w, Index pitch, const float* const* x, Index count,
                                               F (*sums)[Registers]) {
  for (Index k = 0; k < count; ++k, w += pitch * native_width) {
    F line[Registers];
#pragma GCC unroll 8
    for (int r = 0; r < Registers; ++r) line[r] = fetch_weights(w + r * native_width);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      const F factor(x[v][k]);
#pragma GCC unroll 8
      for (int r = 0; r < Registers; ++r) sums[v][r] = fma(line[r], factor, sums[v][r]);
    }
  }
}

}  // namespace detail

/// W [out, in], packed. Copies share nothing; keep one and hand out pointers to it.
template <class Stored>
class MatvecPanels {
  static_assert(std::is_same_v<Stored, float> || std::is_same_v<Stored, Half>);

 public:
  MatvecPanels() : numbers_(0) {}
  /// From weight(out, in) -> float.
  template <class Weight>
  MatvecPanels(Index out, Index in, const Weight& weight) : out_(out), in_(in), numbers_(stored()) {
    Stored* to = numbers_.data();
    for_panels([&](Index first, auto registers) {
      for (Index k = 0; k < in; ++k) {
        for (Index j = 0; j < registers * native_width; ++j) {
          const float w = first + j < out ? weight(first + j, k) : 0.0F;
          if constexpr (std::is_same_v<Stored, float>)
            *to++ = w;
          else
            *to++ = half_of(w);
        }
      }
    });
    for (Index i = 0; i < room; ++i) *to++ = Stored{};
    at_ = numbers_.data();
  }

  /// Numbers in memory, with what prefetching may touch beyond the weights.
  Index stored() const { return padded() * in_ + room; }
  /// Moves them to memory that outlives this: several matrices of a model side by side on one large page do not get
  /// into each other's way in the cache.
  void move_to(Stored* to) {
    std::memcpy(to, at_, static_cast<std::size_t>(stored()) * sizeof(Stored));
    at_ = to;
    numbers_ = Scratch<Stored>(0);
  }

  Index out() const { return out_; }
  Index in() const { return in_; }
  /// `out` rounded up to whole registers: what y must have room for.
  Index padded() const { return (out_ + native_width - 1) / native_width * native_width; }
  Index bytes() const { return padded() * in_ * static_cast<Index>(sizeof(Stored)); }

  /// y = finish(W x, first output): `finish` gets each register of sums and the number of its first output, and stores
  /// them. Where `begun` is given, sums go on from what it holds, [padded()].
  template <class Finish>
  [[gnu::always_inline]] void operator()(const float* x, const Finish& finish, const float* begun = nullptr) const {
    const Stored* w = at_;
    for_panels([&](Index first, auto registers) __attribute__((always_inline)) {
      constexpr int R = registers;
      F sums[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r] = begun ? F::load(begun + first + r * native_width) : F(0.0F);
      w = detail::add_panel<R>(w, x, in_, sums);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) finish(sums[r], first + r * native_width);
    });
  }

  /// y = W x for `count` x at once, each `x_step` after the one before, y padded() apart: the weights are read once for
  /// four of them, the sums are those of one by one.
  void many(const float* x, Index x_step, Index count, float* y) const {
    constexpr Index together = native_width == 16 ? 4 : 2;
    for (; count >= together; count -= together, x += together * x_step, y += together * padded())
      some<together>(x, x_step, y);
    for (; count > 0; --count, x += x_step, y += padded()) {
      (*this)(x, [y](F sum, Index o) { sum.store(y + o); });
    }
  }

 private:
  static constexpr Index room = 64;  // prefetching runs past the end; it may, but stays near

  template <int Vectors>
  [[gnu::noinline]] void some(const float* x, Index x_step, float* y) const {
    const float* at[Vectors];
    for (int v = 0; v < Vectors; ++v) at[v] = x + v * x_step;
    const Stored* w = at_;
    for_panels([&](Index first, auto registers) __attribute__((always_inline)) {
      constexpr int R = registers, low = R < 4 ? R : 4;
      const auto part = [&](auto from, auto part_registers) __attribute__((always_inline)) {
        constexpr int P = part_registers;
        F sums[Vectors][P];
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
#pragma GCC unroll 8
          for (int r = 0; r < P; ++r) sums[v][r] = F(0.0F);
        }
        detail::add_vectors<P, Vectors>(w + from * native_width, R, at, in_, sums);
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
#pragma GCC unroll 8
          for (int r = 0; r < P; ++r) sums[v][r].store(y + v * padded() + first + (from + r) * native_width);
        }
      };
      part(std::integral_constant<int, 0>{}, std::integral_constant<int, low>{});
      if constexpr (R > low) part(std::integral_constant<int, low>{}, std::integral_constant<int, R - low>{});
      w += in_ * R * native_width;
    });
  }

  /// body(first output, how many registers) for every panel: as many of 8 as there are, then what is left.
  template <class Body>
  [[gnu::always_inline]] void for_panels(const Body& body) const {
    constexpr Index full = detail::panel_registers * native_width;
    Index first = 0;
    for (; first + full <= padded(); first += full) body(first, std::integral_constant<int, detail::panel_registers>{});
    rest(first, (padded() - first) / native_width, body, std::make_integer_sequence<int, detail::panel_registers>{});
  }
  template <class Body, int... R>
  [[gnu::always_inline]] static void rest(Index first, Index registers, const Body& body,
                                          std::integer_sequence<int, R...>) {
    const auto one = [&](auto count) __attribute__((always_inline)) {
      if constexpr (count > 0) {
        if (registers == count) body(first, count);
      }
    };
    (one(std::integral_constant<int, R>{}), ...);
  }

  Index out_ = 0, in_ = 0;
  Scratch<Stored> numbers_;
  const Stored* at_ = nullptr;
};

}  // namespace tessera::inline TESSERA_ISA::kernel
