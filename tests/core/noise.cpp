#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tessera/core/noise.hpp>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

// ---- the plain statement of a fill's contract, one element at a time

Philox counter_of(std::uint64_t i, std::uint32_t use, std::uint64_t key) {
  const std::uint64_t c = i / 64 * 16 + i % 16;
  return {static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(c >> 32), use, 0, key};
}
std::uint32_t word_of(std::uint64_t i, std::uint32_t use, std::uint64_t key) {
  return counter_of(i, use, key).word[i % 64 / 16];
}
float plain_uniform(std::uint64_t i, std::uint64_t key) {
  return static_cast<float>(word_of(i, 1, key) >> 8) * 0x1p-24f;
}
/// In double with the C library's functions: what the polynomials approximate.
double plain_normal(std::uint64_t i, std::uint64_t key) {
  const Philox p = counter_of(i, 2, key);
  const std::uint64_t w = i % 64 / 16, pair = w / 2 * 2;
  const std::uint32_t a = p.word[pair], b = p.word[pair + 1];
  const double u = static_cast<double>(static_cast<float>((a >> 1) + 0.5) * 0x1p-31f);
  const double angle = static_cast<double>(static_cast<std::int32_t>(b << 3) >> 3) * 0x1p-28 * 0.78539816339744831;
  const bool swap = (b >> 29 & 1) != 0, negative = (b >> (w % 2 == 0 ? 31 : 30) & 1) != 0;
  const double side = (w % 2 == 0) != swap ? std::cos(angle) : std::sin(angle);
  return std::sqrt(-2 * std::log(u)) * (negative ? -side : side);
}

std::uint64_t hash(std::span<const float> x) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (float v : x) {
    std::uint32_t w;
    std::memcpy(&w, &v, sizeof w);
    h = (h ^ w) * 0x100000001b3u;
  }
  return h;
}

double chi_squared(const std::vector<Index>& seen, double expected) {
  double sum = 0;
  for (Index n : seen) sum += (static_cast<double>(n) - expected) * (static_cast<double>(n) - expected) / expected;
  return sum;
}
/// About five deviations above the mean of chi squared.
double chi_bound(double freedom) { return freedom + 5 * std::sqrt(2 * freedom) + 10; }

/// Kolmogorov's distance over 4,096 points, times sqrt(n): beyond 2.2 once in 8,000 samples.
template <class Cdf>
double kolmogorov(std::span<const float> x, double low, double high, const Cdf& cdf) {
  std::vector<Index> bins(4096);
  const double scale = 4096 / (high - low);
  for (float v : x) {
    const double at = (static_cast<double>(v) - low) * scale;
    if (at < 4096) ++bins[static_cast<std::size_t>(at < 0 ? 0 : at)];
  }
  double sum = 0, worst = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t b = 0; b < 4095; ++b) {
    sum += static_cast<double>(bins[b]);
    worst = std::max(worst, std::abs(sum / n - cdf(low + static_cast<double>(b + 1) / scale)));
  }
  return worst * std::sqrt(n);
}

}  // namespace

TEST_CASE("Philox4x32-10: the three known answers of Random123", "[core][noise]") {
  const auto answer = [](const Philox& p) {
    char text[40];
    std::snprintf(text, sizeof text, "%08x %08x %08x %08x", p.word[0], p.word[1], p.word[2], p.word[3]);
    return std::string(text);
  };
  CHECK(answer(Philox(0, 0, 0, 0, 0)) == "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  const std::uint32_t ones = 0xffffffff;
  CHECK(answer(Philox(ones, ones, ones, ones, ~std::uint64_t{0})) == "408f276d 41c83b0e a20bc7c6 6d5451fd");
  CHECK(answer(Philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0a4093822)) ==
        "d16cfe09 94fdcceb 5001e420 24126ea1");
  static_assert(Philox(0, 0, 0, 0, 0).word[0] == 0x6627e8d5, "also at compile time");
}

TEST_CASE("a uniform fill is its plain statement, bit for bit", "[core][noise]") {
  for (std::uint64_t key : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{0}}) {
    const Tensor<float> u = Noise{key}.uniform<float>({3000});
    for (Index i = 0; i < u.size(); ++i) REQUIRE(u[i] == plain_uniform(static_cast<std::uint64_t>(i), key));
  }
}

TEST_CASE("a fill beyond 2^32 counters is its plain statement", "[core][noise]") {
  const Index unit = (Index{1} << 28) - 1;  // counters just below and above 2^32
  float u[128];
  kernel::philox_fill<kernel::UniformFill>(u, 128, unit, 1, 7);
  for (std::uint64_t i = 0; i < 128; ++i) REQUIRE(u[i] == plain_uniform(static_cast<std::uint64_t>(unit) * 64 + i, 7));
}

