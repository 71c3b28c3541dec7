// Batch normalisation (Ioffe and Szegedy, 2015, arXiv 1502.03167) over all axes but the last.
//
// Training uses the batch's own mean and variance and moves the running ones towards them; evaluation uses the running ones.
// A call says which: norm.train(x, statistics) or norm(x). What is learned by looking is handed back in `BatchStatistics`, because
// a forward pass never changes a module; `norm.update(statistics)` does, after the step.
#pragma once

#include <tessera/autodiff/op/norm.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct BatchStatistics {
  Tensor<T> mean, variance;  // [channels]; the variance is divided by n - 1, as an estimate should be
};

template <class T>
struct BatchNorm {
  struct Config {
    Index channels = 1;
    double epsilon = 1e-5;
    double momentum = 0.1;  // share of the newest batch in the running statistics
  };

  Parameter<T> weight, bias;                 // [channels]
  Buffer<T> running_mean, running_variance;  // [channels]
  double epsilon, momentum;

  explicit BatchNorm(Config c)
      : weight{init::ones<T>({c.channels})},
        bias{init::zeros<T>({c.channels})},
        running_mean{init::zeros<T>({c.channels})},
        running_variance{init::ones<T>({c.channels})},
        epsilon(c.epsilon),
        momentum(c.momentum) {}

  /// Evaluation: by the running statistics.
  template <Value X>
  X operator()(const X& x) const {
    check(x);
    const Tensor<T> scale = rsqrt(running_variance.value + static_cast<T>(epsilon));
    return (x - running_mean.value) * (lift(x, weight) * scale) + lift(x, bias);
  }
  /// Training: by the batch's, which are returned in `seen`.
  template <Value X>
  X train(const X& x, BatchStatistics<T>& seen) const {
    check(x);
    const Index c = x.cols(), n = x.size() / c;
    if (n < 2)
      throw shape_error("BatchNorm: at least two values a channel are needed to train, shape is " +
                        x.shape().to_string());
    BatchMoments<T> moments;
    const X y = batch_norm(x, lift(x, weight), lift(x, bias), epsilon, &moments);
    seen.mean = moments.mean;
    seen.variance = moments.variance * (static_cast<T>(n) / static_cast<T>(n - 1));
    return y;
  }
  void update(const BatchStatistics<T>& seen) {
    const T a = static_cast<T>(momentum);
    running_mean.value = running_mean.value * (1 - a) + seen.mean * a;
    running_variance.value = running_variance.value * (1 - a) + seen.variance * a;
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
    see("running_mean", self.running_mean);
    see("running_variance", self.running_variance);
  }

 private:
  template <Value X>
  void check(const X& x) const {
    if (x.rank() < 2 || x.cols() != weight.value.size())
      throw shape_error("BatchNorm: the last axis of " + x.shape().to_string() + " is not " +
                        std::to_string(weight.value.size()) + " channels");
  }
};

}  // namespace tessera::inline TESSERA_ISA
