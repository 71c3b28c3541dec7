// What is in a sound, over time and frequency: the short-time Fourier transform, its power, mel bands, and a picture.
//
//   const auto bands = mel_bands(power(stft(samples)), {.rate = 16000});     // [frames, 80]
//   write_png("voice.png", spectrogram_picture(bands));
//
//   S[m, k] = sum_t w[t] x[m hop + t - size / 2] exp(-2 pi i k t / size),   w Hann's window: frame m is centred on
//   sample m hop, and x is 0 beyond its ends
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <string>
#include <tessera/core/tensor.hpp>
#include <tessera/unit/fourier.hpp>
#include <vector>

namespace tessera {

struct StftOptions {
  Index size = 1024;  // samples a frame, a power of two
  Index hop = 256;    // samples from one frame to the next
};

/// Complex values of frames over bins, and what is needed to go back.
struct Stft {
  std::vector<std::complex<float>> values;  // [frames, bins]
  Index frames = 0, bins = 0, samples = 0;
  StftOptions options;
};

namespace unit_detail {

/// Hann's window with period `size`: copies size / 2 apart add up to 1.
inline std::vector<float> hann(Index size) {
  std::vector<float> window(static_cast<std::size_t>(size));
  for (Index t = 0; t < size; ++t)
    window[static_cast<std::size_t>(t)] = static_cast<float>(
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(t) / static_cast<double>(size)));
  return window;
}

inline void check_stft(const StftOptions& o) {
  if (o.hop < 1 || o.hop > o.size)
    throw argument_error("stft: a hop of 1 to " + std::to_string(o.size) + " samples wanted, found " +
                         std::to_string(o.hop));
}

}  // namespace unit_detail

/// Sound [T] -> 1 + T / hop frames of size / 2 + 1 bins. Throws shape_error, argument_error.
inline Stft stft(const Tensor<float>& sound, const StftOptions& options = {}) {
  if (sound.rank() != 1) throw shape_error("stft: sound [T] wanted, shape is " + sound.shape().to_string());
  unit_detail::check_stft(options);
  RealFourier fourier(options.size);
  const auto window = unit_detail::hann(options.size);
  const Index length = sound.size(), bins = fourier.bins(), frames = 1 + length / options.hop;
  Stft s{std::vector<std::complex<float>>(static_cast<std::size_t>(frames * bins)), frames, bins, length, options};
  std::vector<float> frame(window.size());
  for (Index m = 0; m < frames; ++m) {
    for (Index t = 0; t < options.size; ++t) {
      const Index at = m * options.hop + t - options.size / 2;
      const auto i = static_cast<std::size_t>(t);
      frame[i] = at < 0 || at >= length ? 0.0F : sound[at] * window[i];
    }
    fourier.forward(frame,
                    std::span(s.values).subspan(static_cast<std::size_t>(m * bins), static_cast<std::size_t>(bins)));
  }
  return s;
}

/// The sound whose frames these are: overlapping frames are added under the window and divided by its square's sum
/// (Griffin and Lim, 1984, "Signal estimation from modified short-time Fourier transform"), which is the inverse where
/// the frames come from a sound and the nearest one, in least squares, where they do not.
inline Tensor<float> inverse_stft(const Stft& s) {
  RealFourier fourier(s.options.size);
  const auto window = unit_detail::hann(s.options.size);
  Tensor<float> sound(Shape{s.samples}, 0.0F), weight(Shape{s.samples}, 0.0F);
  float* to = sound.data();
  float* sum = weight.data();
  std::vector<float> frame(window.size());
  for (Index m = 0; m < s.frames; ++m) {
    fourier.inverse(std::span(s.values).subspan(static_cast<std::size_t>(m * s.bins), static_cast<std::size_t>(s.bins)),
                    frame);
    for (Index t = 0; t < s.options.size; ++t) {
      const Index at = m * s.options.hop + t - s.options.size / 2;
      if (at < 0 || at >= s.samples) continue;
      const auto i = static_cast<std::size_t>(t);
      to[at] += window[i] * frame[i];
      sum[at] += window[i] * window[i];
    }
  }
  for (Index t = 0; t < s.samples; ++t) to[t] = sum[t] > 1e-8F ? to[t] / sum[t] : 0.0F;
  return sound;
}

/// |S|^2, [frames, bins].
inline Tensor<float> power(const Stft& s) {
  Tensor<float> p(Shape{s.frames, s.bins});
  float* to = p.data();
  for (std::size_t i = 0; i < s.values.size(); ++i) to[i] = std::norm(s.values[i]);
  return p;
}

struct MelOptions {
  Index rate = 16000;  // Hz
  Index bands = 80;
  double low = 0;   // Hz
  double high = 0;  // Hz; 0: half the rate
};