TEST_CASE("a normal fill is Box and Muller's transform within 4e-7", "[core][noise]") {
  double worst = 0;
  for (std::uint64_t key : {std::uint64_t{0}, std::uint64_t{42}, std::uint64_t{0x123456789abcdef}}) {
    const Tensor<float> z = Noise{key}.normal<float>({20000});
    for (Index i = 0; i < z.size(); ++i) {
      const double want = plain_normal(static_cast<std::uint64_t>(i), key);
      worst = std::max(worst, std::abs(static_cast<double>(z[i]) - want) / std::max(1.0, std::abs(want)));
    }
  }
  INFO("largest error " << worst);
  CHECK(worst < 4e-7);
}

TEST_CASE("the extreme words give finite normals", "[core][noise]") {
  for (std::uint32_t a : {0u, 1u, 2u, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu}) {
    for (std::uint32_t b : {0u, 0x1fffffffu, 0x10000000u, 0x20000000u, 0x80000000u, 0xffffffffu}) {
      const auto pair = kernel::box_muller(kernel::I::splat(static_cast<std::int32_t>(a)),
                                           kernel::I::splat(static_cast<std::int32_t>(b)));
      float x[kernel::native_width], y[kernel::native_width];
      pair.x.store(x);
      pair.y.store(y);
      CHECK(std::abs(x[0]) < 6.67f);
      CHECK(std::abs(y[0]) < 6.67f);
      CHECK((a > 2 || std::max(std::abs(x[0]), std::abs(y[0])) > 4.0f));
    }
  }
}

// Every build must print these: any compiler, -O0 to -O3, contraction on or off, SSE2, AVX2, AVX-512 or TESSERA_SCALAR.
TEST_CASE("golden bytes", "[core][noise]") {
  CHECK(hash(Noise{42}.uniform<float>({100003}).span()) == 0x891b4ecd4be1a83du);
  CHECK(hash(Noise{42}.normal<float>({100003}).span()) == 0xcf582eba3a6649c9u);
  CHECK(hash(Noise{7}.fork(3).normal<float>({3, 1001}).span()) == 0xff73bb30940cec90u);
  CHECK(Noise{42}.fork(1).key() == 0x1d91b19b85a8df3cu);
  CHECK(Noise{42}.bits(5) == 0xa501e4091ad582c8u);
  CHECK(Noise{42}.below(1000000, 9) == 101068);
}

TEST_CASE("an element depends on key and place alone: prefixes and threads change nothing", "[core][noise]") {
  const int before = threads();
  set_threads(1);
  const Tensor<float> whole = Noise{5}.normal<float>({70001});
  for (Index n : {0, 1, 15, 16, 17, 63, 64, 65, 127, 1000, 32768, 32769}) {
    std::vector<float> part(static_cast<std::size_t>(n + 1), 99.0f);
    Noise{5}.normal(std::span<float>(part.data(), static_cast<std::size_t>(n)));
    for (Index i = 0; i < n; ++i) REQUIRE(part[static_cast<std::size_t>(i)] == whole[i]);
    CHECK(part.back() == 99.0f);  // nothing beyond the end
  }
  for (int n : {2, 3, 8}) {
    set_threads(n);
    CHECK(same_bytes(Noise{5}.normal<float>({70001}), whole));
  }
  set_threads(before);
}

TEST_CASE("a double fill is the float fill", "[core][noise]") {
  const Tensor<float> z = Noise{5}.normal<float>({40001}), u = Noise{5}.uniform<float>({40001});
  const Tensor<double> zd = Noise{5}.normal<double>({40001}), ud = Noise{5}.uniform<double>({40001});
  for (Index i = 0; i < z.size(); ++i) {
    REQUIRE(zd[i] == static_cast<double>(z[i]));
    REQUIRE(ud[i] == static_cast<double>(u[i]));
  }
}

TEST_CASE("uniform numbers: range, moments, distribution", "[core][noise]") {
  const Index n = 1 << 21;
  const Tensor<float> u = Noise{2024}.uniform<float>({n});
  double m1 = 0, m2 = 0, lag = 0;
  for (Index i = 0; i < n; ++i) {
    REQUIRE((u[i] >= 0.0f && u[i] < 1.0f));
    const double x = static_cast<double>(u[i]) - 0.5;
    m1 += x;
    m2 += x * x;
    if (i > 0) lag += x * (static_cast<double>(u[i - 1]) - 0.5);
  }
  const double root = std::sqrt(static_cast<double>(n));
  CHECK(std::abs(m1 / static_cast<double>(n)) < 4 * 0.2887 / root);
  CHECK(std::abs(m2 / static_cast<double>(n) - 1 / 12.0) < 4 * 0.0745 / root);
  CHECK(std::abs(lag / static_cast<double>(n)) < 4 / 12.0 / root);
  CHECK(kolmogorov(u.span(), 0, 1, [](double x) { return x; }) < 2.2);
}

