// Initial values by their usual names. fan_in and fan_out are the numbers of inputs an output sees and outputs an input feeds.
//
//   lecun_normal     deviation sqrt(1 / fan_in)
//   xavier_uniform   +- sqrt(6 / (fan_in + fan_out))         Glorot and Bengio, 2010
//   kaiming_normal   deviation sqrt(2 / fan_in)              He et al., 2015, arXiv 1502.01852
//   kaiming_uniform  +- gain sqrt(3 / fan_in)                the same; gain 1/sqrt(3) gives the default of common frameworks
//   truncated_normal deviation sigma, cut at 2 sigma
#pragma once

#include <cmath>
#include <tessera/autodiff/value.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA::init {

template <class T>
Tensor<T> zeros(const Shape& shape) {
  return Tensor<T>(shape, T(0));
}
template <class T>
Tensor<T> ones(const Shape& shape) {
  return Tensor<T>(shape, T(1));
}
/// Normal numbers of deviation sigma. Drawn in float whatever T is, so that double and float modules start alike.
template <class T>
Tensor<T> normal(const Shape& shape, double sigma, Rng& rng) {
  Tensor<float> draw(shape);
  rng.next().normal(draw.span());
  Tensor<T> t(shape);
  T* to = t.data();
  for (Index i = 0, n = t.size(); i < n; ++i)
    to[i] = static_cast<T>(sigma * static_cast<double>(std::as_const(draw).data()[i]));
  return t;
}
/// Uniform in [-bound, bound).
template <class T>
Tensor<T> uniform(const Shape& shape, double bound, Rng& rng) {
  Tensor<float> draw(shape);
  rng.next().uniform(draw.span());
  Tensor<T> t(shape);
  T* to = t.data();
  for (Index i = 0, n = t.size(); i < n; ++i)
    to[i] = static_cast<T>(bound * (2.0 * static_cast<double>(std::as_const(draw).data()[i]) - 1.0));
  return t;
}
template <class T>
Tensor<T> lecun_normal(const Shape& shape, Index fan_in, Rng& rng) {
  return normal<T>(shape, std::sqrt(1.0 / static_cast<double>(fan_in)), rng);
}
template <class T>
Tensor<T> xavier_uniform(const Shape& shape, Index fan_in, Index fan_out, Rng& rng) {
  return uniform<T>(shape, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)), rng);
}
template <class T>
Tensor<T> kaiming_normal(const Shape& shape, Index fan_in, Rng& rng) {
  return normal<T>(shape, std::sqrt(2.0 / static_cast<double>(fan_in)), rng);
}
template <class T>
Tensor<T> kaiming_uniform(const Shape& shape, Index fan_in, Rng& rng, double gain = 0.57735026918962573) {
  return uniform<T>(shape, gain * std::sqrt(3.0 / static_cast<double>(fan_in)), rng);
}
/// Draws beyond 2 sigma are folded back by drawing again (up to 8 times, then cut).
template <class T>
Tensor<T> truncated_normal(const Shape& shape, double sigma, Rng& rng) {
  Tensor<T> t = normal<T>(shape, sigma, rng);
  for (int round = 0; round < 8; ++round) {
    const Tensor<T> again = normal<T>(shape, sigma, rng);
    T* to = t.data();
    for (Index i = 0, n = t.size(); i < n; ++i) {
      if (!(std::abs(to[i]) <= static_cast<T>(2 * sigma))) to[i] = again[i];
    }
  }
  T* to = t.data();
  const T top = static_cast<T>(2 * sigma);
  for (Index i = 0, n = t.size(); i < n; ++i) to[i] = to[i] > top ? top : to[i] < -top ? -top : to[i];
  return t;
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> normal<float>(const Shape&, double, Rng&);
TESSERA_INSTANCE template Tensor<float> uniform<float>(const Shape&, double, Rng&);
#endif

}  // namespace tessera::inline TESSERA_ISA::init
