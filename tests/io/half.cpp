#include <tessera/io/half.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__F16C__)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wc99-extensions"  // its _cvtss_sh is a macro with a compound literal
#endif
#endif

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

/// Checks a 16-bit format whose patterns below `infinity` are its finite magnitudes in order.
template <class Widen, class Narrow>
void check_rounding(std::uint16_t infinity, Widen widen, Narrow narrow) {
  const float inf = std::numeric_limits<float>::infinity();
  int wrong = 0;
  for (int pattern = 0; pattern < 65536; ++pattern) {  // every pattern comes back, NaNs with their payload
    wrong += narrow(widen(static_cast<std::uint16_t>(pattern))) == pattern ? 0 : 1;
  }
  CHECK(wrong == 0);
  for (int pattern = 0; pattern < infinity; ++pattern) {
    const auto low = static_cast<std::uint16_t>(pattern), high = static_cast<std::uint16_t>(pattern + 1);
    const double below = static_cast<double>(widen(low));
    // Above the largest finite number the rounding is that of the number which would have followed.
    const double above = high == infinity ? 2 * below - static_cast<double>(widen(static_cast<std::uint16_t>(low - 1)))
                                          : static_cast<double>(widen(high));
    const auto middle = static_cast<float>((below + above) / 2);  // exact but for the last of bfloat16's subnormals
    if (static_cast<double>(middle) != (below + above) / 2) continue;
    const std::uint16_t even = (low & 1) == 0 ? low : high;
    wrong += narrow(middle) == even ? 0 : 1;
    wrong += narrow(-middle) == (even | 0x8000) ? 0 : 1;
    wrong += narrow(std::nextafter(middle, inf)) == high ? 0 : 1;
    wrong += narrow(std::nextafter(middle, -inf)) == low ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(narrow(inf) == infinity);
  CHECK(narrow(-inf) == (infinity | 0x8000));
  CHECK(narrow(std::numeric_limits<float>::max()) == infinity);
  CHECK(narrow(-0.0F) == 0x8000);
  CHECK(narrow(std::numeric_limits<float>::denorm_min()) == 0);
  // A NaN whose payload is only in the bits cut off must not become infinity.
  CHECK(std::isnan(widen(narrow(std::bit_cast<float>(0x7F800001U)))));
}

}  // namespace

TEST_CASE("half: every F16 comes back and every rounding is to nearest even", "[io][half]") {
  check_rounding(0x7C00, float_from_f16, f16_from_float);
  CHECK(float_from_f16(0x3C00) == 1.0F);
  CHECK(float_from_f16(0x0001) == 0x1p-24F);
  CHECK(float_from_f16(0x7BFF) == 65504.0F);
  CHECK(f16_from_float(65519.996F) == 0x7BFF);
  CHECK(f16_from_float(65520.0F) == 0x7C00);
}

TEST_CASE("half: every BF16 comes back and every rounding is to nearest even", "[io][half]") {
  check_rounding(0x7F80, float_from_bf16, bf16_from_float);
  CHECK(float_from_bf16(0x3F80) == 1.0F);
  CHECK(bf16_from_float(1.00390625F) == 0x3F80);
  CHECK(bf16_from_float(1.01171875F) == 0x3F82);
}

TEST_CASE("half: a double is rounded once, not twice", "[io][half]") {
  // Just above the middle of two halves; to float it would round down onto the middle, and from there to even.
  const double above = 1 + 0x1p-11 + 0x1p-40;
  CHECK(f16_from_float(static_cast<float>(above)) == 0x3C00);
  CHECK(f16_from_float(float_rounded_to_odd(above)) == 0x3C01);
  CHECK(f16_from_float(float_rounded_to_odd(-above)) == 0xBC01);
  CHECK(f16_from_float(float_rounded_to_odd(1 + 0x1p-11 - 0x1p-40)) == 0x3C00);
  CHECK(bf16_from_float(float_rounded_to_odd(1 + 0x1p-8 + 0x1p-40)) == 0x3F81);
  CHECK(f16_from_float(float_rounded_to_odd(1e300)) == 0x7C00);
  CHECK(f16_from_float(float_rounded_to_odd(0x1p-25 + 0x1p-60)) == 0x0001);
  CHECK(std::isnan(float_rounded_to_odd(std::numeric_limits<double>::quiet_NaN())));
  CHECK(std::isinf(float_rounded_to_odd(std::numeric_limits<double>::infinity())));
}

#if defined(__F16C__)
TEST_CASE("half: F16 agrees with the processor", "[io][half]") {
  int wrong = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 1021) {  // with 1: all floats, 20 s
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isnan(value)) continue;  // the processor sets the quiet bit
    wrong += f16_from_float(value) == static_cast<std::uint16_t>(_cvtss_sh(value, 0)) ? 0 : 1;
  }
  for (unsigned pattern = 0; pattern < 65536; ++pattern) {
    const float mine = float_from_f16(static_cast<std::uint16_t>(pattern));
    if (std::isnan(mine)) continue;
    wrong += std::bit_cast<std::uint32_t>(mine) ==
                     std::bit_cast<std::uint32_t>(_cvtsh_ss(static_cast<std::uint16_t>(pattern)))
                 ? 0
                 : 1;
  }
  CHECK(wrong == 0);
}
#endif
