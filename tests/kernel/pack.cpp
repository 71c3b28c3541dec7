// Every operation of a pack against the same operation lane by lane.
#include <limits>
#include <tessera/kernel/pack.hpp>
#include <vector>
#include "tests/kernel/laws.hpp"

using namespace tessera;
using kernel::Ints;
using kernel::Mask;
using kernel::Pack;

namespace {

template <class T>
std::vector<T> lanes(Pack<T> a) {
  std::vector<T> out(Pack<T>::width);
  a.store(out.data());
  return out;
}

/// got's lanes are want(i).
template <class T, class Want>
void same(Pack<T> got, const Want& want) {
  const std::vector<T> lane = lanes(got);
  for (std::size_t i = 0; i < lane.size(); ++i) {
    CAPTURE(i);
    const T w = want(i);
    CHECK(std::memcmp(&lane[i], &w, sizeof w) == 0);
  }
}

/// A mask as numbers.
template <class T>
Pack<T> number(Mask<T> m) {
  return select(m, Pack<T>(T(1)), Pack<T>(T(0)));
}

}  // namespace

TEMPLATE_TEST_CASE("arithmetic, signs and choices, lane by lane", "[kernel][pack]", float, double) {
  using T = TestType;
  using P = Pack<T>;
  const auto x = laws::numbers<T>(P::width, 1), y = laws::numbers<T>(P::width, 2), z = laws::numbers<T>(P::width, 3);
  const P a = P::load(x.data()), b = P::load(y.data()), c = P::load(z.data());
  same(a + b, [&](auto i) { return x[i] + y[i]; });
  same(a - b, [&](auto i) { return x[i] - y[i]; });
  same(a * b, [&](auto i) { return x[i] * y[i]; });
  same(a / b, [&](auto i) { return x[i] / y[i]; });
  same(-a, [&](auto i) { return -x[i]; });
  same(abs(a), [&](auto i) { return std::fabs(x[i]); });
  same(sqrt(abs(a)), [&](auto i) { return std::sqrt(std::fabs(x[i])); });
  same(min(a, b), [&](auto i) { return x[i] < y[i] ? x[i] : y[i]; });
  same(max(a, b), [&](auto i) { return x[i] > y[i] ? x[i] : y[i]; });
  same(number(a < b), [&](auto i) { return x[i] < y[i] ? T(1) : T(0); });
  same(number(a >= b), [&](auto i) { return x[i] >= y[i] ? T(1) : T(0); });
  same(number(a == a), [&](auto) { return T(1); });
  same(select(b < c, a, c), [&](auto i) { return y[i] < z[i] ? x[i] : z[i]; });
  same(nearest(a * P(T(100))), [&](auto i) { return std::nearbyint(x[i] * T(100)); });
  same(to_float(to_int(a * P(T(100)))), [&](auto i) { return std::nearbyint(x[i] * T(100)) + T(0); });
  const std::vector<T> fused = lanes(fma(a, b, c)), negated = lanes(fnma(a, b, c));
  for (std::size_t i = 0; i < x.size(); ++i) {  // rounded once or twice
    CHECK(static_cast<double>(fused[i]) == Approx(static_cast<double>(x[i] * y[i] + z[i])).margin(1e-6));
    CHECK(static_cast<double>(negated[i]) == Approx(static_cast<double>(z[i] - x[i] * y[i])).margin(1e-6));
  }
  T total = T(0), top = x[0];
  for (const T v : x) total += v, top = v > top ? v : top;
  CHECK(static_cast<double>(sum(a)) == Approx(static_cast<double>(total)).margin(1e-5));
  CHECK(max_of(a) == top);
}

TEMPLATE_TEST_CASE("a pack of one number is that number, the sign of zero included", "[kernel][pack]", float, double) {
  using T = TestType;
  for (const T v : {T(0), T(-0.0), T(1.5), std::numeric_limits<T>::infinity(), std::numeric_limits<T>::denorm_min()})
    same(Pack<T>(v), [v](auto) { return v; });
}

TEMPLATE_TEST_CASE("nearest rounds half to even, at every size", "[kernel][pack]", float, double) {
  using T = TestType;
  for (const T v :
       {T(0.5), T(1.5), T(2.5), T(-0.5), T(-1.5), T(0.49999997), T(4194304.5), T(8388609), T(1e10), T(-3e20)})
    same(nearest(Pack<T>(v)), [v](auto) { return std::nearbyint(v); });
}

TEMPLATE_TEST_CASE("comparisons with NaN are false, min and max give the second", "[kernel][pack]", float, double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Pack<T> n(nan), one(T(1));
  CHECK(!any(n < one));
  CHECK(!any(one < n));
  CHECK(!any(n == n));
  CHECK(any(is_nan(n)));
  CHECK(!any(is_nan(one)));
  same(min(n, one), [](auto) { return T(1); });
  same(max(n, one), [](auto) { return T(1); });
  CHECK(any(is_nan(min(one, n))));
  CHECK(any(is_nan(max(one, n))));
}

TEST_CASE("integer lanes shift, wrap and mask", "[kernel][pack]") {
  using I = Ints<float>;
  const auto first = [](I a) {
    std::int32_t lane[Pack<float>::width];
    std::memcpy(lane, &a.v, sizeof lane);
    return lane[0];
  };
  CHECK(first(I::splat(7) + I::splat(-9)) == -2);
  CHECK(first(I::splat(7) - I::splat(9)) == -2);
  CHECK(first(I::splat(2147483647) + I::splat(1)) == -2147483647 - 1);
  CHECK(first(kernel::shift_left<4>(I::splat(3))) == 48);
  CHECK(first(kernel::shift_right<1>(I::splat(-3))) == -2);  // arithmetic
  CHECK(first(kernel::shift_right_logical<28>(I::splat(-1))) == 15);
  CHECK(first((I::splat(12) & I::splat(10)) | I::splat(1)) == 9);
  CHECK(first(I::splat(12) ^ I::splat(10)) == 6);
  CHECK(first(kernel::bits(Pack<float>(1.0f))) == 0x3f800000);
  CHECK(sum(kernel::from_bits<float>(I::splat(0x40000000))) == 2.0f * static_cast<float>(Pack<float>::width));
}

TEMPLATE_TEST_CASE("part of a pack: no element beyond is read or written", "[kernel][pack]", float, double) {
  using T = TestType;
  constexpr Index width = Pack<T>::width;
  for (Index n = 0; n <= width; ++n) {
    // exactly n elements at the end of their own allocation: the address sanitizer sees one too many
    const auto x = laws::numbers<T>(n, 1);
    std::vector<T> y(x.size());
    const Pack<T> some = kernel::load_some(x.data(), n);
    same(some, [&](auto i) { return i < x.size() ? x[i] : T(0); });
    kernel::store_some(y.data(), some, n);
    CHECK(laws::same_bits(x, y));
    same(number(kernel::first_lanes<T>(n)), [&](auto i) { return static_cast<Index>(i) < n ? T(1) : T(0); });
  }
}

TEMPLATE_TEST_CASE("polynomials start with the lowest coefficient", "[kernel][pack]", float, double) {
  using T = TestType;
  same(polynomial(Pack<T>(T(2)), T(1), T(10), T(100)), [](auto) { return T(421); });
}