TEST_CASE("normal numbers: moments, tails, distribution", "[core][noise]") {
  const Index n = 1 << 22;
  const Tensor<float> z = Noise{2024}.normal<float>({n});
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, pairs = 0;
  Index beyond3 = 0, beyond4 = 0;
  for (Index i = 0; i < n; ++i) {
    const double x = static_cast<double>(z[i]);
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    beyond3 += std::abs(x) > 3 ? 1 : 0;
    beyond4 += std::abs(x) > 4 ? 1 : 0;
    if (i % 64 / 16 % 2 == 0) pairs += x * static_cast<double>(z[i + 16]);  // the two of one Box-Muller pair
  }
  const auto count = static_cast<double>(n);
  const double root = std::sqrt(count);
  CHECK(std::abs(m1 / count) < 4 / root);
  CHECK(std::abs(m2 / count - 1) < 4 * std::sqrt(2.0) / root);
  CHECK(std::abs(m3 / count) < 4 * std::sqrt(15.0) / root);
  CHECK(std::abs(m4 / count - 3) < 4 * std::sqrt(96.0) / root);
  CHECK(std::abs(pairs / (count / 2)) < 4 / std::sqrt(count / 2));
  const double expect3 = 2.699796e-3 * count, expect4 = 6.334248e-5 * count;
  CHECK(std::abs(static_cast<double>(beyond3) - expect3) < 4 * std::sqrt(expect3));
  CHECK(std::abs(static_cast<double>(beyond4) - expect4) < 4 * std::sqrt(expect4));
  CHECK(kolmogorov(z.span(), -6, 6, [](double x) { return 0.5 * std::erfc(-x * 0.70710678118654752); }) < 2.2);
}

TEST_CASE("forks and kinds of draws are unrelated", "[core][noise]") {
  const Noise noise{1};
  CHECK(noise == Noise{1});
  CHECK(noise.fork(0) != noise);
  CHECK(noise.fork(0) != noise.fork(1));
  CHECK(noise.fork(2).fork(3) != noise.fork(3).fork(2));
  CHECK(Noise{noise.fork(9).key()} == noise.fork(9));

  const Index n = 1 << 16;
  const auto correlation = [](const Tensor<float>& a, const Tensor<float>& b) {
    double sum = 0;
    for (Index i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return std::abs(sum) / std::sqrt(static_cast<double>(a.size()));
  };
  const Tensor<float> z = noise.normal<float>({n});
  for (std::uint64_t i : {0u, 1u, 2u, 1000u}) CHECK(correlation(z, noise.fork(i).normal<float>({n})) < 4);
  CHECK(correlation(noise.fork(0).normal<float>({n}), noise.fork(1).normal<float>({n})) < 4);
  CHECK(correlation(z, Noise{2}.normal<float>({n})) < 4);
  CHECK(correlation(z, noise.uniform<float>({n})) < 4);
  CHECK(noise.bits(3) != noise.fork(3).key());

  double first = 0;  // element 0 of many forks is a sample, too
  for (std::uint64_t i = 0; i < 4096; ++i) {
    float one[1];
    noise.fork(i).normal(one);
    first += static_cast<double>(one[0]);
  }
  CHECK(std::abs(first) / 64 < 4);
}

TEST_CASE("below: in range, equally likely", "[core][noise]") {
  const Noise noise{3};
  for (Index n : {1, 2, 7, 10}) {
    std::vector<Index> seen(static_cast<std::size_t>(n));
    for (std::uint64_t i = 0; i < 20000; ++i) ++seen.at(static_cast<std::size_t>(noise.below(n, i)));
    CHECK(chi_squared(seen, 20000.0 / static_cast<double>(n)) < chi_bound(static_cast<double>(n - 1)));
  }
  const Index huge = std::numeric_limits<Index>::max();
  double mean = 0;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    const Index x = noise.below(huge, i);
    REQUIRE((x >= 0 && x < huge));
    mean += static_cast<double>(x) / static_cast<double>(huge) / 4096;
  }
  CHECK(std::abs(mean - 0.5) < 4 * 0.2887 / 64);
  CHECK_THROWS_AS(noise.below(0), argument_error);
  CHECK_THROWS_AS(noise.below(-3), argument_error);
}

