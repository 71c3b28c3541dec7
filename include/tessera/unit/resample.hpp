// Sound at another rate: 8, 16, 22.05, 44.1, 48 kHz, or any other ratio of whole numbers.
//
//   y[n] = sum_k x[k] h(n from / to - k)        h(t) = 2 f sinc(2 f t) kaiser(t / half)
//
// A windowed sinc (Kaiser's window: Kaiser and Schafer, 1980, "On the use of the I0-sinh window for spectrum
// analysis"). The stop band begins at the Nyquist frequency of the lower rate, so nothing folds back; the pass band
// ends at `pass_band` of it. The attenuation and the width of that gap give the window's shape and the filter's length.
// y has no delay: y[0] lies on x[0], and beyond its ends x is 0.
//
// With to / from = L / M in lowest terms only L different sets of taps occur (a polyphase filter): a Resampler keeps
// them.
#pragma once

#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/reduce.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct ResampleOptions {
  double pass_band = 0.9;  // of the lower rate's Nyquist frequency, in (0, 1): what is kept to 0.001 dB
  double stop_band = 100;  // dB down beyond the Nyquist frequency, 30 to 140
};

namespace detail {

/// I0(x), the modified Bessel function of the first kind, by its power series.
inline double bessel_i0(double x) {
  double term = 1, sum = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) sum += term *= (x / 2) * (x / 2) / (static_cast<double>(k) * k);
  return sum;
}

/// The continuous filter h(t), t in samples of the input.
struct KaiserSinc {
  double cut = 0;   // twice its middle frequency, cycles a sample
  double half = 0;  // it is 0 where |t| >= half
  double beta = 0;
  double top = 1;  // I0(beta)

  /// `ratio` of the rates, to / from.
  KaiserSinc(double ratio, const ResampleOptions& o) {
    const double nyquist = ratio < 1 ? ratio : 1;  // the lower rate's, in units of the input's
    const double gap = nyquist * (1 - o.pass_band);
    cut = nyquist * (1 + o.pass_band) / 2;
    half = (o.stop_band - 7.95) / (2.285 * std::numbers::pi * gap) / 2;
    beta = o.stop_band > 50 ? 0.1102 * (o.stop_band - 8.7)
                            : 0.5842 * std::pow(o.stop_band - 21, 0.4) + 0.07886 * (o.stop_band - 21);
    top = bessel_i0(beta);
  }
  double operator()(double t) const {
    const double u = t / half;
    if (u <= -1 || u >= 1) return 0;
    const double a = std::numbers::pi * cut * t;
    const double sinc = std::fabs(a) < 1e-9 ? 1 : std::sin(a) / a;
    return cut * sinc * bessel_i0(beta * std::sqrt(1 - u * u)) / top;
  }
};

}  // namespace detail

/// The filter from one rate to another, kept for many sounds. One for each thread.
class Resampler {
 public:
  /// Throws argument_error for rates or options out of range.
  Resampler(Index from, Index to, const ResampleOptions& o = {})
      : up_((check(from, to, o), to / std::gcd(from, to))),
        down_(from / std::gcd(from, to)),
        filter_(static_cast<double>(up_) / static_cast<double>(down_), o),
        reach_(static_cast<Index>(std::ceil(filter_.half))),
        kept_(up_ <= 4096),
        rows_(Shape{kept_ ? up_ : 1, taps()}) {
    for (Index phase = 0; kept_ && phase < up_; ++phase) fill(phase, rows_.data() + phase * taps());
  }

  /// Sound [T] or [T, C] -> ceil(T to / from) samples. Throws shape_error.
  Tensor<float> operator()(const Tensor<float>& sound) {
    if (sound.rank() != 1 && sound.rank() != 2)
      throw shape_error("resample: sound [T] or [T, C] wanted, shape is " + sound.shape().to_string());
    if (up_ == down_) return sound;
    const Index length = sound.extent(0), channels = sound.rank() == 2 ? sound.extent(1) : 1;
    Index scaled = 0;
    if (__builtin_mul_overflow(length, up_, &scaled))
      throw argument_error("resample: " + std::to_string(length) + " samples are too many for this ratio of rates");
    const Index made = (scaled + down_ - 1) / down_;
    Tensor<float> result(sound.shape().with(0, made));
    float* y = result.data();
    float* rows = rows_.data();
    std::vector<float> padded(static_cast<std::size_t>(length + 2 * taps()));  // one channel between zeros
    for (Index c = 0; c < channels; ++c) {
      const float* x = sound.data() + c;
      for (Index t = 0; t < length; ++t) padded[static_cast<std::size_t>(taps() + t)] = x[t * channels];
      for (Index n = 0; n < made; ++n) {
        const Index phase = n * down_ % up_, first = n * down_ / up_ - reach_ + 1;
        if (!kept_) fill(phase, rows);
        y[n * channels + c] =
            kernel::dot<float>(taps(), rows + (kept_ ? phase * taps() : 0), padded.data() + taps() + first);
      }
    }
    return result;
  }

 private:
  static void check(Index from, Index to, const ResampleOptions& o) {
    constexpr Index highest = 10'000'000;
    if (from < 1 || to < 1 || from > highest || to > highest)
      throw argument_error("resample: rates are 1 to 10,000,000 Hz, found " + std::to_string(from) + " and " +
                           std::to_string(to));
    if (!(o.pass_band > 0 && o.pass_band <= 0.995) || !(o.stop_band >= 30 && o.stop_band <= 140))
      throw argument_error("resample: a pass band in (0, 0.995] and a stop band of 30 to 140 dB wanted, found " +
                           std::to_string(o.pass_band) + " and " + std::to_string(o.stop_band));
  }

  Index taps() const { return 2 * reach_; }
  /// Taps for an output that lies phase / up of a sample behind input k: of inputs k - reach + 1 ... k + reach.
  void fill(Index phase, float* row) {
    const double part = static_cast<double>(phase) / static_cast<double>(up_);
    exact_.resize(static_cast<std::size_t>(taps()));
    double sum = 0;
    for (Index i = 0; i < taps(); ++i)
      sum += exact_[static_cast<std::size_t>(i)] = filter_(part - static_cast<double>(i - reach_ + 1));
    for (Index i = 0; i < taps(); ++i)  // a constant stays that constant, whatever the phase
      row[i] = static_cast<float>(exact_[static_cast<std::size_t>(i)] / sum);
  }

  Index up_, down_;
  detail::KaiserSinc filter_;
  Index reach_;
  bool kept_;           // odd ratios have more phases than would pay: these are computed where they are met
  Tensor<float> rows_;  // [up or 1, taps]
  std::vector<double> exact_;
};

/// Sound [T] or [T, C] at rate `from` as sound of ceil(T to / from) samples at rate `to`. Throws shape_error, or
/// argument_error for rates or options out of range.
inline Tensor<float> resample(const Tensor<float>& sound, Index from, Index to, const ResampleOptions& o = {}) {
  return Resampler(from, to, o)(sound);
}

}  // namespace tessera::inline TESSERA_ISA
