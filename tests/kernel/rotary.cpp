// Rotary positions: the paper's formula, distance alone matters, lengths are kept, turning back restores.
#include <tessera/kernel/rotary.hpp>

#include <cmath>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using tessera::Index;
using tessera::kernel::rotary;
using tessera::kernel::rotary_angles;
using tessera::kernel::RotaryPairs;
using tessera::kernel::RotaryShape;

std::size_t z(Index i) { return static_cast<std::size_t>(i); }

template <class T>
struct Angles {
  std::vector<T> cosine, sine;
  Angles(Index first, Index rows, Index rotated) : cosine(z(rows * rotated / 2)), sine(z(rows * rotated / 2)) {
    rotary_angles<T>(first, rows, rotated, 10000, cosine.data(), sine.data());
  }
};

template <class T>
std::vector<T> numbers(Index n) {
  std::vector<T> x(z(n));
  for (Index i = 0; i < n; ++i) x[z(i)] = static_cast<T>(std::sin(1.7 * static_cast<double>(i) + 0.3));
  return x;
}

}  // namespace

TEST_CASE("rotary positions follow the formula in both conventions", "[kernel]") {
  for (const RotaryPairs pairs : {RotaryPairs::neighbours, RotaryPairs::halves}) {
    for (Index width : {2, 6, 16, 32, 34, 64, 70}) {
      for (Index rotated : {width, width / 4 * 2}) {
        if (rotated == 0) continue;
        RotaryShape s = RotaryShape::dense(2, 5, 3, width);
        s.pairs = pairs;
        s.rotated = rotated;
        s.row_stride += 3, s.batch_stride = 5 * s.row_stride + 1;  // not dense, not aligned
        const Angles<float> a(11, 5, rotated);
        const std::vector<float> x = numbers<float>(2 * s.batch_stride);
        std::vector<float> y = x;
        rotary(s, a.cosine.data(), a.sine.data(), y.data());
        std::vector<double> want(x.begin(), x.end());
        for (Index b = 0; b < 2; ++b) {
          for (Index t = 0; t < 5; ++t) {
            for (Index h = 0; h < 3; ++h) {
              for (Index i = 0; i < rotated / 2; ++i) {
                const Index at = b * s.batch_stride + t * s.row_stride + h * width;
                const bool halves = pairs == RotaryPairs::halves;
                const std::size_t u = z(at + (halves ? i : 2 * i)), v = z(at + (halves ? i + rotated / 2 : 2 * i + 1));
                const double angle = double(11 + t) * std::pow(10000.0, -2.0 * double(i) / double(rotated));
                want[u] = double(x[u]) * std::cos(angle) - double(x[v]) * std::sin(angle);
                want[v] = double(x[u]) * std::sin(angle) + double(x[v]) * std::cos(angle);
              }
            }
          }
        }
        double worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::abs(double(y[i]) - want[i]));
        CAPTURE(width, rotated);
        CHECK(worst < 3e-7);
        rotary(s, a.cosine.data(), a.sine.data(), y.data(), true);
        worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::abs(double(y[i] - x[i])));
        CHECK(worst < 5e-7);
      }
    }
  }
}

TEST_CASE("rotated products depend on the distance alone", "[kernel]") {
  RotaryShape s = RotaryShape::dense(1, 1, 1, 32);
  const auto product = [&](Index i, Index j) {
    std::vector<double> q = numbers<double>(32), k = numbers<double>(64);
    k.erase(k.begin(), k.begin() + 32);
    const Angles<double> a(i, 1, 32), b(j, 1, 32);
    rotary(s, a.cosine.data(), a.sine.data(), q.data());
    rotary(s, b.cosine.data(), b.sine.data(), k.data());
    double sum = 0;
    for (std::size_t d = 0; d < 32; ++d) sum += q[d] * k[d];
    return sum;
  };
  CHECK(std::abs(product(3, 10) - product(1003, 1010)) < 1e-11);
  CHECK(std::abs(product(3, 10) - product(3, 11)) > 1e-3);
}

TEST_CASE("turning back is the adjoint of turning", "[kernel]") {
  RotaryShape s = RotaryShape::dense(2, 3, 2, 20);
  for (const RotaryPairs pairs : {RotaryPairs::neighbours, RotaryPairs::halves}) {
    s.pairs = pairs;
    const Angles<double> a(4, 3, 20);
    const std::vector<double> x = numbers<double>(240);
    std::vector<double> rx = x, y = numbers<double>(241);
    y.erase(y.begin());
    std::vector<double> ry = y;
    rotary(s, a.cosine.data(), a.sine.data(), rx.data());
    rotary(s, a.cosine.data(), a.sine.data(), ry.data(), true);
    double left = 0, right = 0;
    for (std::size_t i = 0; i < 240; ++i) left += rx[i] * y[i], right += x[i] * ry[i];
    CHECK(std::abs(left - right) < 1e-12);
  }
}
