// Dropout (Srivastava et al., 2014): each element is 0 with probability p, else x / (1 - p). The noise is a value passed in, so
// the same noise drops the same elements. dx = dy times the same mask.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

/// Throws argument_error unless 0 <= p < 1.
template <Value X>
X dropout(const X& x, double p, const Noise& noise) {
  if (!(p >= 0 && p < 1)) throw argument_error("dropout: probability " + std::to_string(p) + " is not in [0, 1)");
  if (p == 0) return x;
  using T = ScalarOf<X>;
  Tensor<float> u(x.shape());
  noise.uniform(u.span());
  Tensor<T> mask(x.shape());
  const float threshold = static_cast<float>(p);
  const T kept = static_cast<T>(1 / (1 - p));
  const float* from = std::as_const(u).data();
  T* to = mask.data();
  for (Index i = 0, n = mask.size(); i < n; ++i) to[i] = from[i] < threshold ? T(0) : kept;
  return x * mask;
}

}  // namespace tessera::inline TESSERA_ISA
