// Philox4x32-10, a counter-based generator: ten rounds of multiplying and mixing turn (counter, key) into four random
// words. Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Passes BigCrush; any
// word is reached directly.
//
// The order of elements is a contract: a seed means the same bytes on every instruction set, compiler, optimisation
// level and number of threads. A fill is cut into units of 64. Element i lies in unit u = i / 64; with w = (i % 64) /
// 16 it comes from word w of counter 16 u + i % 16 (normals: from words 0 and 1 together for w = 0, 1, from words 2
// and 3 for w = 2, 3). Hence only integer operations, *, sqrt and fma that rounds once are used below: no product
// ever meets a sum, so there is nothing that a compiler may contract, and a build without FMA calls std::fma.
//
// Normals are Box and Muller's (1958): radius sqrt(-2 ln u) with u of 31 bits (the tail ends at 6.66 sigma), angle of
// 32 bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera {

/// The four words of one counter; the plain statement of the algorithm.
struct Philox {
  std::uint32_t word[4];

  static constexpr std::uint32_t multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
  static constexpr std::uint32_t weyl[2] = {0x9E3779B9u,
                                            0xBB67AE85u};  // golden ratio, sqrt(3) - 1: the key's step a round

  constexpr Philox(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3, std::uint64_t key)
      : word{c0, c1, c2, c3} {
    auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round, k0 += weyl[0], k1 += weyl[1]) {
      const std::uint64_t p = std::uint64_t{multiplier[0]} * word[0], q = std::uint64_t{multiplier[1]} * word[2];
      word[0] = static_cast<std::uint32_t>(q >> 32) ^ word[1] ^ k0;
      word[2] = static_cast<std::uint32_t>(p >> 32) ^ word[3] ^ k1;
      word[1] = static_cast<std::uint32_t>(q);
      word[3] = static_cast<std::uint32_t>(p);
    }
  }
};

}  // namespace tessera

namespace tessera::inline TESSERA_ISA::kernel {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

// ---- words, as many counters at a time as a register has lanes

/// Words in 64-bit lanes: one multiplication gives a word's high and low product. The upper halves of lanes are not
/// kept clean.
using Wide = typename Lanes<std::uint64_t, (native_width > 1 ? native_width / 2 : 1)>::Vector;

/// Lower halves times m, 64 bits.
[[gnu::always_inline]] inline Wide multiply_low(Wide a, std::uint32_t m) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__SSE2__) && !defined(TESSERA_SCALAR)
  typename Lanes<std::int32_t, native_width>::Vector x, y;  // g++ does not see vpmuludq in the portable form below
  const Wide times = Wide{} + m;
  std::memcpy(&x, &a, sizeof x);
  std::memcpy(&y, &times, sizeof y);
#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq512_mask(x, y, Lanes<long long, 8>::Vector{}, 0xFF));
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq256(x, y));
#else
  return reinterpret_cast<Wide>(__builtin_ia32_pmuludq128(x, y));
#endif
#else
  return (a & 0xFFFFFFFFu) * std::uint64_t{m};
#endif
}

/// Even and odd counters' words, side by side.
template <class W>
[[gnu::always_inline]] inline I in_order(W even, W odd) {
  if constexpr (native_width == 1) {
    return I(static_cast<std::int32_t>(static_cast<std::uint32_t>(even)));
  } else {
    const W both = (even & 0xFFFFFFFFu) | (odd << 32);
    I r;
    std::memcpy(&r.v, &both, sizeof r.v);
    return r;
  }
}

struct PhiloxLanes {
  Wide word[4];

  [[gnu::always_inline]] void round(std::uint32_t k0, std::uint32_t k1) {
    const Wide p = multiply_low(word[0], Philox::multiplier[0]), q = multiply_low(word[2], Philox::multiplier[1]);
    word[0] = (q >> 32) ^ word[1] ^ std::uint64_t{k0};
    word[2] = (p >> 32) ^ word[3] ^ std::uint64_t{k1};
    word[1] = q;
    word[3] = p;
  }
};

/// Four registers of words: lane j of word[w] is word w of counter (first + j, use, 0).
struct PhiloxWords {
  I word[4];

  /// `first` is a multiple of the width. Even and odd counters run in registers of their own.
  [[gnu::always_inline]] PhiloxWords(std::uint64_t first, std::uint32_t use, std::uint64_t key) {
    constexpr std::uint64_t evens[8] = {0, 2, 4, 6, 8, 10, 12, 14};
    Wide n;
    std::memcpy(&n, evens, sizeof n);
    n = n + (first & 0xFFFFFFFFu);
    PhiloxLanes even{n, Wide{} + (first >> 32), Wide{} + std::uint64_t{use}, Wide{}}, odd = even;
    odd.word[0] = n + 1u;
    auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
    for (int r = 0; r < 10; ++r) {
      even.round(k0, k1);
      if constexpr (native_width > 1) odd.round(k0, k1);
      k0 += Philox::weyl[0];
      k1 += Philox::weyl[1];
    }
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) { word[w] = in_order(even.word[w], odd.word[w]); }
  }
};

