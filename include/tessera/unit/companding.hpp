// Samples of sound as units: a sample in [-1, 1] becomes one of 2^bits levels and back.
//
//   linear   level = round((x + 1) / 2 (N - 1)),  N = 2^bits levels
//   mu-law   the same of F(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu),  mu = N - 1:  fine steps near 0, where the ear is
//            sharp and most samples are, coarse ones far out
//
// With 8 bits the mu-law levels are those of WaveNet (van den Oord et al., 2016, arXiv 1609.03499), which took the
// curve of ITU-T G.711 (1972) without its cutting into straight pieces. No level is exactly 0: silence is N / 2, half a
// step above it.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/tensor.hpp>
#include <vector>

namespace tessera {

enum class Companding { linear, mu_law };

class Compander {
 public:
  /// Throws argument_error unless 8 <= bits <= 16.
  explicit Compander(Companding law = Companding::mu_law, int bits = 8) : law_(law), bits_(bits) {
    if (bits < 8 || bits > 16) throw argument_error("Compander: " + std::to_string(bits) + " bits, wanted 8 to 16");
    top_ = static_cast<double>((1 << bits) - 1);
    scale_ = std::log1p(top_);
    values_.resize(static_cast<std::size_t>(levels()));
    for (int i = 0; i < levels(); ++i)
      values_[static_cast<std::size_t>(i)] = static_cast<float>(expanded(2 * i / top_ - 1));
  }

  Companding law() const { return law_; }
  int bits() const { return bits_; }
  int levels() const { return 1 << bits_; }
  /// The level of 0, which is what a recording starts from.
  std::int32_t silence() const { return levels() / 2; }

  /// Samples outside [-1, 1] are clamped; NaN becomes silence.
  std::int32_t encode(float sample) const {
    double x = static_cast<double>(sample);
    if (!(x == x)) return silence();
    x = x < -1 ? -1 : x > 1 ? 1 : x;
    if (law_ == Companding::mu_law) x = std::copysign(std::log1p(top_ * std::fabs(x)) / scale_, x);
    return static_cast<std::int32_t>((x + 1) / 2 * top_ + 0.5);
  }

  /// Throws argument_error for a level outside [0, levels()).
  float decode(std::int32_t level) const {
    if (level < 0 || level >= levels())
      throw argument_error("Compander: level " + std::to_string(level) + " is not in [0, " + std::to_string(levels()) +
                           ")");
    return values_[static_cast<std::size_t>(level)];
  }

  /// Samples of any shape.
  Tensor<std::int32_t> encode(const Tensor<float>& samples) const {
    Tensor<std::int32_t> levels(samples.shape());
    const float* from = samples.data();
    std::int32_t* to = levels.data();
    for (Index i = 0, n = samples.size(); i < n; ++i) to[i] = encode(from[i]);
    return levels;
  }
  Tensor<float> decode(const Tensor<std::int32_t>& levels) const {
    Tensor<float> samples(levels.shape());
    const std::int32_t* from = levels.data();
    float* to = samples.data();
    for (Index i = 0, n = levels.size(); i < n; ++i) to[i] = decode(from[i]);
    return samples;
  }

 private:
  double expanded(double y) const {
    return law_ == Companding::linear ? y : std::copysign(std::expm1(std::fabs(y) * scale_) / top_, y);
  }

  Companding law_;
  int bits_;
  double top_ = 0, scale_ = 0;  // mu, which is also the highest level; ln(1 + mu)
  std::vector<float> values_;   // of each level
};

}  // namespace tessera