TEST_CASE("permutation: every element once, every order equally likely", "[core][noise]") {
  CHECK(Noise{1}.permutation(0).size() == 0);
  const Tensor<Index> big = Noise{1}.permutation(1000);
  std::vector<Index> times(1000);
  Index fixed = 0;
  for (Index i = 0; i < 1000; ++i) {
    ++times.at(static_cast<std::size_t>(big[i]));
    fixed += big[i] == i ? 1 : 0;
  }
  CHECK(times == std::vector<Index>(1000, 1));
  CHECK(fixed < 10);  // one expected
  std::vector<Index> orders(120);
  for (std::uint64_t i = 0; i < 24000; ++i) {
    const Tensor<Index> p = Noise{5}.fork(i).permutation(5);
    Index rank = 0;
    for (Index a = 0; a < 5; ++a) {
      Index smaller = 0;
      for (Index b = a + 1; b < 5; ++b) smaller += p[b] < p[a] ? 1 : 0;
      rank = rank * (5 - a) + smaller;
    }
    ++orders.at(static_cast<std::size_t>(rank));
  }
  CHECK(chi_squared(orders, 200) < chi_bound(119));
  CHECK_THROWS_AS(Noise{1}.permutation(-1), argument_error);
}

TEST_CASE("categorical: as likely as the weights, never a weight of 0", "[core][noise]") {
  const float weights[] = {0.0f, 1.0f, 2.0f, 0.0f, 5.0f, 0.0f};
  const float nothing = -std::numeric_limits<float>::infinity();
  const float logits[] = {nothing, 100.0f, 100.0f + std::log(2.0f), nothing, 100.0f + std::log(5.0f), nothing};
  for (const bool by_logits : {false, true}) {
    std::vector<Index> seen(6);
    for (std::uint64_t i = 0; i < 40000; ++i) {
      const Index v = by_logits ? Noise{8}.categorical_logits(logits, i) : Noise{8}.categorical(weights, i);
      ++seen.at(static_cast<std::size_t>(v));
    }
    CHECK(seen[0] + seen[3] + seen[5] == 0);
    CHECK(chi_squared({seen[1]}, 5000) + chi_squared({seen[2]}, 10000) + chi_squared({seen[4]}, 25000) < chi_bound(2));
  }
  const auto rows = Tensor<float>::from({2, 2, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1});
  const Tensor<std::int32_t> chosen = Noise{8}.categorical(rows);
  CHECK(chosen.shape() == Shape{2, 2});
  CHECK(chosen[0] == 0);
  CHECK(chosen[1] == 1);
  CHECK(chosen[2] == 2);
  CHECK(chosen[3] == Noise{8}.categorical(rows.span().subspan(9), 3));
  CHECK(Noise{8}.categorical_logits(Tensor<float>::from({1, 2}, {0, 1000}))[0] == 1);

  const float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(Noise{1}.categorical(std::span<const float>{}), argument_error);
  for (const std::vector<float>& bad : {std::vector<float>{0, 0}, {1, -1}, {1, nan}, {infinite, 1}})
    CHECK_THROWS_AS(Noise{1}.categorical(bad), argument_error);
  for (const std::vector<float>& bad : {std::vector<float>{-infinite, -infinite}, {1, nan}, {nan, nan}, {infinite, 1}})
    CHECK_THROWS_AS(Noise{1}.categorical_logits(bad), argument_error);
  CHECK_THROWS_AS(Noise{1}.categorical(Tensor<float>::scalar(1)), shape_error);
}

TEST_CASE("bernoulli and unit", "[core][noise]") {
  const Tensor<std::uint8_t> coin = Noise{4}.bernoulli<std::uint8_t>({100, 1000}, 0.3);
  Index ones = 0;
  for (std::uint8_t c : coin.span()) ones += c;
  CHECK(std::abs(static_cast<double>(ones) - 30000) < 4 * std::sqrt(21000.0));
  CHECK(same_bytes(Noise{4}.bernoulli<float>({50}, 0.0), Tensor<float>({50}, 0.0f)));
  CHECK(same_bytes(Noise{4}.bernoulli<float>({50}, 1.0), Tensor<float>({50}, 1.0f)));
  CHECK_THROWS_AS(Noise{4}.bernoulli<float>({1}, 1.5), argument_error);
  CHECK_THROWS_AS(Noise{4}.bernoulli<float>({1}, std::nan("")), argument_error);
  double mean = 0;
  for (std::uint64_t i = 0; i < 4096; ++i) mean += Noise{4}.unit(i) / 4096;
  CHECK(std::abs(mean - 0.5) < 4 * 0.2887 / 64);
}

TEST_CASE("Rng is a stream that can be saved", "[core][noise]") {
  Rng rng{1};
  const Noise a = rng.next(), b = rng.next();
  CHECK(a != b);
  CHECK(a == Noise{1}.fork(0));
  Rng saved{Noise{rng.noise.key()}, rng.drawn};
  CHECK(saved == rng);
  CHECK(saved.next() == rng.next());
  CHECK(Rng{1} != Rng{2});
}
