// Activations with their slopes, of which training needs both: what a backward pass would compute again from x, the
// exponential above all, is there when y is.
//
//   silu_sloped(x):       y = x sigmoid(x)    slope = s + x s (1 - s)
//   gelu_sloped(x):       y = x Phi(x)        slope = Phi(x) + x phi(x)
//   gelu_tanh_sloped(x):  y = x sigmoid(u)    slope = s + x u' s (1 - s),   u = 2 sqrt(2/pi) (x + 0.044715 x^3)
// y is bit for bit what kernel/math.hpp has without the slope.
#pragma once

#include <tessera/kernel/math.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

template <class T>
struct SlopedPack {
  Pack<T> value, slope;
};

namespace detail {

/// gate(x, u) of math.hpp with the slope s (1 + v (1 - s)), s = sigmoid(u), v = x du/dx: one exponential for both.
[[gnu::always_inline]] inline SlopedPack<float> gate_sloped(F x, F u, F v) {
  const Mask<float> far = u < F(-60.0f);
  const I back{far.v & I::splat(60).v};
  const auto [m, n] = split_exp(max(F(-87.0f), -u));
  const F s = power_of_2(I::splat(0) - back);
  const F e = fma(m, power_of_2(n - back), power_of_2(n - back));
  const F d = F(1.0f) / (s + e);
  return {x / (s + e) * s, fma(v, e * d, F(1.0f)) * d * s};
}

}  // namespace detail

template <class T>
[[gnu::always_inline]] inline SlopedPack<T> silu_sloped(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return {silu(x), silu_slope(x)};
  } else {
    const auto c = max(Pack<T>(-110.0f), x);
    return detail::gate_sloped(c, c, min(Pack<T>(110.0f), c));
  }
}

template <class T>
[[gnu::always_inline]] inline SlopedPack<T> gelu_sloped(Pack<T> x) {
  return {gelu(x), gelu_slope(x)};  // the compiler shares their tail
}

template <class T>
[[gnu::always_inline]] inline SlopedPack<T> gelu_tanh_sloped(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return {gelu_tanh(x), gelu_tanh_slope(x)};
  } else {
    constexpr T k = T(detail::gelu_c), cube = T(detail::gelu_c * detail::gelu_cube);
    const auto c = max(Pack<T>(-15.0f), x), z = c * c, u = c * fma(z, Pack<T>(cube), Pack<T>(k));
    const auto near = min(Pack<T>(15.0f), c);
    return detail::gate_sloped(c, max(Pack<T>(-110.0f), u), near * fma(near * near, Pack<T>(3 * cube), Pack<T>(k)));
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
