// The gradients of a module's parameters, taken off a tape: in members() order, an empty tensor where there is none.
#pragma once

#include <cmath>
#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/reduce.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
class Gradients {
 public:
  Gradients() = default;

  /// Adds what the tape holds and takes it from there, so that no buffer is shared and copied later (gradient
  /// accumulation: call it for every part of a batch before a step).
  template <Module M>
  void add(const M& module, Tape<Tensor<T>>& tape) {
    std::size_t i = 0;
    for (const detail::Leaf& leaf : detail::leaves(module)) {
      if (!leaf.trained) continue;
      if (i == each_.size()) each_.emplace_back();
      if (Tensor<T> g = tape.take_gradient(leaf.parameter<T>())) accumulate(each_[i], std::move(g));
      ++i;
    }
  }
  void clear() { each_.clear(); }

  std::size_t size() const { return each_.size(); }
  const Tensor<T>& operator[](std::size_t i) const { return each_[i]; }
  Tensor<T>& operator[](std::size_t i) { return each_[i]; }

  /// Square root of the sum of squares of all of them.
  double norm() const {
    double s = 0;
    for (const Tensor<T>& g : each_) {
      if (g) s += static_cast<double>(kernel::dot(g.size(), g.data(), g.data()));
    }
    return std::sqrt(s);
  }
  void scale(double factor) {
    for (Tensor<T>& g : each_) {
      if (g) g = std::move(g) * static_cast<T>(factor);
    }
  }
  /// Scales all of them so that the norm is at most `limit` (Pascanu et al., 2012, arXiv 1211.5063); returns the norm
  /// before.
  double clip_norm(double limit) {
    const double n = norm();
    if (n > limit) scale(limit / n);
    return n;
  }
  /// Cuts every element to [-limit, limit].
  void clip_value(double limit) {
    const T top = static_cast<T>(limit);
    for (Tensor<T>& g : each_) {
      if (!g) continue;
      using P = kernel::Pack<T>;
      g = detail::map(std::move(g), [top](P v) { return max(P(-top), min(P(top), v)); });
    }
  }
  /// Throws number_error naming the first parameter whose gradient is NaN or infinite.
  template <Module M>
  void check_finite(const M& module) const {
    const auto finite = [](const Tensor<T>& g) { return !g || kernel::all_finite(g.size(), g.data()); };
    std::size_t bad = 0;
    while (bad < each_.size() && finite(each_[bad])) ++bad;
    if (bad == each_.size()) return;
    for (const detail::Leaf& leaf : detail::leaves(module)) {
      if (leaf.trained && bad-- == 0)
        throw number_error("gradient of `" + leaf.path +
                           "` is not finite; lower the learning rate or clip the gradient norm");
    }
  }

 private:
  std::vector<Tensor<T>> each_;
};

}  // namespace tessera::inline TESSERA_ISA
