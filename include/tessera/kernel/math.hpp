// Elementary functions of a pack of floats: exp, log, tanh, erf, sin, cos within 2 ULP, sigmoid and silu within 3, gelu
// within 5 over the whole float range, denormals, infinities and NaN included (bench/kernel/ulp_table.cpp goes through
// all 2^32).
//
// Each is range reduction to a small interval and a minimax polynomial of our own (Remez exchange at 40 digits).
// Products that must not be rounded twice are written as fma(); what depends on it has another form where the machine
// has none. Pack<double>, which serves gradient checks, calls libm lane by lane.
#pragma once

#include <cmath>
#include <tessera/kernel/isa.hpp>
#include <tessera/kernel/pack.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

inline constexpr float log2_e = 1.44269504f;
inline constexpr float ln2_hi = 0.693359375f, ln2_lo = -2.12194440e-4f;  // n ln2_hi is exact for |n| < 2^15
inline constexpr float infinity = __builtin_huge_valf();

#if defined(__FMA__)
inline constexpr bool has_fma = true;
#else
inline constexpr bool has_fma = false;
#endif

template <class T>
inline constexpr bool is_double = sizeof(T) == 8;

template <class T, class Fn>
[[gnu::always_inline]] inline Pack<T> by_lane(Pack<T> x, Fn f) {
  T lane[Pack<T>::width];
  x.store(lane);
  for (T& v : lane) v = f(v);
  return Pack<T>::load(lane);
}

[[gnu::always_inline]] inline F power_of_2(I n) {  // -127 < n < 128
  return from_bits<float>(shift_left<23>(n + I::splat(127)));
}

/// exp(x) = (1 + m) 2^n with m = expm1(r), |r| <= ln(2) / 2.
struct Exp {
  F m;
  I n;
};
[[gnu::always_inline]] inline F expm1_small(F r) {
  const F p = polynomial(r, 0.4999999399f, 0.1666652453f, 0.04166831581f, 0.008368369307f, 0.001381655472f);
  return fma(r * r, p, r);
}
[[gnu::always_inline]] inline Exp split_exp(F x) {
  const F n = nearest(x * F(log2_e));
  return {expm1_small(fnma(n, F(ln2_lo), fnma(n, F(ln2_hi), x))), to_int(n)};
}
[[gnu::always_inline]] inline Exp split_exp(F x, F low) {  // of x + low
  const F n = nearest(x * F(log2_e));
  return {expm1_small(fnma(n, F(ln2_hi), x) + fnma(n, F(ln2_lo), low)),
          to_int(n)};  // first term exact: one rounding counts
}
/// a 2^n in two factors: overflow becomes infinity, a denormal result is rounded once.
[[gnu::always_inline]] inline F scale_twice(F a, I n) {
  const I half = shift_right<1>(n);
  return a * power_of_2(half) * power_of_2(n - half);
}

/// What rounding left out of p = a * a.
[[gnu::always_inline]] inline F square_error(F a, F p) {
  if constexpr (has_fma) {
    return fma(a, a, -p);
  } else {
    const F high = from_bits<float>(bits(a) & I::splat(~0xfff)), low = a - high;
    return ((high * high - p) + F(2.0f) * high * low) + low * low;
  }
}

}  // namespace detail

// ---- exp, log and their neighbours

template <class T>
[[gnu::always_inline]] inline Pack<T> exp(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::exp(v); });
  } else {
    x = min(F(89.0f), max(F(-104.0f), x));  // NaN stays: it is the second operand
    const auto [m, n] = detail::split_exp(x);
    return detail::scale_twice(F(1.0f) + m, n);
  }
}

/// exp for -87.3 <= x <= 88, one scaling: for softmax and other known ranges. 0 below -87.3 (-inf too), no overflow
/// check, NaN kept.
template <class T>
[[gnu::always_inline]] inline Pack<T> exp_fast(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return exp(x);
  } else {
    const auto [m, n] = detail::split_exp(max(F(-87.3f), x));
    const F y = from_bits<float>(bits(F(1.0f) + m) + shift_left<23>(n));
    return select(x < F(-87.3f), F(0.0f), y);
  }
}

