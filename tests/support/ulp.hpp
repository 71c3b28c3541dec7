// How far the elementary functions are from libm in double, in units of the last place: shared by the test (a stride
// through all floats) and bench/kernel/ulp_table.cpp (every float).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tessera/kernel/math.hpp>

namespace ulp {

namespace k = tessera::kernel;
using tessera::kernel::F;

inline float from_bits(std::uint64_t u) {
  const auto low = static_cast<std::uint32_t>(u);
  float x;
  std::memcpy(&x, &low, sizeof x);
  return x;
}

/// The distance of two floats just below |x|; the smallest denormal near 0.
inline double unit(double x) {
  int e;
  std::frexp(x, &e);
  return std::ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
}

/// Distance of `got` from `want` in units of the last place of `size`; a wrong infinity or NaN is infinitely wrong.
inline double error(float got, double want, double size) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) == std::isnan(got) ? 0.0 : HUGE_VAL;
  const float rounded = static_cast<float>(want);
  if (std::isinf(rounded) || std::isinf(got)) {  // the last float before infinity is a fair answer beside it
    const bool beside = std::isfinite(want) && std::fabs(static_cast<double>(got) - want) <= 2 * std::ldexp(1.0, 104);
    return rounded == got ? 0.0 : beside ? 1.0 : HUGE_VAL;
  }
  return std::fabs(static_cast<double>(got) - want) / unit(size);
}

struct Value {
  double value;
  double size;  // the slopes are sums of two terms and have a zero: their unit is that of the terms' magnitudes added
};

struct Worst {
  double error = 0;
  float at = 0;
  std::uint64_t over = 0;  // inputs above the bound

  void look(float x, float got, Value want, double bound) {
    const double e = ulp::error(got, want.value, want.size);
    over += e > bound;
    if (e > error) error = e, at = x;
  }
};

/// f over the floats with bit patterns first, first + stride, ... < last.
template <class Fn, class Oracle>
Worst through(std::uint64_t first, std::uint64_t last, std::uint64_t stride, double bound, Fn f, Oracle oracle) {
  Worst worst;
  constexpr std::uint64_t width = F::width;
  float x[width], y[width];
  for (std::uint64_t u = first; u < last; u += width * stride) {
    for (std::uint64_t i = 0; i < width; ++i) x[i] = from_bits(u + i * stride);
    f(F::load(x)).store(y);
    for (std::uint64_t i = 0; i < width; ++i) worst.look(x[i], y[i], oracle(static_cast<double>(x[i])), bound);
  }
  return worst;
}

inline Value plain(double y) { return {y, y}; }
inline Value two_terms(double a, double b) { return {a + b, std::fabs(a) + std::fabs(b)}; }

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }
inline double normal_cdf(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
inline double normal_pdf(double x) { return std::exp(-0.5 * x * x) * 0.39894228040143267794; }
inline double tanh_form(double x) { return 1.5957691216057307117 * x * (1 + 0.044715 * x * x); }
inline double tanh_form_slope(double x) { return 1.5957691216057307117 * (1 + 3 * 0.044715 * x * x); }
inline double looser(double x) { return x < 0 && x > -20 ? 1 + std::fabs(tanh_form(x)) : 1.0; }
/// x s, but 0 where s is: the limit at -inf.
inline double times(double x, double s) { return s == 0 ? 0.0 : x * s; }

/// Calls see(name, bound in ULP, f, oracle) for each function.
template <class See>
void each_function(const See& see) {
  see(
      "exp", 2.0, [](F x) { return k::exp(x); }, [](double x) { return plain(std::exp(x)); });
  see(
      "log", 2.0, [](F x) { return k::log(x); }, [](double x) { return plain(std::log(x)); });
  see(
      "tanh", 2.0, [](F x) { return k::tanh(x); }, [](double x) { return plain(std::tanh(x)); });
  see(
      "erf", 2.0, [](F x) { return k::erf(x); }, [](double x) { return plain(std::erf(x)); });
  see(
      "sin", 2.0, [](F x) { return k::sin(x); }, [](double x) { return plain(std::sin(x)); });
  see(
      "cos", 2.0, [](F x) { return k::cos(x); }, [](double x) { return plain(std::cos(x)); });
  see(
      "expm1", 2.0, [](F x) { return k::expm1(x); }, [](double x) { return plain(std::expm1(x)); });
  see(
      "log1p", 2.0, [](F x) { return k::log1p(x); }, [](double x) { return plain(std::log1p(x)); });
  see(
      "softplus", 2.0, [](F x) { return k::softplus(x); },
      [](double x) { return plain(std::fmax(x, 0.0) + (std::isnan(x) ? x : std::log1p(std::exp(-std::fabs(x))))); });
  see(
      "sigmoid", 3.0, [](F x) { return k::sigmoid(x); }, [](double x) { return plain(logistic(x)); });
  see(
      "silu", 3.0, [](F x) { return k::silu(x); }, [](double x) { return plain(times(x, logistic(x))); });
  see(
      "gelu", 5.0, [](F x) { return k::gelu(x); }, [](double x) { return plain(times(x, normal_cdf(x))); });
  see(
      "silu_slope", 5.0, [](F x) { return k::silu_slope(x); },
      [](double x) { return two_terms(logistic(x), times(times(x, logistic(x)), logistic(-x))); });
  see(
      "gelu_slope", 5.0, [](F x) { return k::gelu_slope(x); },
      [](double x) { return two_terms(normal_cdf(x), times(x, normal_pdf(x))); });
  // The tanh form's tail exp(-u) is no better than u: below 0 its unit grows with 1 + |u|.
  see(
      "gelu_tanh", 5.0, [](F x) { return k::gelu_tanh(x); },
      [](double x) {
        const double y = times(x, logistic(tanh_form(x)));
        return Value{y, y * looser(x)};
      });
  see(
      "gelu_tanh_slope", 5.0, [](F x) { return k::gelu_tanh_slope(x); },
      [](double x) {
        const double s = logistic(tanh_form(x)), rest = logistic(-tanh_form(x));
        const Value y = two_terms(s, times(times(tanh_form_slope(x), times(x, s)), rest));
        return Value{y.value, y.size * looser(x)};
      });
}

}  // namespace ulp
