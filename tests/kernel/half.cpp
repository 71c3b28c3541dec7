#include <tessera/kernel/half.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <tessera/io/half.hpp>
#include <vector>

#include "tests/kernel/laws.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;

TEST_CASE("half: all 65,536 patterns widen exactly and come back", "[kernel][half]") {
  std::vector<Half> all(65536), back(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Half>(i);
  std::vector<float> wide(all.size());
  widen(all.data(), 65536, wide.data());
  narrow(wide.data(), 65536, back.data());
  int wrong = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float want = float_from_f16(all[i]);
    if (std::isnan(want)) {
      wrong += std::isnan(wide[i]) && std::isnan(float_from_f16(back[i])) ? 0 : 1;
    } else {
      wrong += std::bit_cast<std::uint32_t>(want) == std::bit_cast<std::uint32_t>(wide[i]) && back[i] == all[i] ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("half: narrowing rounds to nearest, ties to even", "[kernel][half]") {
  // Every half, its neighbours' midpoints and a step to either side of these.
  std::vector<float> x;
  for (std::uint32_t h = 0; h < 0x7C00; ++h) {
    const float a = float_from_f16(static_cast<Half>(h));
    const float b = h == 0x7BFF ? 65536.0F : float_from_f16(static_cast<Half>(h + 1));
    const float middle = 0.5F * (a + b);
    for (const float v : {middle, std::nextafter(middle, 0.0F), std::nextafter(middle, 1e9F)})
      x.push_back(v), x.push_back(-v);
  }
  for (const float v : {1e9F, -1e30F, INFINITY, -INFINITY, 1e-30F, -1e-45F, 0x1p-126F}) x.push_back(v);
  const auto n = static_cast<Index>(x.size());
  std::vector<Half> got(x.size());
  narrow(x.data(), n, got.data());
  int wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) wrong += got[i] == f16_from_float(x[i]) ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("half: any length, nothing beyond it is touched", "[kernel][half]") {
  for (const Index n : laws::lengths<float>()) {
    const std::vector<float> x = laws::numbers<float>(n, 3);
    std::vector<Half> h(laws::size(n) + 1, 7);
    std::vector<float> y(laws::size(n) + 1, 7.0F);
    narrow(x.data(), n, h.data());
    widen(h.data(), n, y.data());
    CHECK(h.back() == 7);
    CHECK(y.back() == 7.0F);
    bool same = true;
    for (std::size_t i = 0; i < laws::size(n); ++i) same = same && y[i] == float_from_f16(f16_from_float(x[i]));
    CHECK(same);
  }
  CHECK(half_of(1.0F) == 0x3C00);
  CHECK(float_of(0xC000) == -2.0F);
}
