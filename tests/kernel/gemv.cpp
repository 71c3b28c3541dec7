#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/gemv.hpp>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;
using testing::numbers;

TEMPLATE_TEST_CASE("gemv is the plain loop for a weight either way round", "[kernel]", float, double) {
  using T = TestType;
  constexpr Index W = lanes_of<T>;
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  for (Index out : {Index{0}, Index{1}, W - 1, W, W + 1, Index{37}, Index{300}}) {
    for (Index in : {Index{0}, Index{1}, W - 1, W, W + 1, Index{70}, Index{600}}) {
      const std::vector<T> w = numbers<T>(out * (in + 2) + 1), x = numbers<T>(in + 1, 2), bias = numbers<T>(out, 3);
      std::vector<T> flipped(at(in * (out + 2) + 1));
      for (Index i = 0; i < out; ++i) {
        for (Index j = 0; j < in; ++j) flipped[at(1 + j * (out + 2) + i)] = w[at(1 + i * (in + 2) + j)];
      }
      for (bool accumulate : {false, true}) {
        std::vector<T> y = numbers<T>(out + 2, 4), z = y;
        const std::vector<T> before = y;
        gemv(out, in, w.data() + 1, in + 2, x.data() + 1, y.data() + 1, accumulate, AddBias<T>{bias.data()});
        gemv_transposed(out, in, flipped.data() + 1, out + 2, x.data() + 1, z.data() + 1, accumulate,
                        AddBias<T>{bias.data()});
        CHECK(y == z);  // the same sums in the same order
        CHECK(y[0] == before[0]);
        CHECK(y.back() == before.back());
        for (Index i = 0; i < out; ++i) {
          double want = (accumulate ? static_cast<double>(before[at(i + 1)]) : 0.0) + static_cast<double>(bias[at(i)]);
          for (Index j = 0; j < in; ++j) {
            want += static_cast<double>(w[at(1 + i * (in + 2) + j)]) * static_cast<double>(x[at(j + 1)]);
          }
          CHECK(static_cast<double>(y[at(i + 1)]) ==
                Approx(want).margin((sizeof(T) == 4 ? 1e-7 : 1e-15) * static_cast<double>(in + 8)));
        }
      }
    }
  }
}

TEST_CASE("gemv is a row of gemm, bit for bit", "[kernel]") {
  const Index out = 531, in = 700, rows = 3;
  const std::vector<float> w = numbers<float>(out * in), x = numbers<float>(rows * in, 2);
  std::vector<float> y(static_cast<std::size_t>(out)), c(static_cast<std::size_t>(rows * out));
  gemm(rows, out, in, View<float>{x.data(), in, 1}, View<float>{w.data(), 1, in}, c.data(), out);
  for (Index i = 0; i < rows; ++i) {
    gemv(out, in, w.data(), in, x.data() + i * in, y.data());
    CHECK(std::memcmp(y.data(), c.data() + i * out, y.size() * sizeof(float)) == 0);
  }
}