template <class T>
[[gnu::always_inline]] inline Pack<T> expm1(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::expm1(v); });
  } else {
    const F c = min(F(89.0f), max(F(-20.0f), x));
    const auto [m, n] = detail::split_exp(c);
    const Mask<float> large = c > F(64.0f);  // 2^128 is no float: keep one factor 2 back
    const F s = detail::power_of_2(n - I{large.v & I::splat(1).v}), one = select(large, F(0.0f), F(1.0f));
    const F y = fma(s, m, s - one);
    return select(large, y + y, y) | sign_of(x);
  }
}

namespace detail {

/// ln(1 + f) - f + f^2 / 2 for 1 + f in [sqrt(1/2), sqrt(2)).
[[gnu::always_inline]] inline F log_tail(F f) {
  return polynomial(f, 0.3333331718f, -0.250007575f, 0.2000226221f, -0.1662614676f, 0.141821964f, -0.1311553999f,
                    0.1287166977f, -0.07881437514f) *
         f * (f * f);
}
/// e ln(2) + ln(1 + f) + low.
[[gnu::always_inline]] inline F join_log(F e, F f, F low) {
  F p = fma(e, F(ln2_lo), log_tail(f) + low);
  p = fnma(f * f, F(0.5f), p);
  return fma(e, F(ln2_hi), f + p);
}
/// The exponent of y > 0, normal, once its mantissa lies in [sqrt(1/2), sqrt(2)).
[[gnu::always_inline]] inline I exponent(F y) { return shift_right<23>(bits(y) - I::splat(0x3f3504f3)); }

}  // namespace detail

template <class T>
[[gnu::always_inline]] inline Pack<T> log(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::log(v); });
  } else {
    const Mask<float> denormal = x < F(1.17549435e-38f);
    const F y = select(denormal, x * F(8388608.0f), x);
    const I k = detail::exponent(y);
    const F m = from_bits<float>(bits(y) - shift_left<23>(k));
    const F r = detail::join_log(to_float(k) - select(denormal, F(23.0f), F(0.0f)), m - F(1.0f), F(0.0f));
    F out = select(x < F(detail::infinity), r, x);  // inf and NaN pass through
    out = select(x == F(0.0f), F(-detail::infinity), out);
    return select(x < F(0.0f), F(__builtin_nanf("")), out);
  }
}

template <class T>
[[gnu::always_inline]] inline Pack<T> log1p(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::log1p(v); });
  } else {
    const F u = F(1.0f) + x;
    const I k = detail::exponent(u);
    const F e = to_float(k);
    const Mask<float> near = e == F(0.0f);  // x itself is the reduced argument
    const F lost = select(e > F(1.5f), F(1.0f) - (u - x), x - (u - F(1.0f))) / u;
    const F m = from_bits<float>(bits(u) - shift_left<23>(k));
    const F r = detail::join_log(e, select(near, x, m - F(1.0f)), select(near, F(0.0f), lost));
    F out = select(x < F(detail::infinity), r, x);
    out = select(x == F(-1.0f), F(-detail::infinity), select(x == F(0.0f), x, out));
    return select(x < F(-1.0f), F(__builtin_nanf("")), out);
  }
}

/// ln(1 + exp(x)), by the side that does not overflow.
template <class T>
[[gnu::always_inline]] inline Pack<T> softplus(Pack<T> x) {
  return select(x < Pack<T>(T(0)), Pack<T>(T(0)), x) + log1p(exp(-abs(x)));
}

/// libm, lane by lane, in double: exact to half a unit, with all its special cases, and slow.
template <class T>
[[gnu::always_inline]] inline Pack<T> pow(Pack<T> x, Pack<T> y) {
  T a[Pack<T>::width], b[Pack<T>::width];
  x.store(a);
  y.store(b);
  for (int i = 0; i < Pack<T>::width; ++i)
    a[i] = static_cast<T>(std::pow(static_cast<double>(a[i]), static_cast<double>(b[i])));
  return Pack<T>::load(a);
}

