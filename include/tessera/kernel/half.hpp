// IEEE 754 half precision (binary16) in packs: weights and caches are kept in it, and widened on their way into a
// register.
//
// Widening is exact. Narrowing rounds to nearest, ties to even; what is too large becomes infinity. Where the machine
// has no conversion (SSE2, scalar) both are done in integers, as in io/half.hpp, and give the same numbers (a NaN may
// change its payload).
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// The bits of a half.
using Half = std::uint16_t;

namespace detail {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // always inlined: no vector crosses a call
#endif

/// Halves as a float's bits, one in the lower 16 bits of every lane.
[[gnu::always_inline]] inline F widen_bits(I half) {
  const I sign = shift_left<16>(half & I::splat(0x8000));
  const I magnitude = shift_left<13>(half & I::splat(0x7FFF));
  F value = from_bits<float>(magnitude) * F(0x1p112f);  // 112 = 127 - 15; a subnormal half comes out exact as well
  value = select(value < F(65536.0f), value, from_bits<float>(magnitude | I::splat(0x7F800000)));
  return from_bits<float>(bits(value) | sign);
}

/// Floats as the bits of halves, in the lower 16 bits of every lane.
[[gnu::always_inline]] inline I narrow_bits(F value) {
  const I sign = shift_right_logical<16>(bits(value)) & I::splat(0x8000);
  const F magnitude = abs(value);
  // A normal half: rounds where 13 bits are cut off. A subnormal one is a multiple of 2^-24, the last place of a float
  // in [0.5, 1): adding 0.5 rounds it.
  const I odd = shift_right_logical<13>(bits(magnitude)) & I::splat(1);
  const I normal = shift_right_logical<13>(bits(magnitude) + odd + I::splat(0xFFF - (112 << 23)));
  const I subnormal = bits(magnitude + F(0.5f)) - I::splat(0x3F000000);
  F half = select(magnitude < F(0x1p-14f), from_bits<float>(subnormal), from_bits<float>(normal));
  half = select(magnitude < F(65520.0f), half, from_bits<float>(I::splat(0x7C00)));
  half = select(is_nan(value), from_bits<float>(I::splat(0x7E00)), half);
  return bits(half) | sign;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace detail

/// native_width halves at p, as floats.
[[gnu::always_inline]] inline F load_half(const Half* p) {
#if defined(TESSERA_SCALAR)
  return detail::widen_bits(I(*p));
#elif defined(__AVX512F__) && defined(__AVX512VL__)
  Lanes<std::int16_t, 16>::Vector h;
  std::memcpy(&h, p, sizeof h);
  return F::make(__builtin_ia32_vcvtph2ps512_mask(h, F(0.0f).v, static_cast<unsigned short>(0xFFFF), 4));
#elif defined(__AVX2__) && defined(__F16C__)
  Lanes<std::int16_t, 8>::Vector h;
  std::memcpy(&h, p, sizeof h);
  return F::make(__builtin_ia32_vcvtph2ps256(h));
#else
  I lanes;
  std::int32_t part[native_width];
  for (int i = 0; i < native_width; ++i) part[i] = p[i];
  std::memcpy(&lanes.v, part, sizeof lanes.v);
  return detail::widen_bits(lanes);
#endif
}

/// Stores native_width floats as halves.
[[gnu::always_inline]] inline void store_half(Half* p, F value) {
#if defined(TESSERA_SCALAR)
  *p = static_cast<Half>(detail::narrow_bits(value).v);
#elif defined(__AVX512F__) && defined(__AVX512VL__)
  const auto h = __builtin_ia32_vcvtps2ph512_mask(value.v, 0, Lanes<std::int16_t, 16>::Vector{},
                                                  static_cast<unsigned short>(0xFFFF));
  std::memcpy(p, &h, sizeof h);
#elif defined(__AVX2__) && defined(__F16C__)
  const auto h = __builtin_ia32_vcvtps2ph256(value.v, 0);
  std::memcpy(p, &h, sizeof h);
#else
  const I h = detail::narrow_bits(value);
  std::int32_t part[native_width];
  std::memcpy(part, &h.v, sizeof part);
  for (int i = 0; i < native_width; ++i) p[i] = static_cast<Half>(part[i]);
#endif
}

inline void narrow(const float* from, Index n, Half* to) {
  Index i = 0;
  for (; i + native_width <= n; i += native_width) store_half(to + i, F::load(from + i));
  if (i < n) {
    Half part[native_width];
    store_half(part, load_some<float>(from + i, n - i));
    std::memcpy(to + i, part, static_cast<std::size_t>(n - i) * sizeof(Half));
  }
}
inline void widen(const Half* from, Index n, float* to) {
  Index i = 0;
  for (; i + native_width <= n; i += native_width) load_half(from + i).store(to + i);
  if (i < n) {
    Half part[native_width] = {};
    std::memcpy(part, from + i, static_cast<std::size_t>(n - i) * sizeof(Half));
    store_some<float>(to + i, load_half(part), n - i);
  }
}
/// One number, by the same path.
inline Half half_of(float value) {
  Half h;
  narrow(&value, 1, &h);
  return h;
}
inline float float_of(Half h) {
  float value;
  widen(&h, 1, &value);
  return value;
}

}  // namespace tessera::inline TESSERA_ISA::kernel
