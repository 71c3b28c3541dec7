#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/half_gemm.hpp>
#include <tessera/kernel/quantized_gemm.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/kernel/laws.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;

namespace {

constexpr Index outs[] = {1, 15, 16, 17, 31, 33, 70};
constexpr Index ins[] = {1, 31, 32, 33, 96, 160, 288, 544};

template <class Format>
struct Matrix {
  Index out, in, padded = blocks_of(in) * 32;
  std::vector<std::uint8_t> panels;
  std::vector<float> values;  // [out, padded]: what the blocks mean

  Matrix(Index o, Index i)
      : out(o), in(i), panels(laws::size(quantized_bytes<Format>(o, i))), values(laws::size(o * padded)) {
    const std::vector<float> w = laws::numbers<float>(o * padded, 5);
    std::vector<float> row(laws::size(padded));
    std::vector<std::uint8_t> blocks(laws::size(published_bytes<Format>(padded)));
    for (Index r = 0; r < o; ++r) {
      for (Index k = 0; k < padded; ++k) row[laws::size(k)] = k < in ? w[laws::size(r * padded + k)] : 0.0F;
      quantize(Format{}, row.data(), padded, blocks.data());
      dequantize(Format{}, blocks.data(), padded, values.data() + r * padded);
      put_row(Format{}, blocks.data(), r, in, panels.data());
    }
  }