// ---- numbers from words

/// Number by number: what a processor without the instruction is left with. Not inlined, or it would be most of a fill.
[[gnu::noinline]] inline void fused_slowly(const float* a, const float* b, float* c) {
  for (int i = 0; i < native_width; ++i) c[i] = std::fma(a[i], b[i], c[i]);
}
/// a b + c rounded once, on every instruction set.
[[gnu::always_inline]] inline F fused(F a, F b, F c) {
#if defined(__FMA__)
  constexpr bool in_hardware = native_width != 4;
#else
  constexpr bool in_hardware = false;
#endif
  if constexpr (in_hardware) {
    return fma(a, b, c);
  } else {
    float x[native_width], y[native_width], z[native_width];
    a.store(x), b.store(y), c.store(z);
    fused_slowly(x, y, z);
    return F::load(z);
  }
}
[[gnu::always_inline]] inline F fused_polynomial(F, float c0) { return F(c0); }
template <class... C>
[[gnu::always_inline]] inline F fused_polynomial(F x, float c0, C... c) {
  return fused(fused_polynomial(x, c...), x, F(c0));
}

/// [0, 1), 24 bits.
[[gnu::always_inline]] inline F unit_interval(I word) { return to_float(shift_right_logical<8>(word)) * F(0x1p-24f); }

/// -2 ln x for normal x > 0: exponent and mantissa m in [sqrt(1/2), sqrt(2)); a minimax fit of -2 ln(1 + f) / f, f = m
/// - 1.
[[gnu::always_inline]] inline F minus_two_log(F x) {
  constexpr std::int32_t sqrt_half = 0x3F3504F3;
  const I exponent = shift_right<23>(bits(x) - I::splat(sqrt_half));
  const F f = from_bits(bits(x) - shift_left<23>(exponent)) - F(1.0f);
  const F p = fused_polynomial(f, -2.0f, 0.9999997593f, -0.6666837125f, 0.500041481f, -0.3991366709f, 0.331247865f,
                               -0.2990453346f, 0.2873368499f, -0.1744471113f);
  return fused(f, p, to_float(exponent) * F(-1.3862943611f));
}

struct NormalPair {
  F x, y;
};

/// Two normals from two words. The angle's top three bits are two signs and a swap, the others s in [-1, 1): with a = s
/// pi/4, sin a and cos a are minimax polynomials on one octant to each side of the axis.
[[gnu::always_inline]] inline NormalPair box_muller(I radius_word, I angle_word) {
  const F u = fused(to_float(shift_right_logical<1>(radius_word)), F(0x1p-31f), F(0x1p-32f));  // (0, 1]
  const F radius = sqrt(minus_two_log(u));
  const F s = to_float(shift_right<3>(shift_left<3>(angle_word))) * F(0x1p-28f);
  const F z = s * s;
  const F sine = s * fused_polynomial(z, 0.7853981609f, -0.08074543253f, 0.002490001024f, -3.595045226e-5f);
  const F cosine = fused_polynomial(z, 1.0f, -0.308424528f, 0.01585051152f, -0.0003192365485f);
  const Mask<float> swap{shift_right<31>(shift_left<2>(angle_word)).v};
  return {radius * (select(swap, sine, cosine) ^ sign_of(from_bits(angle_word))),
          radius * (select(swap, cosine, sine) ^ sign_of(from_bits(shift_left<1>(angle_word))))};
}

// ---- fills

inline constexpr Index philox_unit = 64;

struct UniformFill {
  [[gnu::always_inline]] static void put(const PhiloxWords& w, float* out) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) unit_interval(w.word[k]).store(out + 16 * k);
  }
};
struct NormalFill {
  [[gnu::always_inline]] static void put(const PhiloxWords& w, float* out) {
#pragma GCC unroll 2
    for (int k = 0; k < 4; k += 2) {
      const NormalPair pair = box_muller(w.word[k], w.word[k + 1]);
      pair.x.store(out + 16 * k);
      pair.y.store(out + 16 * k + 16);
    }
  }
};

/// Elements [64 first_unit, 64 first_unit + count) of a fill. `use` keeps draws of different kinds under one key apart.
template <class Fill>
void philox_fill(float* out, Index count, Index first_unit, std::uint32_t use, std::uint64_t key) {
  auto unit = static_cast<std::uint64_t>(first_unit);
  for (; count > 0; ++unit, count -= philox_unit, out += philox_unit) {
    float part[philox_unit];  // of the last unit
    const bool whole = count >= philox_unit;
    float* const to = whole ? out : part;
#pragma GCC unroll 1
    for (std::uint64_t lane = 0; lane < 16; lane += static_cast<std::uint64_t>(native_width))
      Fill::put(PhiloxWords(16 * unit + lane, use, key), to + lane);
    if (!whole) std::memcpy(out, part, static_cast<std::size_t>(count) * sizeof(float));
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template void philox_fill<NormalFill>(float*, Index, Index, std::uint32_t, std::uint64_t);
TESSERA_INSTANCE template void philox_fill<UniformFill>(float*, Index, Index, std::uint32_t, std::uint64_t);
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel
