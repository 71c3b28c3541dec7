// Noise: randomness as a value. A Noise is a 64-bit key of Philox4x32-10 (kernel/philox.hpp); asking it twice gives
// the same numbers, and `fork(i)` gives as many unrelated ones as are wanted: item i of a batch takes fork(i), step t
// fork(t). So the same seed gives the same object whatever the batch size, thread count, preview or order of
// evaluation.
//
//     const Noise noise{42};
//     auto z = noise.fork(0).normal<float>({4, 32, 32, 3});
//
// Element i of a fill depends on (key, i) alone: on every instruction set, with every compiler, the same bytes. Draws
// of different kinds under one key (uniform, normal, below, ...) are unrelated too.
//
// Noise and Rng are types of plain `tessera`, so functions that take them link across translation units built with
// other flags. Only the two fills depend on the instruction set: they are templates over its width, hence one
// instance for each.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/philox.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// A whole fill in blocks of 32,768 elements (about 40 us with AVX2). A double is its float, converted.
template <class Fill, class T>
void philox_fill(std::span<T> out, std::uint32_t use, std::uint64_t key) {
  constexpr Index block = 512 * philox_unit;
  parallel_for(static_cast<Index>(out.size()), block, [=](Index begin, Index end) {
    if constexpr (std::is_same_v<T, float>) {
      philox_fill<Fill>(out.data() + begin, end - begin, begin / philox_unit, use, key);
    } else {
      float part[philox_unit];
      for (Index i = begin; i < end; i += philox_unit) {
        const Index n = end - i < philox_unit ? end - i : philox_unit;
        philox_fill<Fill>(part, n, i / philox_unit, use, key);
        for (Index j = 0; j < n; ++j) out[static_cast<std::size_t>(i + j)] = static_cast<T>(part[j]);
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel

namespace tessera {

class Noise {
 public:
  constexpr explicit Noise(std::uint64_t seed) : key_(seed) {}

  /// All there is to save: `Noise{n.key()} == n`.
  constexpr std::uint64_t key() const { return key_; }
  friend constexpr bool operator==(const Noise&, const Noise&) = default;

  /// Noise unrelated to this one and to every other fork of it.
  constexpr Noise fork(std::uint64_t i) const { return Noise(words(i, Use::fork)); }

  // ---- one number: draw i of its kind

  /// 64 random bits.
  constexpr std::uint64_t bits(std::uint64_t i = 0) const { return words(i, Use::bits); }

  /// [0, 1), 53 bits.
  constexpr double unit(std::uint64_t i = 0) const { return static_cast<double>(words(i, Use::unit) >> 11) * 0x1p-53; }

  /// 0, ..., n - 1, equally likely (Lemire, 2019, arXiv 1805.10941). Throws argument_error when n < 1.
  constexpr Index below(Index n, std::uint64_t i = 0) const {
    if (n < 1) throw argument_error("below: a number under " + std::to_string(n) + " asked for, wanted at least 1");
    const auto range = static_cast<std::uint64_t>(n);
    const std::uint64_t surplus = (0 - range) % range;  // of 2^64 bit patterns, so many must be drawn again to be fair
    for (std::uint32_t attempt = 0;; ++attempt) {
      const Wide128 product = static_cast<Wide128>(words(i, Use::below, attempt)) * range;
      if (static_cast<std::uint64_t>(product) >= surplus) return static_cast<Index>(product >> 64);
    }
  }

  /// Index v with probability weights[v] / sum. Throws argument_error for a negative or non-finite weight, or a sum of
  /// 0.
  Index categorical(std::span<const float> weights, std::uint64_t i = 0) const {
    return choose(weights, i, [](float w) { return static_cast<double>(w); });
  }

  /// Index v with probability proportional to exp(logits[v]). Throws argument_error for NaN or +inf, or when all are
  /// -inf.
  Index categorical_logits(std::span<const float> logits, std::uint64_t i = 0) const {
    float top = -INFINITY;
    for (float x : logits) top = x > top ? x : top;
    if (top == -INFINITY) top = 0;
    const double shift = static_cast<double>(top);
    return choose(logits, i, [shift](float x) { return std::exp(static_cast<double>(x) - shift); });
  }

  // ---- many numbers

  /// [0, 1), 24 bits.
  template <int Width = kernel::native_width>
  void uniform(std::span<float> out) const {
    kernel::philox_fill<kernel::UniformFill>(out, static_cast<std::uint32_t>(Use::uniform), key_);
  }
  template <int Width = kernel::native_width>
  void uniform(std::span<double> out) const {
    kernel::philox_fill<kernel::UniformFill>(out, static_cast<std::uint32_t>(Use::uniform), key_);
  }
  template <class T, int Width = kernel::native_width>
  Tensor<T> uniform(const Shape& shape) const {
    Tensor<T> t(shape);
    uniform<Width>(t.span());
    return t;
  }

  /// Mean 0, deviation 1.
  template <int Width = kernel::native_width>
  void normal(std::span<float> out) const {
    kernel::philox_fill<kernel::NormalFill>(out, static_cast<std::uint32_t>(Use::normal), key_);
  }
  template <int Width = kernel::native_width>
  void normal(std::span<double> out) const {
    kernel::philox_fill<kernel::NormalFill>(out, static_cast<std::uint32_t>(Use::normal), key_);
  }
  template <class T, int Width = kernel::native_width>
  Tensor<T> normal(const Shape& shape) const {
    Tensor<T> t(shape);
    normal<Width>(t.span());
    return t;
  }

  /// 1 with probability p, else 0. Throws argument_error unless 0 <= p <= 1.
  template <class T, int Width = kernel::native_width>
  Tensor<T> bernoulli(const Shape& shape, double p) const {
    if (!(p >= 0 && p <= 1))
      throw argument_error("bernoulli: probability " + std::to_string(p) + ", wanted one from 0 to 1");
    const Tensor<float> u = uniform<float, Width>(shape);
    Tensor<T> t(shape);
    T* to = t.data();
    for (Index i = 0, n = t.size(); i < n; ++i) to[i] = static_cast<double>(u[i]) < p ? T(1) : T(0);
    return t;
  }

  /// One index a row: row r of the last axis is draw r. [..., V] -> [...].
  Tensor<std::int32_t> categorical(const Tensor<float>& weights) const {
    return rows(weights, [this](auto row, std::uint64_t r) { return categorical(row, r); });
  }
  Tensor<std::int32_t> categorical_logits(const Tensor<float>& logits) const {
    return rows(logits, [this](auto row, std::uint64_t r) { return categorical_logits(row, r); });
  }

  /// 0, ..., n - 1 in an order drawn from all n! (Fisher and Yates). Throws argument_error when n < 0.
  Tensor<Index> permutation(Index n) const {
    if (n < 0) throw argument_error("permutation: " + std::to_string(n) + " elements asked for, wanted at least 0");
    Tensor<Index> order(Shape{n});
    Index* p = order.data();
    for (Index i = 0; i < n; ++i) {
      const Index j = below(i + 1, static_cast<std::uint64_t>(i));  // inside-out: element i swaps with one up to itself
      if (j < i) p[i] = p[j];
      p[j] = i;
    }
    return order;
  }

 private:
  __extension__ typedef unsigned __int128 Wide128;
  enum class Use : std::uint32_t { uniform = 1, normal, fork, bits, unit, below, categorical };

  constexpr std::uint64_t words(std::uint64_t i, Use use, std::uint32_t attempt = 0) const {
    const Philox p(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), static_cast<std::uint32_t>(use),
                   attempt, key_);
    return p.word[0] | std::uint64_t{p.word[1]} << 32;
  }

  /// Where draw i falls in the cumulated weights. Sums in double, front to back: the same everywhere.
  template <class Weight>
  Index choose(std::span<const float> from, std::uint64_t i, const Weight& weight) const {
    double sum = 0;
    for (float x : from) {
      const double w = weight(x);
      if (!(w >= 0) || w == static_cast<double>(INFINITY))
        throw argument_error("categorical: element " + std::to_string(&x - from.data()) + " of " +
                             std::to_string(from.size()) + " is " + std::to_string(x) +
                             ", wanted finite weights, none negative");
      sum += w;
    }
    if (!(sum > 0))
      throw argument_error("categorical: all " + std::to_string(from.size()) + " weights are 0; wanted one above");
    const double mark = static_cast<double>(words(i, Use::categorical) >> 11) * 0x1p-53 * sum;
    double below_mark = 0;
    Index last = 0;
    for (std::size_t v = 0; v < from.size(); ++v) {
      const double w = weight(from[v]);
      if (w > 0)
        last = static_cast<Index>(v);  // rounding may leave the mark at the very end: never choose a weight of 0
      below_mark += w;
      if (below_mark > mark) return last;
    }
    return last;
  }

  template <class Choice>
  static Tensor<std::int32_t> rows(const Tensor<float>& from, const Choice& choice) {
    if (from.rank() == 0) throw shape_error("categorical: a scalar has no axis of classes");
    Tensor<std::int32_t> chosen(from.shape().without(-1));
    std::int32_t* to = chosen.data();
    const auto width = static_cast<std::size_t>(from.cols());
    for (Index r = 0, n = chosen.size(); r < n; ++r) {
      const std::span<const float> row = from.span().subspan(static_cast<std::size_t>(r) * width, width);
      to[r] = static_cast<std::int32_t>(choice(row, static_cast<std::uint64_t>(r)));
    }
    return chosen;
  }

  std::uint64_t key_;
};

/// A stream of Noises for what happens once and in order, such as initialising a network. Its two fields are its whole
/// state.
struct Rng {
  Noise noise;
  std::uint64_t drawn = 0;

  constexpr explicit Rng(std::uint64_t seed) : noise(seed) {}
  constexpr Rng(Noise from, std::uint64_t already_drawn) : noise(from), drawn(already_drawn) {}

  /// Another Noise at every call.
  constexpr Noise next() { return noise.fork(drawn++); }

  friend constexpr bool operator==(const Rng&, const Rng&) = default;
};

}  // namespace tessera
