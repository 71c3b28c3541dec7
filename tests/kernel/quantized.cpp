#include <tessera/kernel/quantized.hpp>
#include <tessera/kernel/quantized_activation.hpp>
#include <tessera/kernel/quantized_dot.hpp>
#include <tessera/kernel/quantized_panel.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tests/kernel/laws.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;

namespace {

/// Weights as networks have them: blocks of very different sizes, one of them zero.
std::vector<float> weights(Index n, std::uint64_t seed) {
  std::vector<float> w = laws::numbers<float>(n, seed, -1.0, 1.0);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] *= std::ldexp(1.0F, static_cast<int>(i / 32 * 7 % 31) - 20);
  for (std::size_t i = 64; i < w.size() && i < 96; ++i) w[i] = 0.0F;
  return w;
}

/// What rounding the scale to a half may cost a weight that is `steps` scales large.
double scale_error(double d, double steps) { return steps * std::fmax(std::fabs(d) * 0x1p-11, 0x1p-25); }

}  // namespace

TEMPLATE_TEST_CASE("quantized blocks: the error is within its bound", "[kernel][quantized]", Q8, Q4) {
  const Index n = 32 * 400;
  const std::vector<float> w = weights(n, 1);
  std::vector<std::uint8_t> blocks(laws::size(published_bytes<TestType>(n)));
  std::vector<float> back(w.size());
  quantize(TestType{}, w.data(), n, blocks.data());
  dequantize(TestType{}, blocks.data(), n, back.data());
  double worst = 0;
  for (Index i = 0; i < n; ++i) {
    const double d = static_cast<double>(float_of(static_cast<Half>(
        blocks[laws::size(i / 32 * TestType::bytes)] | blocks[laws::size(i / 32 * TestType::bytes + 1)] << 8)));
    const double half_step = TestType::quants == 32 ? std::fabs(d) / 2 : std::fabs(d);
    const double bound = half_step * (1 + 1e-6) + scale_error(d, TestType::quants == 32 ? 128 : 8);
    worst = std::fmax(
        worst, std::fabs(static_cast<double>(back[laws::size(i)]) - static_cast<double>(w[laws::size(i)])) / bound);
  }
  CHECK(worst <= 1.0);
  CHECK(worst > 0.5);  // the bound is not idle
  for (std::size_t i = 64; i < 96; ++i) CHECK(back[i] == 0.0F);
}

TEST_CASE("quantized blocks: a hand-worked block of each", "[kernel][quantized]") {
  // Q8_0, d = 0.5: q = 127 at place 0, -3 at place 31.
  std::vector<float> w(32, 0.0F), back(32);
  w[0] = 63.5F, w[31] = -1.5F, w[5] = 0.2F, w[6] = 0.3F;
  std::vector<std::uint8_t> block(34);
  quantize(Q8{}, w.data(), 32, block.data());
  CHECK((block[0] | block[1] << 8) == 0x3800);
  CHECK(block[2] == 127);
  CHECK(block[33] == 0xFD);
  CHECK(block[7] == 0);
  CHECK(block[8] == 1);
  // Q4_0: the largest is 4, so d = -0.5; q = 0 for 4, 8 for 0, 15 for -3.5 and, held there, for -3.9.
  for (float& v : w) v = 0.0F;
  w[3] = 4.0F, w[19] = -3.5F, w[20] = -3.9F;
  block.assign(18, 0);
  quantize(Q4{}, w.data(), 32, block.data());
  CHECK((block[0] | block[1] << 8) == 0xB800);
  CHECK(block[2] == 0x88);
  CHECK(block[5] == 0xF0);
  CHECK(block[6] == 0xF8);
  dequantize(Q4{}, block.data(), 32, back.data());
  CHECK(back[3] == 4.0F);
  CHECK(back[19] == -3.5F);
  CHECK(back[20] == -3.5F);
  CHECK(back[4] == 0.0F);
}

TEMPLATE_TEST_CASE("quantized panels: any published byte comes back", "[kernel][quantized]", Q8, Q4) {
  for (const Index in : {Index{32}, Index{96}, Index{160}}) {
    const Index out = 19, row = published_bytes<TestType>(in);
    std::vector<std::uint8_t> matrix(laws::size(quantized_bytes<TestType>(out, in))), published(laws::size(out * row)),
        back(laws::size(row));
    for (std::size_t i = 0; i < published.size(); ++i) published[i] = static_cast<std::uint8_t>(i * 167 + i / 251);
    for (Index r = 0; r < out; ++r) put_row(TestType{}, published.data() + r * row, r, in, matrix.data());
    for (Index r = 0; r < out; ++r) {
      get_row(TestType{}, matrix.data(), r, in, back.data());
      CHECK(std::equal(back.begin(), back.end(), published.begin() + r * row));
    }
  }
}

TEST_CASE("quantized activations: error, zeros and poison", "[kernel][quantized]") {
  const Index n = 32 * 50 + 9;
  const std::vector<float> x = weights(n, 2);
  std::vector<ActivationBlock> blocks(laws::size(blocks_of(n)));
  quantize_activations<PairDot>(x.data(), n, blocks.data());
  for (Index b = 0; b < blocks_of(n); ++b) {
    const ActivationBlock& block = blocks[laws::size(b)];
    std::int16_t q[32];
    std::memcpy(q, block.words, sizeof q);
    float most = 0;
    std::int32_t sum = 0;
    for (Index i = 0; i < 32; ++i) {
      const float v = b * 32 + i < n ? x[laws::size(b * 32 + i)] : 0.0F;
      most = std::fmax(most, std::fabs(v));
      const Index place = i / 4 * 4 + (i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4);
      sum += q[place];
      CHECK(std::fabs(static_cast<double>(block.scale) * q[place] - static_cast<double>(v)) <=
            static_cast<double>(block.scale) * 0.503);
    }
    CHECK(block.sum == sum);
    CHECK(block.scale == Approx(most / 32639).epsilon(1e-6));
  }
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{31}}) {
      std::vector<float> bad(32, 1.0F);
      bad[at] = -poison;
      quantize_activations<PairDot>(bad.data(), 32, blocks.data());
      CHECK(std::isnan(blocks[0].scale));
    }
  }
  const std::vector<float> tiny(32, 1e-42F);
  quantize_activations<PairDot>(tiny.data(), 32, blocks.data());
  CHECK(blocks[0].scale == 0.0F);
}