// ---- tanh, sigmoid, silu

template <class T>
[[gnu::always_inline]] inline Pack<T> tanh(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::tanh(v); });
  } else {
    const F a = min(F(20.0f), abs(x) + abs(x));  // 2|x|; tanh is 1 beyond
    const auto [m, n] = detail::split_exp(a);
    const F s = detail::power_of_2(n);
    const F t = fma(s, m, s - F(1.0f));  // expm1(2|x|)
    const F z = x * x;
    const F p = polynomial(z, -0.3333332626f, 0.1333284221f, -0.05387669792f, 0.02116520177f, -0.006399463692f);
    const F y = select(a < F(1.0f), fma(z * x, p, x), t / (t + F(2.0f)));
    return y | sign_of(x);
  }
}

/// 1 / (1 + exp(-x)), relative accuracy into the denormals.
template <class T>
[[gnu::always_inline]] inline Pack<T> sigmoid(Pack<T> x) {
  const Pack<T> one(T(1)), e = exp(-abs(x));
  return select(x < Pack<T>(T(0)), e, one) / (one + e);
}

namespace detail {

/// x / (1 + exp(-u)) for the gates x sigmoid(u): relative accuracy into the denormals with one exp and one scaling.
/// Where exp(-u) grows large, numerator and denominator keep back 2^-60. -u <= 110.
[[gnu::always_inline]] inline F gate(F x, F u) {
  const Mask<float> far = u < F(-60.0f);
  const I back{far.v & I::splat(60).v};
  const auto [m, n] = split_exp(max(F(-87.0f), -u));
  const F s = power_of_2(I::splat(0) - back);
  const F e = fma(m, power_of_2(n - back), power_of_2(n - back));
  return x / (s + e) * s;
}

/// The slope of such a gate, s (1 + v (1 - s)) with s = sigmoid(u), v = x du/dx. |u| <= 110 in float.
template <class T>
[[gnu::always_inline]] inline Pack<T> gate_slope(Pack<T> u, Pack<T> v) {
  const Pack<T> one(T(1));
  const Mask<T> negative = u < Pack<T>(T(0));
  Pack<T> e, first, last = one;  // s = first last / (1 + e), last a power of 2: a denormal result is rounded once
  if constexpr (is_double<T>) {
    e = exp(-abs(u));
    first = select(negative, e, one);
  } else {
    const auto [m, n] = split_exp(-abs(u));
    const I half = shift_right<1>(n);
    const F a = (one + m) * power_of_2(half), b = power_of_2(n - half);
    e = a * b;
    first = select(negative, a, one);
    last = select(negative, b, one);
  }
  const Pack<T> d = one / (one + e);
  return (first * d) * fma(v, select(negative, one, e) * d, one) * last;
}

}  // namespace detail

/// x sigmoid(x). -0 at -inf, the limit.
template <class T>
[[gnu::always_inline]] inline Pack<T> silu(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return x * sigmoid(x);
  } else {
    const F c = max(F(-110.0f), x);
    return detail::gate(c, c);
  }
}

/// silu'(x). It has a zero at -1.2785: like the other slopes within 5 ULP of its two terms' magnitudes added, |s| + |x
/// s (1 - s)|.
template <class T>
[[gnu::always_inline]] inline Pack<T> silu_slope(Pack<T> x) {
  constexpr T limit = T(detail::is_double<T> ? 800 : 110);
  const Pack<T> c = min(Pack<T>(limit), max(Pack<T>(-limit), x));
  return detail::gate_slope(c, c);
}

// ---- erf, gelu

template <class T>
[[gnu::always_inline]] inline Pack<T> erf(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::erf(v); });
  } else {
    const F a = min(F(4.0f), abs(x)), z = x * x;
    const F small = fma(x,
                        polynomial(z, 0.1283791667f, -0.3761263418f, 0.1128370155f, -0.02685969823f, 0.005201705862f,
                                   -0.0008149688151f, 8.397290257e-5f),
                        x);
    const F q = polynomial(a, -0.0001408924253f, 1.129346493f, 0.6336990445f, 0.1078801905f, -0.02485321439f,
                           0.004067248177f, -0.0004125151059f, 1.91553669e-5f);
    const auto [m, n] = detail::split_exp(-q);
    const F s = detail::power_of_2(n);
    return select(a < F(0.9f), small, F(1.0f) - fma(s, m, s)) | sign_of(x);
  }
}

