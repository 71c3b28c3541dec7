// The elementary functions against libm in double: a stride through all floats, and every float where they are likely
// to be wrong. bench/kernel/ulp_table.cpp goes through all 2^32.
#include <cmath>
#include <cstdint>
#include <limits>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/math.hpp>
#include "tests/support/catch.hpp"
#include "tests/support/ulp.hpp"

using namespace tessera;
using kernel::F;
using kernel::Pack;

namespace {

std::uint64_t bits_of(float x) {
  std::uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}

/// Both signs of: 4096 floats about each edge of a range reduction or a branch, the ends of the denormals, the largest,
/// inf, NaN.
template <class Fn, class Oracle>
ulp::Worst near_edges(double bound, Fn f, Oracle oracle) {
  ulp::Worst worst;
  for (const float edge :
       {0.0f,  1.17549435e-38f, 0.35f, 0.5f,  0.70710678f, 0.9f,      1.0f,    1.41421356f, 2.0f,   4.0f,         10.0f,
        15.0f, 20.0f,           60.0f, 64.0f, 87.3f,       88.72284f, 103.97f, 110.0f,      1.0e5f, 3.4028235e38f}) {
    const std::uint64_t at = bits_of(edge), first = at < 2048 ? 0 : at - 2048;
    for (const std::uint64_t sign : {std::uint64_t{0}, std::uint64_t{1} << 31}) {
      const ulp::Worst w = ulp::through(sign + first, sign + at + 2048, 1, bound, f, oracle);
      worst.over += w.over;
      if (w.error > worst.error) worst.error = w.error, worst.at = w.at;
    }
  }
  return worst;
}

float one(F x) {
  float lane[F::width];
  x.store(lane);
  return lane[0];
}

}  // namespace

TEST_CASE("elementary functions keep their bounds over the float range", "[kernel][math]") {
  ulp::each_function([](const char* name, double bound, auto f, auto oracle) {
    const ulp::Worst wide = ulp::through(0, std::uint64_t{1} << 32, 4093, bound, f, oracle);
    CAPTURE(name, wide.error, wide.at);
    CHECK(wide.over == 0);
    const ulp::Worst edge = near_edges(bound, f, oracle);
    CAPTURE(edge.error, edge.at);
    CHECK(edge.over == 0);
  });
}

TEST_CASE("where the functions do their work, every 61st float", "[kernel][math]") {  // 2^-12 <= |x| < 128
  ulp::each_function([](const char* name, double bound, auto f, auto oracle) {
    for (const std::uint64_t sign : {std::uint64_t{0}, std::uint64_t{1} << 31}) {
      const ulp::Worst w = ulp::through(sign + bits_of(0x1p-12f), sign + bits_of(128.0f), 61, bound, f, oracle);
      CAPTURE(name, w.error, w.at);
      CHECK(w.over == 0);
    }
  });
}

TEST_CASE("special values", "[kernel][math]") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto negative_zero = [](float y) { return y == 0.0f && std::signbit(y); };
  CHECK(one(kernel::exp(F(-inf))) == 0.0f);
  CHECK(one(kernel::exp(F(inf))) == inf);
  CHECK(one(kernel::exp(F(0.0f))) == 1.0f);
  CHECK(one(kernel::exp_fast(F(-inf))) == 0.0f);
  CHECK(std::isnan(one(kernel::exp_fast(F(nan)))));
  CHECK(one(kernel::log(F(0.0f))) == -inf);
  CHECK(one(kernel::log(F(-0.0f))) == -inf);
  CHECK(std::isnan(one(kernel::log(F(-1.0f)))));
  CHECK(one(kernel::log(F(inf))) == inf);
  CHECK(one(kernel::log(F(1.0f))) == 0.0f);
  CHECK(one(kernel::log1p(F(-1.0f))) == -inf);
  CHECK(one(kernel::sigmoid(F(-inf))) == 0.0f);
  CHECK(one(kernel::sigmoid(F(inf))) == 1.0f);
  CHECK(negative_zero(one(kernel::silu(F(-inf)))));  // the limit; x * sigmoid(x) would be NaN
  CHECK(negative_zero(one(kernel::gelu(F(-inf)))));
  CHECK(one(kernel::gelu(F(inf))) == inf);
  CHECK(one(kernel::silu_slope(F(-inf))) == 0.0f);
  CHECK(one(kernel::silu_slope(F(inf))) == 1.0f);
  CHECK(one(kernel::gelu_slope(F(inf))) == 1.0f);
  CHECK(one(kernel::gelu_slope(F(0.0f))) == 0.5f);
  CHECK(std::isnan(one(kernel::sin(F(inf)))));
  CHECK(one(kernel::cos(F(0.0f))) == 1.0f);
  CHECK(one(kernel::pow(F(-2.0f), F(3.0f))) == -8.0f);
  CHECK(negative_zero(one(kernel::sin(F(-0.0f)))));
  CHECK(negative_zero(one(kernel::tanh(F(-0.0f)))));
  CHECK(negative_zero(one(kernel::erf(F(-0.0f)))));
  CHECK(negative_zero(one(kernel::expm1(F(-0.0f)))));
  CHECK(negative_zero(one(kernel::log1p(F(-0.0f)))));
  ulp::each_function([&](const char* name, double, auto f, auto) {
    CAPTURE(name);
    CHECK(std::isnan(one(f(F(nan)))));
  });
}

TEST_CASE("exp_fast equals exp to 2 ULP over its range", "[kernel][math]") {
  const auto oracle = [](double x) { return ulp::plain(std::exp(x)); };
  const auto f = [](F x) { return kernel::exp_fast(x); };
  CHECK(ulp::through(bits_of(1e-6f), bits_of(88.0f), 997, 2.0, f, oracle).over == 0);
  CHECK(ulp::through(bits_of(-1e-6f), bits_of(-87.0f), 997, 2.0, f, oracle).over == 0);
}

TEST_CASE("slopes are the derivatives", "[kernel][math]") {  // in double, against central differences
  const double h = 1e-5;
  for (double x = -6; x < 6; x += 0.0371) {
    const auto check = [&](auto f, auto slope) {
      const double difference = (f(Pack<double>(x + h)).v - f(Pack<double>(x - h)).v) / (2 * h);
      CHECK(slope(Pack<double>(x)).v == Approx(difference).margin(1e-9));
    };
    check([](auto p) { return kernel::silu(p); }, [](auto p) { return kernel::silu_slope(p); });
    check([](auto p) { return kernel::gelu(p); }, [](auto p) { return kernel::gelu_slope(p); });
    check([](auto p) { return kernel::gelu_tanh(p); }, [](auto p) { return kernel::gelu_tanh_slope(p); });
  }
}
