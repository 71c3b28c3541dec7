// y = W x for one x at a time, from weights packed beforehand: what a model does that decides unit after unit.
//
// Outputs lie in lanes. A panel is up to 8 registers of outputs; within it the weights of input 0 come first, then
// those of input 1, and so on, so that they stream through once from front to back, 8 independent sums hide the latency
// of the multiplication, and each y is one sum in the order of the inputs: the bits that kernel::gemm gives (up to 256
// inputs). Weights may be halves: half the memory traffic, which is the limit once they no longer fit into the caches
// near the core; sums are in float.
#pragma once

#include <cstdint>
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

}  // namespace detail

/// W [out, in], packed. Copies share nothing; keep one and hand out pointers to it.
template <class Stored>
class MatvecPanels {
  static_assert(std::is_same_v<Stored, float> || std::is_same_v<Stored, Half>);

 public:
  MatvecPanels() : numbers_(0) {}
  /// From weight(out, in) -> float.
  template <class Weight>
  MatvecPanels(Index out, Index in, const Weight& weight) : out_(out), in_(in), numbers_(padded() * in + room) {
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
  }

  Index out() const { return out_; }
  Index in() const { return in_; }
  /// `out` rounded up to whole registers: what y must have room for.
  Index padded() const { return (out_ + native_width - 1) / native_width * native_width; }
  Index bytes() const { return padded() * in_ * static_cast<Index>(sizeof(Stored)); }

  /// y = finish(W [a; b], first output): a and b follow each other, `finish` gets each register of sums and the number
  /// of its first output, and stores them.
  template <class Finish>
  [[gnu::always_inline]] void operator()(const float* a, Index count_a, const float* b, Index count_b,
                                         const Finish& finish) const {
    const Stored* w = numbers_.data();
    for_panels([&](Index first, auto registers) __attribute__((always_inline)) {
      constexpr int R = registers;
      F sums[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r] = F(0.0F);
      w = detail::add_panel<R>(w, a, count_a, sums);
      w = detail::add_panel<R>(w, b, count_b, sums);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) finish(sums[r], first + r * native_width);
    });
  }
  template <class Finish>
  [[gnu::always_inline]] void operator()(const float* x, const Finish& finish) const {
    (*this)(x, in_, nullptr, 0, finish);
  }

 private:
  static constexpr Index room = 64;  // prefetching runs past the end; it may, but stays near

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
};

}  // namespace tessera::inline TESSERA_ISA::kernel