namespace detail {

/// The normal distribution's tail for 1 <= a <= 14.5: a Phi(-a) = (1 + m) 2^n ratio u, where (1 + m) 2^n = exp(-a^2 /
/// 2), u = a / (a + 2) and ratio is nearly flat. An error of u shrinks in ratio u.
struct NormalTail {
  F m;
  I n;
  F ratio, u;
};
[[gnu::always_inline]] inline NormalTail normal_tail(F a) {
  const F u = a / (a + F(2.0f)), t = u + u - F(1.0f);  // t = (a - 2) / (a + 2)
  const F ratio = polynomial(t, 0.6724080132f, -0.33140453f, 0.02879618713f, 0.03672387372f, -0.0004474546564f,
                             -0.006823233759f, -0.00201425748f, 0.001323512353f, 0.0003975803024f);
  const F square = a * a, low = F(-0.5f) * square_error(a, square);
  const auto [m, n] = split_exp(max(F(-110.0f), F(-0.5f) * square), low);
  return {m, n, ratio, u};
}

}  // namespace detail

/// x Phi(x), the exact (erf) form. The tail -|x| Phi(-|x|) keeps its relative accuracy, which 0.5 x (1 + erf) loses.
template <class T>
[[gnu::always_inline]] inline Pack<T> gelu(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return T(0.5) * v * std::erfc(v * T(-0.70710678118654752440)); });
  } else {
    const F a = min(F(14.5f), abs(x));
    const auto [m, n, ratio, u] = detail::normal_tail(a);
    const F scale = ratio * u, tail = detail::scale_twice(fma(m, scale, scale), n);
    const F z = x * x;
    const F p = polynomial(z, 0.3989422769f, -0.06649030008f, 0.009972998004f, -0.00118559785f, 0.000112760422f,
                           -7.391275102e-6f);
    const F y = select(a < F(1.0f), x * fma(x, p, F(0.5f)), select(x < F(0.0f), -tail, x - tail));
    return select(is_nan(x), x, y);
  }
}

/// gelu'(x) = Phi(x) + x phi(x); its zero is at -0.7518.
template <class T>
[[gnu::always_inline]] inline Pack<T> gelu_slope(Pack<T> x) {
  constexpr double phi_0 = 0.39894228040143267794;
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) {
      const T density = v * v < T(1500) ? v * phi_0 * std::exp(T(-0.5) * v * v) : T(0);
      return T(0.5) * std::erfc(v * T(-0.70710678118654752440)) + density;
    });
  } else {
    const F a = min(F(14.5f), abs(x));
    const auto [m, n, ratio, u] = detail::normal_tail(a);
    const F q = fnma(F(0.5f), u, F(0.5f));  // 1 / (a + 2)
    const F tail = detail::scale_twice((F(1.0f) + m) * fnma(a, F(static_cast<float>(phi_0)), ratio * q), n);
    const F z = x * x;
    const F p = polynomial(z, 0.7978845321f, -0.2659607392f, 0.05983525208f, -0.009478191564f, 0.001120698611f,
                           -8.607960578e-5f);
    const F y = select(a < F(1.0f), fma(x, p, F(0.5f)), select(x < F(0.0f), tail, F(1.0f) - tail));
    return select(is_nan(x), x, y);
  }
}

namespace detail {
inline constexpr double gelu_c = 1.5957691216057307117, gelu_cube = 0.044715;  // 2 sqrt(2 / pi)
}

/// The tanh form, x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)): cheaper, and what GPT-2 was trained with.
template <class T>
[[gnu::always_inline]] inline Pack<T> gelu_tanh(Pack<T> x) {
  const Pack<T> c = max(Pack<T>(T(-15)), x);
  const Pack<T> u = c * fma(c * c, Pack<T>(T(detail::gelu_c * detail::gelu_cube)), Pack<T>(T(detail::gelu_c)));
  if constexpr (detail::is_double<T>)
    return c * sigmoid(u);
  else
    return detail::gate(c, max(F(-110.0f), u));
}