  /// The plain loop: activations rounded as documented, the rest in double.
  double plain(const float* x, Index row, double& magnitude) const {
    double y = 0;
    magnitude = 0;
    for (Index b = 0; b < padded; b += 32) {
      double most = 0, sum = 0;
      const auto at = [&](Index i) { return b + i < in ? static_cast<double>(x[b + i]) : 0.0; };
      for (Index i = 0; i < 32; ++i) most = std::fmax(most, std::fabs(at(i)));
      for (Index i = 0; i < 32; ++i) sum += static_cast<double>(values[laws::size(row * padded + b + i)]) * at(i);
      y += sum;
      for (Index i = 0; i < 32; ++i)
        magnitude += std::fabs(static_cast<double>(values[laws::size(row * padded + b + i)])) *
                     (std::fabs(at(i)) * 1e-6 + most / 65000);
    }
    return y;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("quantized gemm is the plain loop", "[kernel][quantized]", Q8, Q4) {
  for (const Index out : outs) {
    for (const Index in : ins) {
      const Matrix<TestType> w(out, in);
      const std::vector<float> x = laws::numbers<float>(in, 6), bias = laws::numbers<float>(out, 7);
      std::vector<float> y(laws::size(out) + 1, 99.0F);
      quantized_gemm<TestType>(1, out, in, x.data(), in, w.panels.data(), y.data(), out, AddBias<float>{bias.data()});
      double worst = 0;
      for (Index r = 0; r < out; ++r) {
        double scale = 0;
        const double want = w.plain(x.data(), r, scale) + static_cast<double>(bias[laws::size(r)]);
        worst = std::fmax(worst, std::fabs(static_cast<double>(y[laws::size(r)]) - want) / (scale + 4e-7));
      }
      INFO(out << " x " << in);
      CHECK(worst <= 1.0);
      CHECK(y.back() == 99.0F);
    }
  }
}

TEMPLATE_TEST_CASE("quantized gemm: bytes and pairs give the same bits", "[kernel][quantized]", Q8, Q4) {
  const Index out = 83, in = 32 * 37;
  const Matrix<TestType> w(out, in);
  const std::vector<float> x = laws::numbers<float>(in * 3, 6);
  std::vector<float> a(laws::size(out * 3)), b = a;
  quantized_gemm<TestType, NativeDot>(3, out, in, x.data(), in, w.panels.data(), a.data(), out);
  quantized_gemm<TestType, PairDot>(3, out, in, x.data(), in, w.panels.data(), b.data(), out);
  CHECK(laws::same_bits(a, b));
}

TEMPLATE_TEST_CASE("quantized gemm: extreme weights and activations stay exact", "[kernel][quantized]", Q8, Q4) {
  // The largest sums there are: every q at an end, every activation at its largest. d = 1.
  const Index in = 64;
  for (const int end : {0x00, 0x0F, 0x7F, 0x80, 0xF0, 0xFF}) {
    std::vector<std::uint8_t> row(laws::size(published_bytes<TestType>(in)), static_cast<std::uint8_t>(end));
    for (Index b = 0; b < 2; ++b)
      row[laws::size(b * TestType::bytes)] = 0x00, row[laws::size(b * TestType::bytes + 1)] = 0x3C;
    std::vector<std::uint8_t> panels(laws::size(quantized_bytes<TestType>(1, in)));
    put_row(TestType{}, row.data(), 0, in, panels.data());
    std::vector<float> w(laws::size(in));
    dequantize(TestType{}, row.data(), in, w.data());
    for (const float sign : {1.0F, -1.0F}) {
      const std::vector<float> x(laws::size(in), sign * 3.0F);
      double want = 0;
      for (const float v : w) want += static_cast<double>(v) * static_cast<double>(sign) * 3;
      float y = 0;
      quantized_gemm<TestType>(1, 1, in, x.data(), in, panels.data(), &y, 1);
      CHECK(static_cast<double>(y) == Approx(want).epsilon(1e-6).margin(1e-4));
    }
  }
}

TEMPLATE_TEST_CASE("quantized gemm: a row among many and on any thread has its own bits", "[kernel][quantized]", Q8,
                   Q4) {
  const Index out = 531, in = 800, rows = 23;
  const Matrix<TestType> w(out, in);
  const std::vector<float> x = laws::numbers<float>(rows * in, 8);
  std::vector<float> y(laws::size(rows * out)), alone(laws::size(out));
  quantized_gemm<TestType>(rows, out, in, x.data(), in, w.panels.data(), y.data(), out);
  for (Index r = 0; r < rows; ++r) {
    quantized_gemm<TestType>(1, out, in, x.data() + r * in, in, w.panels.data(), alone.data(), out, Identity{}, false);
    CHECK(std::memcmp(alone.data(), y.data() + r * out, alone.size() * sizeof(float)) == 0);
  }
  laws::check_threads([&] {
    std::vector<float> again(y.size());
    quantized_gemm<TestType>(rows, out, in, x.data(), in, w.panels.data(), again.data(), out);
    CHECK(laws::same_bits(y, again));
    return again;
  });
}

TEMPLATE_TEST_CASE("wide gemm has the bits of gemm with the same weights", "[kernel][quantized]", float, Half) {
  for (const Index out : outs) {
    // 1,024: sums wait for their next terms, and rows lie a multiple of 2 KB apart; 1,030: the first alone
    for (const Index in : {Index{1}, Index{7}, Index{255}, Index{257}, Index{700}, Index{1024}, Index{1030}}) {
      const Index rows = in >= 1024 ? 43 : 18;
      std::vector<float> w = laws::numbers<float>(out * in, 9);
      std::vector<TestType> panels(laws::size(wide_size(out, in))), row(laws::size(in));
      for (Index o = 0; o < out; ++o) {
        if constexpr (sizeof(TestType) == 2) {
          narrow(w.data() + o * in, in, row.data());
          widen(row.data(), in, w.data() + o * in);
        } else {
          std::memcpy(row.data(), w.data() + o * in, laws::size(in) * sizeof(float));
        }
        put_wide_row(row.data(), o, in, panels.data());
        std::vector<TestType> back(row.size());
        get_wide_row(panels.data(), o, in, back.data());
        CHECK(back == row);
      }
      const std::vector<float> x = laws::numbers<float>(rows * in, 10), bias = laws::numbers<float>(out, 11);
      for (const Index m : {Index{1}, Index{2}, Index{5}, rows}) {
        std::vector<float> want(laws::size(m * out)), y(laws::size(m * out) + 1, 99.0F);
        gemm(m, out, in, View<float>{x.data(), in, 1}, View<float>{w.data(), 1, in}, want.data(), out, false,
             AddBias<float>{bias.data()});
        wide_gemm<TestType>(m, out, in, x.data(), in, panels.data(), y.data(), out, AddBias<float>{bias.data()});
        CHECK(y.back() == 99.0F);
        y.pop_back();
        INFO(m << " x " << in << " x " << out);
        CHECK(laws::same_bits(y, want));
      }
    }
  }
}

TEST_CASE("wide gemm: the same bits on any number of threads", "[kernel][quantized]") {
  const Index out = 1030, in = 900;
  std::vector<Half> panels(laws::size(wide_size(out, in)));
  narrow(laws::numbers<float>(wide_size(out, in), 12).data(), wide_size(out, in), panels.data());
  const std::vector<float> x = laws::numbers<float>(20 * in, 13);
  for (const Index rows : {Index{3}, Index{20}}) {
    laws::check_threads([&] {
      std::vector<float> y(laws::size(rows * out));
      wide_gemm<Half>(rows, out, in, x.data(), in, panels.data(), y.data(), out);
      return y;
    });
  }
}
