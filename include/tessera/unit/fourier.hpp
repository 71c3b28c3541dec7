// The discrete Fourier transform of real signals whose length is a power of two.
//
//   X[k] = sum_t x[t] exp(-2 pi i k t / n),  k = 0 ... n / 2
//
// Cooley and Tukey (1965, "An algorithm for the machine calculation of complex Fourier series"), radix 2, on n / 2
// complex numbers made of neighbouring samples. Written here because spectrograms are all the library needs it for: 40
// lines do that at a hundred times real time, where FFTW and its like would be one more thing to link against.
#pragma once

#include <cmath>
#include <complex>
#include <numbers>
#include <span>
#include <string>
#include <tessera/core/error.hpp>
#include <tessera/core/index.hpp>
#include <utility>
#include <vector>

namespace tessera {

class RealFourier {
 public:
  using Complex = std::complex<float>;

  /// Throws argument_error unless n is a power of two from 4 to 2^24.
  explicit RealFourier(Index n) : half_(n / 2) {
    if (n < 4 || n > (Index{1} << 24) || (n & (n - 1)) != 0)
      throw argument_error("RealFourier: a power of two from 4 to 2^24 wanted, found " + std::to_string(n));
    for (Index k = 0; k <= half_; ++k) {
      const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
      turn_.emplace_back(static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)));
    }
    for (Index i = 0, j = 0; i < half_; ++i) {
      swapped_.push_back(j);  // i with its bits in reverse
      for (Index bit = half_ >> 1; (j ^= bit) < bit && bit > 0; bit >>= 1) {}
    }
    work_.resize(static_cast<std::size_t>(half_));
  }

  Index size() const { return 2 * half_; }
  Index bins() const { return half_ + 1; }

  /// x [n] -> X [n / 2 + 1]
  void forward(std::span<const float> x, std::span<Complex> spectrum) {
    check(x.size(), spectrum.size());
    for (Index i = 0; i < half_; ++i) {
      const auto t = static_cast<std::size_t>(2 * i);
      work_[at(swapped_[at(i)])] = {x[t], x[t + 1]};
    }
    butterflies();
    for (Index k = 0; k <= half_; ++k) {  // even and odd samples apart, then joined
      const Complex a = work_[at(k % half_)], b = std::conj(work_[at((half_ - k) % half_)]);
      const Complex even = (a + b) * 0.5F, odd = times_i(b - a) * 0.5F;
      spectrum[at(k)] = even + product(turn_[at(k)], odd);
    }
  }

  /// The inverse: X [n / 2 + 1] -> x [n]
  void inverse(std::span<const Complex> spectrum, std::span<float> x) {
    check(x.size(), spectrum.size());
    for (Index k = 0; k < half_; ++k) {
      const Complex a = spectrum[at(k)], b = std::conj(spectrum[at(half_ - k)]);
      const Complex even = (a + b) * 0.5F, odd = product(std::conj(turn_[at(k)]), a - b) * 0.5F;
      work_[at(swapped_[at(k)])] = std::conj(even + times_i(odd));  // conjugate in and out: the transform backwards
    }
    butterflies();
    const float scale = 1.0F / static_cast<float>(half_);
    for (Index i = 0; i < half_; ++i) {
      x[at(2 * i)] = work_[at(i)].real() * scale;
      x[at(2 * i + 1)] = -work_[at(i)].imag() * scale;
    }
  }

 private:
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  static Complex times_i(Complex z) { return {-z.imag(), z.real()}; }
  /// Without the tests for infinities that std::complex makes.
  static Complex product(Complex a, Complex b) {
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  }
  void check(std::size_t samples, std::size_t bins_given) const {
    if (samples != at(size()) || bins_given != at(bins()))
      throw shape_error("RealFourier: " + std::to_string(size()) + " samples and " + std::to_string(bins()) +
                        " bins wanted, found " + std::to_string(samples) + " and " + std::to_string(bins_given));
  }

  void butterflies() {
    for (Index length = 1; length < half_; length *= 2) {
      const Index stride = half_ / length;  // turn_ goes round in 2 half_ steps
      for (Index begin = 0; begin < half_; begin += 2 * length) {
        for (Index i = 0; i < length; ++i) {
          Complex& a = work_[at(begin + i)];
          Complex& b = work_[at(begin + i + length)];
          const Complex turned = product(turn_[at(i * stride)], b);
          b = a - turned;
          a += turned;
        }
      }
    }
  }

  Index half_;
  std::vector<Complex> turn_, work_;
  std::vector<Index> swapped_;
};

}  // namespace tessera
