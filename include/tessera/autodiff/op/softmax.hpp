// softmax:       y = exp(x - lse(x)) over the last axis      dx = y (dy - sum y dy)
// log_softmax:   y = x - lse(x)                              dx = dy - exp(y) sum dy
// logsumexp:     y = log sum exp(x) over the last axis       dx = dy softmax(x)
// cross_entropy: mean over rows of lse(x) - x[target], with label smoothing e (Szegedy et al., 2015, arXiv 1512.00567):
//                the target's share is 1 - e, and e is spread over all classes; rows whose target is `ignore` do not count.
// A row of -inf throughout has softmax 0.
#pragma once

#include <tessera/autodiff/op/exp.hpp>
#include <tessera/kernel/softmax.hpp>

namespace tessera::inline TESSERA_ISA {

template <std::floating_point T>
Tensor<T> softmax(Tensor<T> x) {
  Tensor<T> y = x.unique() ? std::move(x) : Tensor<T>(x.shape());
  const T* from = x ? std::as_const(x).data() : std::as_const(y).data();
  if (y.size() > 0) kernel::softmax(y.rows(), y.cols(), from, y.data());
  return y;
}
template <Value V>
V softmax_adjoint(V g, const V& y) {
  if constexpr (depth_of<V> == 0) {
    V dx(y.shape());
    if (y.size() > 0) kernel::softmax_adjoint(y.rows(), y.cols(), y.data(), std::as_const(g).data(), dx.data());
    return dx;
  } else {
    return y * (g - sum(g * y, {-1}, true));
  }
}
template <class V>
Var<V> softmax(const Var<V>& x) {
  V y = softmax(x.value());
  return x.tape()->record(y, wrt(x, [y](V g) { return softmax_adjoint(std::move(g), y); }));
}
template <std::floating_point T>
Tensor<T> log_softmax(Tensor<T> x) {
  Tensor<T> y = x.unique() ? std::move(x) : Tensor<T>(x.shape());
  const T* from = x ? std::as_const(x).data() : std::as_const(y).data();
  if (y.size() > 0) kernel::log_softmax(y.rows(), y.cols(), from, y.data());
  return y;
}
template <class V>
Var<V> log_softmax(const Var<V>& x) {
  V y = log_softmax(x.value());
  return x.tape()->record(y, wrt(x, [y](V g) { return g - exp(y) * sum(g, {-1}, true); }));
}
/// [..., n] -> [...]
template <std::floating_point T>
Tensor<T> logsumexp(const Tensor<T>& x) {
  if (x.rank() < 1) throw shape_error("logsumexp: a scalar has no last axis");
  Tensor<T> y(x.shape().without(-1));
  if (y.size() > 0) kernel::log_sum_exp(y.size(), x.cols(), x.data(), y.data());
  return y;
}
template <class V>
Var<V> logsumexp(const Var<V>& x) {
  return x.tape()->record(logsumexp(x.value()), wrt(x, [x = x.value(), s = x.shape().with(-1, 1)](V g) {
                            return reshape(std::move(g), s) * softmax(x);
                          }));
}

struct CrossEntropyOptions {
  double smoothing = 0;      // in [0, 1)
  std::int32_t ignore = -1;  // targets with this value do not count
};
/// logits [..., V], targets [...] in [0, V) or `ignore`. The mean over the rows that count; 0 when none does.
template <Value X>
X cross_entropy(const X& logits, const Tensor<std::int32_t>& targets, CrossEntropyOptions o = {}) {
  using T = ScalarOf<X>;
  const Index rows = logits.rows(), classes = logits.cols();
  if (logits.rank() < 1 || targets.shape() != logits.shape().without(-1))
    throw shape_error("cross_entropy: targets " + targets.shape().to_string() + " for logits " +
                      logits.shape().to_string());
  Index counted = 0;
  for (Index r = 0; r < rows; ++r) {
    const std::int32_t t = targets[r];
    if (t == o.ignore) continue;
    if (t < 0 || t >= classes)
      throw argument_error("cross_entropy: target " + std::to_string(t) + " at position " + std::to_string(r) +
                           " is not in [0, " + std::to_string(classes) + ")");
    ++counted;
  }
  const T share = counted == 0 ? T(0) : T(1) / static_cast<T>(counted),
          even = static_cast<T>(o.smoothing) / static_cast<T>(classes);
  if constexpr (depth_of<X> == 0) {
    const Tensor<T> lse = logsumexp(logits);
    double loss = 0;
    for (Index r = 0; r < rows; ++r) {
      if (targets[r] == o.ignore) continue;
      const T* row = logits.data() + r * classes;
      double expected = (1 - o.smoothing) * static_cast<double>(row[targets[r]]);
      if (o.smoothing > 0) expected += static_cast<double>(even) * static_cast<double>(kernel::sum(classes, row));
      loss += static_cast<double>(lse[r]) - expected;
    }
    return Tensor<T>::scalar(static_cast<T>(loss) * share);
  } else {
    using V = typename X::Inner;
    return logits.tape()->record(cross_entropy(logits.value(), targets, o),
                                 wrt(logits, [x = logits.value(), targets, o, share, even](const V& g) {
                                   // d = (softmax - share of each class) / rows counted; the second part is a constant
                                   const Index n = x.cols();
                                   Tensor<T> scale(x.shape().with(-1, 1)), wanted(x.shape(), share * even);
                                   T* s = scale.data();
                                   T* w = wanted.data();
                                   for (Index r = 0; r < x.rows(); ++r) {
                                     const bool counts = targets[r] != o.ignore;
                                     s[r] = counts ? share : T(0);
                                     if (counts)
                                       w[r * n + targets[r]] += share * static_cast<T>(1 - o.smoothing);
                                     else
                                       for (Index c = 0; c < n; ++c) w[r * n + c] = T(0);
                                   }
                                   return (softmax(x) * scale - wanted) * g;
                                 }));
  }
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template Tensor<float> softmax(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> softmax(const Var<Tensor<float>>&);
TESSERA_INSTANCE template Tensor<float> log_softmax(Tensor<float>);
TESSERA_INSTANCE template Var<Tensor<float>> log_softmax(const Var<Tensor<float>>&);
TESSERA_INSTANCE template Tensor<float> logsumexp(const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> logsumexp(const Var<Tensor<float>>&);
TESSERA_INSTANCE template Tensor<float> cross_entropy(const Tensor<float>&, const Tensor<std::int32_t>&,
                                                      CrossEntropyOptions);
TESSERA_INSTANCE template Var<Tensor<float>> cross_entropy(const Var<Tensor<float>>&, const Tensor<std::int32_t>&,
                                                           CrossEntropyOptions);
#endif

}  // namespace tessera::inline TESSERA_ISA
