// Weights in blocks of 32 that share a scale d, a half: the formats Q8_0 and Q4_0 as ggml and its GGUF files publish
// them (https://github.com/ggml-org/ggml), so that what a file holds is used to the bit.
//
//   Q8_0, 34 bytes: d, then 32 signed bytes q                                    w = d q          8.5 bits a weight
//   Q4_0, 18 bytes: d, then 16 bytes; byte j holds q[j] low and q[j + 16] high   w = d (q - 8)    4.5 bits a weight
//
// Rounding costs at most d / 2 a weight in Q8_0, where 127 d is the block's largest magnitude, and at most |d| in Q4_0,
// where -8 d is its largest weight, sign and all: the other sign ends at 7 |d|. The largest weight itself is off by
// what rounding d to a half costs: 127 or 8 times half its last place.
//
// The products read another arrangement (quantized_panel.hpp); these blocks are how weights travel.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/half.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// How a weight matrix is stored for generation.
enum class WeightFormat : std::uint8_t { f32, f16, q8, q4 };

constexpr const char* name_of(WeightFormat format) {
  constexpr const char* names[] = {"F32", "F16", "Q8_0", "Q4_0"};
  return names[static_cast<int>(format)];
}

/// Weights in a block.
inline constexpr Index block_length = 32;

/// What the products need to know of a format of blocks.
struct Q8 {
  static constexpr Index quants = 32;                 // bytes of q in a block
  static constexpr Index bytes = 2 + quants;          // of a published block
  static constexpr std::int32_t offset = 128;         // what a panel adds to q to make it unsigned
  static constexpr std::uint32_t flip = 0x80808080u;  // ... which for four of them at once is this exclusive or
};
struct Q4 {
  static constexpr Index quants = 16;
  static constexpr Index bytes = 2 + quants;
  static constexpr std::int32_t offset = 8;
  static constexpr std::uint32_t flip = 0;
};

/// Bytes of one published row of `in` weights, a multiple of 32.
template <class Format>
constexpr Index published_bytes(Index in) {
  return in / block_length * Format::bytes;
}

namespace detail {

inline float block_scale(const std::uint8_t* block) {
  Half h;
  std::memcpy(&h, block, sizeof h);
  return float_of(h);
}

/// The weight of largest magnitude, with its sign; the first of several.
inline float extreme(const float* w) {
  F top(0.0f);
  for (Index i = 0; i < block_length; i += native_width) top = max(abs(F::load(w + i)), top);
  const float most = max_of(top);
  for (Index i = 0; i < block_length; ++i) {
    if (std::fabs(w[i]) == most) return w[i];
  }
  return 0.0f;
}

/// q[i] = nearest(w[i] factor), held in [low, high].
inline void round_block(const float* w, float factor, float low, float high, std::int32_t* q) {
  for (Index i = 0; i < block_length; i += native_width) {
    const I x = to_int(min(max(F::load(w + i) * F(factor), F(low)), F(high)));
    std::memcpy(q + i, &x.v, sizeof x.v);
  }
}

/// Stores d as a half and returns what a weight is to be multiplied by; 0 where d is too small for a half.
inline float put_scale(float d, std::uint8_t* block) {
  const Half h = half_of(d);
  std::memcpy(block, &h, sizeof h);
  const float rounded = float_of(h);
  return rounded == 0.0f ? 0.0f : 1.0f / rounded;
}

}  // namespace detail

/// n weights, a multiple of 32, into n / 32 published blocks. They must be finite and d must fit a half: for Q8_0 no
/// magnitude above 8.3e6, for Q4_0 none above 524,000.
inline void quantize(Q8, const float* w, Index n, std::uint8_t* to) {
  for (Index k = 0; k < n; k += block_length, w += block_length, to += Q8::bytes) {
    std::int32_t q[block_length];
    detail::round_block(w, detail::put_scale(std::fabs(detail::extreme(w)) / 127.0f, to), -127.0f, 127.0f, q);
    for (Index i = 0; i < block_length; ++i) to[2 + i] = static_cast<std::uint8_t>(q[i]);
  }
}
inline void quantize(Q4, const float* w, Index n, std::uint8_t* to) {
  for (Index k = 0; k < n; k += block_length, w += block_length, to += Q4::bytes) {
    std::int32_t q[block_length];
    detail::round_block(w, detail::put_scale(detail::extreme(w) / -8.0f, to), -8.0f, 7.0f, q);
    for (Index i = 0; i < 16; ++i) to[2 + i] = static_cast<std::uint8_t>((q[i] + 8) | (q[i + 16] + 8) << 4);
  }
}

/// n / 32 published blocks as n floats.
inline void dequantize(Q8, const std::uint8_t* from, Index n, float* w) {
  for (Index k = 0; k < n; k += block_length, from += Q8::bytes, w += block_length) {
    const float d = detail::block_scale(from);
    for (Index i = 0; i < block_length; ++i) w[i] = d * static_cast<float>(static_cast<std::int8_t>(from[2 + i]));
  }
}
inline void dequantize(Q4, const std::uint8_t* from, Index n, float* w) {
  for (Index k = 0; k < n; k += block_length, from += Q4::bytes, w += block_length) {
    const float d = detail::block_scale(from);
    for (Index i = 0; i < 16; ++i) {
      w[i] = d * static_cast<float>((from[2 + i] & 15) - 8);
      w[i + 16] = d * static_cast<float>((from[2 + i] >> 4) - 8);
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