/// The mel scale in its common form, 2595 log10(1 + f / 700) (O'Shaughnessy, 1987, "Speech Communication").
inline double mel_from_hertz(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
inline double hertz_from_mel(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

/// Triangles of height 1 with their corners evenly spaced in mel, each from its left neighbour's top to its right
/// neighbour's. [bands, bins]. Throws argument_error.
inline Tensor<float> mel_filters(Index bins, const MelOptions& o) {
  const double nyquist = static_cast<double>(o.rate) / 2, high = o.high == 0 ? nyquist : o.high;
  if (bins < 2 || o.bands < 1 || o.rate < 1 || !(o.low >= 0 && o.low < high && high <= nyquist))
    throw argument_error("mel_filters: at least 2 bins, 1 band and 0 <= low < high <= rate / 2 wanted, found " +
                         std::to_string(bins) + " bins, " + std::to_string(o.bands) + " bands, " +
                         std::to_string(o.low) + " to " + std::to_string(high) + " Hz at rate " +
                         std::to_string(o.rate));
  const double bottom = mel_from_hertz(o.low),
               step = (mel_from_hertz(high) - bottom) / static_cast<double>(o.bands + 1);
  Tensor<float> filters(Shape{o.bands, bins});
  float* to = filters.data();
  for (Index b = 0; b < o.bands; ++b) {
    const double left = hertz_from_mel(bottom + step * static_cast<double>(b)),
                 top = hertz_from_mel(bottom + step * static_cast<double>(b + 1)),
                 right = hertz_from_mel(bottom + step * static_cast<double>(b + 2));
    for (Index k = 0; k < bins; ++k) {
      const double f = nyquist * static_cast<double>(k) / static_cast<double>(bins - 1);
      const double height = f <= top ? (f - left) / (top - left) : (right - f) / (right - top);
      *to++ = static_cast<float>(height > 0 ? height : 0);
    }
  }
  return filters;
}

/// Power [frames, bins] -> power in each band, [frames, bands].
inline Tensor<float> mel_bands(const Tensor<float>& power, const MelOptions& o) {
  if (power.rank() != 2) throw shape_error("mel_bands: [frames, bins] wanted, shape is " + power.shape().to_string());
  const Index frames = power.extent(0), bins = power.extent(1);
  const Tensor<float> filters = mel_filters(bins, o);
  Tensor<float> bands(Shape{frames, o.bands});
  float* to = bands.data();
  for (Index b = 0; b < o.bands; ++b) {
    const float* filter = filters.data() + b * bins;
    Index first = 0, last = bins;  // most of a filter is 0
    while (first < last && filter[first] == 0) ++first;
    while (last > first && filter[last - 1] == 0) --last;
    for (Index m = 0; m < frames; ++m) {
      float sum = 0;
      for (Index k = first; k < last; ++k) sum += filter[k] * power[m * bins + k];
      to[m * o.bands + b] = sum;
    }
  }
  return bands;
}

/// 10 log10 of power, at least `range` below the largest: what is printed as decibel. [..., n] -> the same shape.
inline Tensor<float> decibels(const Tensor<float>& power, double range = 80) {
  Tensor<float> db(power.shape());
  float* to = db.data();
  double top = -1e30;
  for (Index i = 0; i < power.size(); ++i) {
    const double level = 10 * std::log10(static_cast<double>(power[i]) + 1e-20);
    to[i] = static_cast<float>(level);
    top = level > top ? level : top;
  }
  for (Index i = 0; i < power.size(); ++i) to[i] = to[i] < top - range ? static_cast<float>(top - range) : to[i];
  return db;
}

struct SpectrogramPicture {
  double range = 80;  // decibel from black to white
  int scale = 1;      // pixels a frame and a bin, each way
};

/// Power [frames, bins] as a picture [H, W, 3]: time to the right, frequency upwards, black through violet and orange
/// to white for what is 80 dB down to what is loudest.
inline Tensor<std::uint8_t> spectrogram_picture(const Tensor<float>& power, const SpectrogramPicture& o = {}) {
  if (power.rank() != 2 || power.size() == 0)
    throw shape_error("spectrogram_picture: [frames, bins] wanted, shape is " + power.shape().to_string());
  if (o.scale < 1 || o.scale > 64 || !(o.range > 0))
    throw argument_error("spectrogram_picture: a scale of 1 to 64 and a range above 0 dB wanted");
  const Index frames = power.extent(0), bins = power.extent(1);
  const Tensor<float> db = decibels(power, o.range);
  float top = db[0];
  for (Index i = 0; i < db.size(); ++i) top = db[i] > top ? db[i] : top;
  // Evenly rising lightness, so that grey prints keep the order.
  constexpr float ramp[6][3] = {{0, 0, 0},     {60, 15, 110},  {150, 35, 125},
                                {235, 80, 80}, {253, 170, 90}, {255, 253, 215}};
  Tensor<std::uint8_t> picture(Shape{bins * o.scale, frames * o.scale, 3});
  std::uint8_t* to = picture.data();
  for (Index y = 0; y < bins * o.scale; ++y) {
    for (Index x = 0; x < frames * o.scale; ++x) {
      const float level = db[x / o.scale * bins + (bins - 1 - y / o.scale)];
      float place = 5 * (1 + (level - top) / static_cast<float>(o.range));
      place = place < 0 ? 0 : place > 5 ? 5 : place;
      const int below = place >= 5 ? 4 : static_cast<int>(place);
      for (int c = 0; c < 3; ++c) {
        const float a = ramp[below][c], b = ramp[below + 1][c];
        *to++ = static_cast<std::uint8_t>(a + (b - a) * (place - static_cast<float>(below)) + 0.5F);
      }
    }
  }
  return picture;
}

}  // namespace tessera
