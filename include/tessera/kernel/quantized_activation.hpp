// What quantised weights are multiplied with: activations as whole numbers of 16 bits, a scale for each block of 32.
//
//   x[i] = scale q[i],  scale = max |x| / 32639,  q = nearest(x / scale)
//
// The error, 1 in 65,000 of a block's largest, is far below that of the weights; 8 bits would add 0.6 % to every
// product and save nothing, because the product waits for memory. 32639 = 127 * 256 + 127, so that q = 256 h + l with
// two signed bytes, for machines that multiply bytes (VNNI); others multiply 16-bit numbers by pairs. Both are exact in
// 32 bits: all machines get the same sums.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/quantized_panel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// 32 activations.
struct ActivationBlock {
  std::int32_t words[16];  // for each group of 4: what the machine's dot product wants (quantized_dot.hpp)
  float scale;
  std::int32_t sum;  // of the 32 q
};

namespace detail {

/// One block: q into `q`, the rest into `to`. A block with a NaN or an infinity has scale NaN, which every product it
/// takes part in becomes; one below 1e-30 is zero.
inline void round_activations(const float* x, std::int32_t* q, ActivationBlock& to) {
  F top(0.0f), poison(0.0f);
  for (Index i = 0; i < block_length; i += native_width) {
    const F v = F::load(x + i);
    top = max(abs(v), top);
    poison = fma(v, F(0.0f), poison);
  }
  const float most = max_of(top);
  if (!(sum(poison) == 0.0f) || most < 1e-30f) {
    std::memset(q, 0, block_length * sizeof *q);
    to.scale = most * 0.0f + sum(poison) * 0.0f, to.sum = 0;
    return;
  }
  const F factor(32639.0f / most);
  I total = I::splat(0);
  for (Index i = 0; i < block_length; i += native_width) {
    const I v = to_int(F::load(x + i) * factor);
    std::memcpy(q + i, &v.v, sizeof v.v);
    total = total + v;
  }
  std::int32_t part[native_width];
  std::memcpy(part, &total.v, sizeof part);
  to.sum = 0;
  for (std::int32_t p : part) to.sum += p;
  to.scale = most / 32639.0f;
}

}  // namespace detail

/// `in` activations into blocks_of(in) blocks, zeros at the end; Dot arranges the words.
template <class Dot>
void quantize_activations(const float* x, Index in, ActivationBlock* to) {
  std::int32_t q[block_length];
  Index k = 0;
  for (; k + block_length <= in; k += block_length, ++to) {
    detail::round_activations(x + k, q, *to);
    Dot::arrange(q, to->words);
  }
  if (k < in) {
    float part[block_length] = {};
    std::memcpy(part, x + k, static_cast<std::size_t>(in - k) * sizeof(float));
    detail::round_activations(part, q, *to);
    Dot::arrange(q, to->words);
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
