// Flow matching (Lipman et al., 2022, arXiv 2210.02747; rectified flow: Liu et al., 2022, arXiv 2209.03003): on the straight
// path x_t = (1 - t) x_0 + t e a network learns the velocity e - x_0, by plain mean squared error.
//
// Times are drawn as t = 1 / (1 + exp(-(m + s n))), n normal (logit-normal: Esser et al., 2024, arXiv 2403.03206); m > 0 spends
// more of the training near the noise, where it is decided what the picture is of.
#pragma once

#include <cmath>
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

struct TimeDraw {
  double mean = 0, deviation = 1;  // of logit(t)
};

template <std::floating_point T>
struct FlowMatchingBatch {
  Tensor<T> x;         // [B, ...] on the path
  Tensor<T> t;         // [B]
  Tensor<T> velocity;  // [B, ...] to be predicted
};

/// Item i draws from noise.fork(i): a batch is made of the same items however it is cut.
template <std::floating_point T>
FlowMatchingBatch<T> flow_matching_batch(const Tensor<T>& clean, const Noise& noise, TimeDraw draw = {}) {
  const Index count = clean.extent(0), each = count == 0 ? 0 : clean.size() / count;
  FlowMatchingBatch<T> batch{Tensor<T>(clean.shape()), Tensor<T>(Shape{count}), Tensor<T>(clean.shape())};
  T *x = batch.x.data(), *t = batch.t.data(), *v = batch.velocity.data();
  const T* from = clean.data();
  using P = kernel::Pack<T>;
  for (Index i = 0; i < count; ++i) {
    const Noise item = noise.fork(static_cast<std::uint64_t>(i));
    float n = 0;
    item.fork(1).normal(std::span<float>(&n, 1));
    const T at = static_cast<T>(1 / (1 + std::exp(-(draw.mean + draw.deviation * static_cast<double>(n)))));
    t[i] = at;
    const std::span<T> e(v + i * each, static_cast<std::size_t>(each));
    item.normal(e);
    const T* c = from + i * each;
    kernel::zip(each, c, e.data(), x + i * each, [at](P x0, P noise_) { return fma(P(at), noise_ - x0, x0); });
    kernel::zip(each, e.data(), c, e.data(), [](P noise_, P x0) { return noise_ - x0; });
  }
  return batch;
}

}  // namespace tessera::inline TESSERA_ISA