template <class T>
[[gnu::always_inline]] inline Pack<T> gelu_tanh_slope(Pack<T> x) {
  constexpr T k = T(detail::gelu_c), cube = T(detail::gelu_c * detail::gelu_cube);
  const Pack<T> c = min(Pack<T>(T(15)), max(Pack<T>(T(-15)), x)), z = c * c;
  const Pack<T> u = c * fma(z, Pack<T>(cube), Pack<T>(k)), w = fma(z, Pack<T>(T(3) * cube), Pack<T>(k));
  const Pack<T> limit(T(detail::is_double<T> ? 800 : 110));
  return detail::gate_slope(min(limit, max(-limit, u)), c * w);
}

// ---- sin, cos

namespace detail {

/// x = k pi / 2 + high + low, |high| <= pi / 4, for 0 <= x <= trig_limit.
inline constexpr float trig_limit = 1.0e5f;
struct Quadrant {
  F high, low;
  I k;
};
[[gnu::always_inline]] inline Quadrant quadrant(F x) {
  const F q = nearest(x * F(0.636619772f));
  if constexpr (has_fma) {
    const F p1(1.57079637f), p2(-4.37113883e-8f), p3(-1.71512451e-15f);
    const F r = fnma(q, p1, x);  // exact: both are multiples of one grid
    const F t = q * p2, high = r - t;
    const F low = fnma(q, p3, ((r - high) - t) - fma(q, p2, -t));
    return {high, low, to_int(q)};
  } else {
    float high[F::width], low[F::width], turns[F::width];
    x.store(high);
    q.store(turns);
    for (int i = 0; i < F::width; ++i) {
      const double n = static_cast<double>(turns[i]), wide = static_cast<double>(high[i]);
      const double r = (wide - n * 1.5707963267341256) - n * 6.077100506506192e-11;  // the first product is exact
      high[i] = static_cast<float>(r);
      low[i] = static_cast<float>(r - static_cast<double>(high[i]));
    }
    return {F::load(high), F::load(low), to_int(q)};
  }
}

/// sin(high + low + k pi / 2).
[[gnu::always_inline]] inline F sin_of(Quadrant a) {
  const F z = a.high * a.high;
  const F s = fma(z * a.high, polynomial(z, -0.1666665549f, 0.008332202921f, -0.0001951991622f), a.low) + a.high;
  const F c = fma(z * z, polynomial(z, 0.04166664788f, -0.001388740852f, 2.444246458e-5f),
                  fnma(a.high, a.low, fnma(F(0.5f), z, F(1.0f))));
  const Mask<float> odd = to_float<float>(a.k & I::splat(1)) > F(0.0f);
  return select(odd, c, s) ^ from_bits<float>(shift_left<30>(a.k & I::splat(2)));
}

}  // namespace detail

template <class T>
[[gnu::always_inline]] inline Pack<T> sin(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::sin(v); });
  } else {
    const F a = abs(x);
    if (any(F(detail::trig_limit) < a)) [[unlikely]]
      return detail::by_lane(x, [](T v) { return static_cast<T>(std::sin(static_cast<double>(v))); });
    return detail::sin_of(detail::quadrant(a)) ^ sign_of(x);
  }
}

template <class T>
[[gnu::always_inline]] inline Pack<T> cos(Pack<T> x) {
  if constexpr (detail::is_double<T>) {
    return detail::by_lane(x, [](T v) { return std::cos(v); });
  } else {
    const F a = abs(x);
    if (any(F(detail::trig_limit) < a)) [[unlikely]]
      return detail::by_lane(x, [](T v) { return static_cast<T>(std::cos(static_cast<double>(v))); });
    detail::Quadrant r = detail::quadrant(a);
    r.k = r.k + I::splat(1);
    return detail::sin_of(r);
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
