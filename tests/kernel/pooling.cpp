// Pooling against its definition, at window shapes and channel counts that divide nothing.
#include <tessera/kernel/pool2d.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::PoolShape;
using testing::numbers;

namespace {

Index inputs(const PoolShape& s) { return s.batch * s.height * s.width * s.channels; }
Index outputs(const PoolShape& s) { return s.batch * s.out_height() * s.out_width() * s.channels; }

const PoolShape shapes[] = {
    {.batch = 2, .height = 6, .width = 8, .channels = 5},
    {.batch = 1, .height = 7, .width = 9, .channels = 33, .kernel_h = 3, .kernel_w = 3},
    {.batch = 3,
     .height = 5,
     .width = 6,
     .channels = 17,
     .kernel_h = 3,
     .kernel_w = 2,
     .stride_h = 1,
     .stride_w = 3,
     .pad_top = 1,
     .pad_left = 1,
     .pad_bottom = 2,
     .pad_right = 1},
    {.batch = 1,
     .height = 8,
     .width = 8,
     .channels = 16,
     .kernel_h = 3,
     .kernel_w = 3,
     .pad_top = 1,
     .pad_left = 1,
     .pad_bottom = 1,
     .pad_right = 1,
     .count_padding = false},
    {.batch = 2, .width = 13, .channels = 3, .kernel_h = 1, .kernel_w = 4, .stride_h = 1, .stride_w = 2},
    {.channels = 1, .kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1},
};

/// body(output, input, lies in the padding) for every pair of a window.
template <class Body>
void for_each_pair(const PoolShape& s, const Body& body) {
  Index o = 0;
  for (Index n = 0; n < s.batch; ++n) {
    for (Index oy = 0; oy < s.out_height(); ++oy) {
      for (Index ox = 0; ox < s.out_width(); ++ox) {
        for (Index c = 0; c < s.channels; ++c, ++o) {
          for (Index k = 0; k < s.kernel_h * s.kernel_w; ++k) {
            const Index iy = oy * s.stride_h - s.pad_top + k / s.kernel_w,
                        ix = ox * s.stride_w - s.pad_left + k % s.kernel_w;
            const bool outside = iy < 0 || iy >= s.height || ix < 0 || ix >= s.width;
            body(static_cast<std::size_t>(o),
                 static_cast<std::size_t>(outside ? 0 : ((n * s.height + iy) * s.width + ix) * s.channels + c),
                 outside);
          }
        }
      }
    }
  }
}

template <class T>
void check(const PoolShape& s, double limit) {
  const auto x = numbers<T>(inputs(s), 1), dy = numbers<T>(outputs(s), 2);
  std::vector<T> y(dy.size()), dx(x.size());
  std::vector<std::int32_t> index(dy.size());

  std::vector<double> most(dy.size(), -1e300), total(dy.size()), count(dy.size()), back(x.size());
  std::vector<std::size_t> where(dy.size());
  for_each_pair(s, [&](std::size_t o, std::size_t i, bool outside) {
    if (!outside && static_cast<double>(x[i]) > most[o]) most[o] = static_cast<double>(x[i]), where[o] = i;
    if (!outside) total[o] += static_cast<double>(x[i]);
    if (!outside || s.count_padding) count[o] += 1;
  });

  kernel::pool_max(s, x.data(), y.data(), index.data());
  for (std::size_t o = 0; o < y.size(); ++o) REQUIRE(static_cast<double>(y[o]) == most[o]);
  std::fill(y.begin(), y.end(), T(0));
  kernel::pool_max<T>(s, x.data(), y.data(), nullptr);
  for (std::size_t o = 0; o < y.size(); ++o) REQUIRE(static_cast<double>(y[o]) == most[o]);
  kernel::pool_max_adjoint(s, dy.data(), index.data(), dx.data());
  for (std::size_t o = 0; o < y.size(); ++o) back[where[o]] += static_cast<double>(dy[o]);
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(std::abs(static_cast<double>(dx[i]) - back[i]) <= limit);

  kernel::pool_average(s, x.data(), y.data());
  for (std::size_t o = 0; o < y.size(); ++o)
    REQUIRE(std::abs(static_cast<double>(y[o]) - total[o] / count[o]) <= limit);
  kernel::pool_average_adjoint(s, dy.data(), dx.data());
  std::fill(back.begin(), back.end(), 0.0);
  for_each_pair(s, [&](std::size_t o, std::size_t i, bool outside) {
    if (!outside) back[i] += static_cast<double>(dy[o]) / count[o];
  });
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(std::abs(static_cast<double>(dx[i]) - back[i]) <= limit);
}

}  // namespace

TEST_CASE("pooling and its adjoints follow their definition", "[kernel]") {
  for (const PoolShape& s : shapes) {
    check<float>(s, 1e-6);
    check<double>(s, 1e-14);
  }
}

TEST_CASE("maximum pooling keeps a NaN and the first of equals", "[kernel]") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), low = -std::numeric_limits<float>::infinity();
  const PoolShape s{.width = 6, .kernel_h = 1, .stride_h = 1};
  const float x[] = {nan, 5, 4, nan, low, low};
  float y[3];
  std::int32_t index[3];
  kernel::pool_max(s, x, y, index);
  CHECK((std::isnan(y[0]) && std::isnan(y[1]) && y[2] == low));
  CHECK((index[0] == 0 && index[1] == 3 && index[2] == 4));
  const float same[] = {1, 1, 2, 2, 3, 3};
  kernel::pool_max(s, same, y, index);
  CHECK((index[0] == 0 && index[1] == 2 && index[2] == 4));
}
