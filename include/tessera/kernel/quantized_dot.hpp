// Four weights times four activations in every lane, added up in 32 bits without rounding.
//
// Weights come as unsigned bytes, w + offset, four a lane (quantized_panel.hpp), activations as a word or two that all
// lanes share. The offset is taken out again by where the sum begins: -offset times the sum of the activations.
//
// There are two ways. PairDot, on every machine: the bytes at even and at odd places are 16-bit numbers under a mask
// and are multiplied by pairs (pmaddwd). ByteDot, where the machine has VNNI: q = 256 h + l, both bytes, each
// multiplied by fours (vpdpbusd). Their results are equal. As template arguments they keep units built with and without
// VNNI apart.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // always inlined: no vector crosses a call
#endif

namespace detail {

[[gnu::always_inline]] inline I load_words(const std::uint8_t* p) {
  I r;
  std::memcpy(&r.v, p, sizeof r.v);
  return r;
}

/// a.low b.low + a.high b.high in every lane, for the signed 16-bit halves of the lanes.
[[gnu::always_inline]] inline I multiply_pairs(I a, I b) {
#if !defined(TESSERA_SCALAR) && defined(__SSE2__)
  typename Lanes<std::int16_t, 2 * native_width>::Vector x, y;
  std::memcpy(&x, &a.v, sizeof x);
  std::memcpy(&y, &b.v, sizeof y);
#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#if defined(__clang__)
  return I(__builtin_ia32_pmaddwd512(x, y));
#else
  return I(__builtin_ia32_pmaddwd512_mask(x, y, I::splat(0).v, static_cast<unsigned short>(0xFFFF)));
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
  return I(__builtin_ia32_pmaddwd256(x, y));
#else
  return I(__builtin_ia32_pmaddwd128(x, y));
#endif
#else
  const auto low = [](std::int32_t v) { return static_cast<std::int32_t>(static_cast<std::int16_t>(v & 0xFFFF)); };
  return I(low(a.v) * low(b.v) + (a.v >> 16) * (b.v >> 16));
#endif
}

}  // namespace detail

struct PairDot {
  /// Group g's words: q[4g] and q[4g + 2], q[4g + 1] and q[4g + 3].
  static void arrange(const std::int32_t* q, std::int32_t* words) {
    std::int16_t halves[32];
    for (int g = 0; g < 8; ++g) {
      halves[4 * g] = static_cast<std::int16_t>(q[4 * g]);
      halves[4 * g + 1] = static_cast<std::int16_t>(q[4 * g + 2]);
      halves[4 * g + 2] = static_cast<std::int16_t>(q[4 * g + 1]);
      halves[4 * g + 3] = static_cast<std::int16_t>(q[4 * g + 3]);
    }
    std::memcpy(words, halves, sizeof halves);
  }

  I even, odd;

  [[gnu::always_inline]] static PairDot start(std::int32_t first) { return {I::splat(first), I::splat(0)}; }
  /// Weights as multiply wants them.
  struct Bytes {
    I even, odd;
  };
  [[gnu::always_inline]] static Bytes bytes(I words) {
    const I mask = I::splat(0x00FF00FF);
    return {words & mask, shift_right_logical<8>(words) & mask};
  }
  [[gnu::always_inline]] static Bytes low_nibbles(I words) {
    const I mask = I::splat(0x000F000F);
    return {words & mask, shift_right_logical<8>(words) & mask};
  }
  [[gnu::always_inline]] static Bytes high_nibbles(I words) {
    const I mask = I::splat(0x000F000F);
    return {shift_right_logical<4>(words) & mask, shift_right_logical<12>(words) & mask};
  }
  [[gnu::always_inline]] void multiply(Bytes weights, const std::int32_t* words, int group) {
    even = even + detail::multiply_pairs(weights.even, I::splat(words[2 * group]));
    odd = odd + detail::multiply_pairs(weights.odd, I::splat(words[2 * group + 1]));
  }
  [[gnu::always_inline]] I total() const { return even + odd; }
};

#if !defined(TESSERA_SCALAR) &&                                                                            \
    ((defined(__AVX512VNNI__) && defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && \
      defined(__AVX512VL__)) ||                                                                            \
     (defined(__AVXVNNI__) && !defined(__AVX512F__) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)))

struct ByteDot {
  /// The 8 words of h, then those of l.
  static void arrange(const std::int32_t* q, std::int32_t* words) {
    std::int8_t high[32], low[32];
    for (int i = 0; i < 32; i += native_width) {
      I v;
      std::memcpy(&v.v, q + i, sizeof v.v);
      const I h = shift_right<8>(v + I::splat(128));
      const I l = v - shift_left<8>(h);
      using Bytes = typename Lanes<std::int8_t, native_width>::Vector;
      const Bytes hb = __builtin_convertvector(h.v, Bytes), lb = __builtin_convertvector(l.v, Bytes);
      std::memcpy(high + i, &hb, sizeof hb);
      std::memcpy(low + i, &lb, sizeof lb);
    }
    std::memcpy(words, high, sizeof high);
    std::memcpy(words + 8, low, sizeof low);
  }

  I high, low;

  [[gnu::always_inline]] static ByteDot start(std::int32_t first) { return {I::splat(0), I::splat(first)}; }
  struct Bytes {
    I all;
  };
  [[gnu::always_inline]] static Bytes bytes(I words) { return {words}; }
  [[gnu::always_inline]] static Bytes low_nibbles(I words) { return {words & I::splat(0x0F0F0F0F)}; }
  [[gnu::always_inline]] static Bytes high_nibbles(I words) {
    return {shift_right_logical<4>(words) & I::splat(0x0F0F0F0F)};
  }
  [[gnu::always_inline]] void multiply(Bytes weights, const std::int32_t* words, int group) {
    high = multiply_fours(high, weights.all, I::splat(words[group]));
    low = multiply_fours(low, weights.all, I::splat(words[8 + group]));
  }
  [[gnu::always_inline]] I total() const { return shift_left<8>(high) + low; }

 private:
  /// sum + the four products of an unsigned byte of w and a signed byte of x.
  [[gnu::always_inline]] static I multiply_fours(I sum, I w, I x) {
    if constexpr (native_width == 16) {
#if defined(__AVX512F__) && defined(__clang__)
      return I(__builtin_ia32_vpdpbusd512(sum.v, w.v, x.v));
#elif defined(__AVX512F__)
      return I(__builtin_ia32_vpdpbusd_v16si(sum.v, w.v, x.v));
#endif
    } else {
#if !defined(__AVX512F__) && defined(__clang__)
      return I(__builtin_ia32_vpdpbusd256(sum.v, w.v, x.v));
#elif !defined(__AVX512F__)
      return I(__builtin_ia32_vpdpbusd_v8si(sum.v, w.v, x.v));
#endif
    }
  }
};
using NativeDot = ByteDot;
#else
using NativeDot = PairDot;
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel
