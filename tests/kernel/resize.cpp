// Resizing against its definition; adjoints by <dy, resize x> = <adjoint dy, x>.
#include <tessera/kernel/resize.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ResizeShape;
using testing::numbers;

namespace {

template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return total;
}

const ResizeShape shapes[] = {{2, 4, 5, 17, 8, 10}, {1, 3, 3, 5, 9, 9}, {1, 5, 7, 33, 7, 3}, {3, 8, 8, 16, 4, 4},
                              {1, 1, 1, 3, 4, 6},   {1, 6, 4, 1, 1, 1}, {2, 5, 5, 40, 5, 5}, {1, 1, 10, 20, 1, 23}};

template <class T>
void check(const ResizeShape& s, double limit) {
  const auto x = numbers<T>(s.batch * s.height * s.width * s.channels, 1);
  const auto dy = numbers<T>(s.batch * s.out_height * s.out_width * s.channels, 2);
  std::vector<T> y(dy.size(), T(9)), dx(x.size(), T(9));
  const auto pixel = [&](Index n, Index iy, Index ix, Index c) {
    return static_cast<double>(x[static_cast<std::size_t>(((n * s.height + iy) * s.width + ix) * s.channels + c)]);
  };
  const auto each = [&](auto wanted) {
    std::size_t o = 0;
    for (Index n = 0; n < s.batch; ++n) {
      for (Index oy = 0; oy < s.out_height; ++oy) {
        for (Index ox = 0; ox < s.out_width; ++ox) {
          for (Index c = 0; c < s.channels; ++c, ++o)
            REQUIRE(std::abs(static_cast<double>(y[o]) - wanted(n, oy, ox, c)) <= limit);
        }
      }
    }
  };
  kernel::resize_nearest(s, x.data(), y.data());
  each([&](Index n, Index oy, Index ox, Index c) {
    return pixel(n, oy * s.height / s.out_height, ox * s.width / s.out_width, c);
  });
  kernel::resize_nearest_adjoint(s, dy.data(), dx.data());
  REQUIRE(std::abs(dot(dy, y) - dot(dx, x)) <= limit * std::sqrt(dot(dy, dy) * dot(y, y)));

  kernel::resize_bilinear(s, x.data(), y.data());
  each([&](Index n, Index oy, Index ox, Index c) {
    const auto along = [](Index o, Index in, Index out) {
      return std::max(0.0, (static_cast<double>(o) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5);
    };
    const double v = along(oy, s.height, s.out_height), h = along(ox, s.width, s.out_width);
    const auto top = static_cast<Index>(v), left = static_cast<Index>(h);
    const Index below = std::min(top + 1, s.height - 1), right = std::min(left + 1, s.width - 1);
    const double fv = v - static_cast<double>(top), fh = h - static_cast<double>(left);
    return (1 - fv) * ((1 - fh) * pixel(n, top, left, c) + fh * pixel(n, top, right, c)) +
           fv * ((1 - fh) * pixel(n, below, left, c) + fh * pixel(n, below, right, c));
  });
  kernel::resize_bilinear_adjoint(s, dy.data(), dx.data());
  REQUIRE(std::abs(dot(dy, y) - dot(dx, x)) <= limit * std::sqrt(dot(dy, dy) * dot(y, y)));
}

}  // namespace

TEST_CASE("resizing and its adjoints follow their definition", "[kernel]") {
  for (const ResizeShape& s : shapes) {
    check<float>(s, 2e-6);
    check<double>(s, 1e-14);
  }
}

TEST_CASE("bilinear resizing has half-pixel centres", "[kernel]") {
  const float x[] = {0, 4};  // doubled: at -1/4 (the border repeats), 1/4, 3/4 and 5/4
  float y[4];
  kernel::resize_bilinear(ResizeShape{.width = 2, .out_width = 4}, x, y);
  CHECK((y[0] == 0 && y[1] == 1 && y[2] == 3 && y[3] == 4));
  kernel::resize_nearest(ResizeShape{.width = 2, .out_width = 4}, x, y);
  CHECK((y[0] == 0 && y[1] == 0 && y[2] == 4 && y[3] == 4));
}
