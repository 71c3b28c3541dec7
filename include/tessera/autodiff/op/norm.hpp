// Layer, RMS, group and batch normalisation, y = (x - mean) rstd gain + bias with rstd = 1 / sqrt(variance + epsilon).
//
// With h = (x - mean) rstd and d = dy gain:   dx = rstd (d - avg(d) - h avg(d h)),  dgain = sum dy h,  dbias = sum dy
// (without avg(d) for RMS norm). One fused pass on Tensors; on Vars the same formula from ops, for second derivatives.
// Group norm averages over space and the channels of a group of [B, ..., C], and may be followed by SiLU in the same pass.
// Batch norm is group norm of one item with every channel a group of its own.
#pragma once

#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/sqrt.hpp>
#include <tessera/kernel/norm.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// What normalises together: rows of the last axis, or (batch, group) of [B, S, G, C / G].
struct NormKind {
  bool centred = true;
  Index groups = 0;  // 0: rows
  bool silu = false;
  double epsilon = 1e-5;
};
inline void check_norm(const char* op, const Shape& x, const Shape* gain, const Shape* bias, Index groups) {
  if (x.rank() < (groups > 0 ? 2 : 1))
    throw shape_error(std::string(op) + ": shape " + x.to_string() + " has too few axes");
  for (const Shape* s : {gain, bias}) {
    if (s && *s != Shape{x.back()})
      throw shape_error(std::string(op) + ": gain or bias " + s->to_string() + " for the last axis of " +
                        x.to_string());
  }
  if (groups > 0 && x.back() % groups != 0)
    throw shape_error(std::string(op) + ": the channels of " + x.to_string() + " do not divide into " +
                      std::to_string(groups) + " groups");
}
template <std::floating_point T>
struct Normed {
  Tensor<T> y, mean, rstd;
};
template <std::floating_point T>
Normed<T> normalise(const NormKind& kind, const Tensor<T>& x, const Tensor<T>& gain, const Tensor<T>& bias) {
  Normed<T> r{Tensor<T>(x.shape()), {}, {}};
  if (kind.groups > 0) {
    const Index b = x.extent(0), c = x.cols(), s = b * c == 0 ? 0 : x.size() / (b * c);
    r.mean = Tensor<T>(Shape{b, kind.groups});
    r.rstd = Tensor<T>(Shape{b, kind.groups});
    if (kind.silu)
      kernel::group_norm<kernel::SiluActivation>(b, s, c, kind.groups, x.data(), gain.data(), bias.data(), kind.epsilon,
                                                 r.y.data(), r.mean.data(), r.rstd.data());
    else
      kernel::group_norm<kernel::NoActivation>(b, s, c, kind.groups, x.data(), gain.data(), bias.data(), kind.epsilon,
                                               r.y.data(), r.mean.data(), r.rstd.data());
    return r;
  }
  r.rstd = Tensor<T>(Shape{x.rows()});
  if (kind.centred) {
    r.mean = Tensor<T>(Shape{x.rows()});
    kernel::layer_norm(x.rows(), x.cols(), x.data(), gain.data(), bias.data(), kind.epsilon, r.y.data(), r.mean.data(),
                       r.rstd.data());
  } else {
    kernel::rms_norm(x.rows(), x.cols(), x.data(), gain.data(), kind.epsilon, r.y.data(), r.rstd.data());
  }
  return r;
}
template <Value V>
struct NormAdjoint {
  V x, gain, bias;
};
template <std::floating_point T>
NormAdjoint<Tensor<T>> norm_adjoint(const NormKind& kind, const Tensor<T>& x, const Tensor<T>& gain,
                                    const Tensor<T>& bias, const Tensor<T>& mean, const Tensor<T>& rstd,
                                    const Tensor<T>& g) {
  NormAdjoint<Tensor<T>> d;
  d.x = Tensor<T>(x.shape());
  if (gain) d.gain = Tensor<T>(gain.shape());
  if (bias) d.bias = Tensor<T>(bias.shape());
  if (kind.groups > 0) {
    const Index b = x.extent(0), c = x.cols(), s = b * c == 0 ? 0 : x.size() / (b * c);
    if (kind.silu)
      kernel::group_norm_adjoint<kernel::SiluActivation>(b, s, c, kind.groups, x.data(), gain.data(), bias.data(),
                                                         mean.data(), rstd.data(), g.data(), d.x.data(), d.gain.data(),
                                                         d.bias.data());
    else
      kernel::group_norm_adjoint<kernel::NoActivation>(b, s, c, kind.groups, x.data(), gain.data(), bias.data(),
                                                       mean.data(), rstd.data(), g.data(), d.x.data(), d.gain.data(),
                                                       d.bias.data());
  } else if (kind.centred) {
    kernel::layer_norm_adjoint(x.rows(), x.cols(), x.data(), gain.data(), mean.data(), rstd.data(), g.data(),
                               d.x.data(), d.gain.data(), d.bias.data());
  } else {
    kernel::rms_norm_adjoint(x.rows(), x.cols(), x.data(), gain.data(), rstd.data(), g.data(), d.x.data(),
                             d.gain.data());
  }
  return d;
}
/// The same by ops, so that it can be differentiated again.
template <class V>
NormAdjoint<Var<V>> norm_adjoint(const NormKind& kind, const Var<V>& x, const Var<V>& gain, const Var<V>& bias,
                                 const Var<V>& g) {
  using T = ScalarOf<V>;
  const Shape shape = x.shape();
  const Index c = shape.back();
  if (x.size() == 0) {  // of nothing there are no means
    const T none = 0;
    return {x * none, gain ? gain * none : gain, bias ? bias * none : bias};
  }
  const Shape apart = kind.groups > 0 ? Shape{shape[0], x.size() / (shape[0] * c), kind.groups, c / kind.groups}
                                      : Shape{x.rows(), 1, 1, c};
  const auto average = [](const Var<V>& v) { return mean(v, {1, 3}, true); };
  const auto columns = [&](const Var<V>& v) { return sum(reshape(v, {x.rows(), c}), {0}); };
  const Var<V> xs = reshape(x, apart);
  const Var<V> off = kind.centred ? xs - average(xs) : xs;
  const Var<V> rstd = rsqrt(average(off * off) + static_cast<T>(kind.epsilon));
  const Var<V> h = off * rstd;
  Var<V> dy = g;
  if (kind.silu) dy = silu_adjoint(g, reshape(h, shape) * gain + bias);
  NormAdjoint<Var<V>> d;
  const Var<V> flat = reshape(h, shape);
  if (gain) d.gain = columns(dy * flat);
  if (bias) d.bias = columns(dy);
  const Var<V> t = reshape(gain ? dy * gain : dy, apart);
  const Var<V> minus = h * average(t * h);
  d.x = reshape(rstd * ((kind.centred ? t - average(t) : t) - minus), shape);
  return d;
}

template <std::floating_point T>
struct NormStatistics {
  Tensor<T> mean, rstd;
};
template <std::floating_point T>
Tensor<T> norm(const NormKind& kind, const Tensor<T>& x, const Tensor<T>& gain, const Tensor<T>& bias,
               NormStatistics<T>* seen = nullptr) {
  auto r = normalise(kind, x, gain, bias);
  if (seen) *seen = {std::move(r.mean), std::move(r.rstd)};
  return std::move(r.y);
}
template <class V>
Var<V> norm(const NormKind& kind, const Var<V>& x, const Var<V>& gain, const Var<V>& bias,
            NormStatistics<ScalarOf<V>>* seen = nullptr) {
  struct Ids {
    std::uint32_t x, gain, bias;
  };
  const Ids ids{x.id(), gain ? gain.id() : no_gradient, bias ? bias.id() : no_gradient};
  const bool wanted = ids.x != no_gradient || ids.gain != no_gradient || ids.bias != no_gradient;
  const auto give = [](Tape<V>& t, const Ids& to, NormAdjoint<V> d) {
    if (d.gain) t.add(to.gain, std::move(d.gain));
    if (d.bias) t.add(to.bias, std::move(d.bias));
    t.add(to.x, std::move(d.x));
  };
  if constexpr (depth_of<V> == 0) {
    auto r = normalise(kind, x.value(), gain.value(), bias.value());
    if (seen) *seen = {r.mean, r.rstd};
    // A layer norm without gain keeps what came out rather than what went in: whoever scales it next keeps that as well.
    const bool output = kind.groups == 0 && kind.centred && !gain && !bias;
    if (output) r.mean = V();
    V kept = output ? r.y : x.value();
    return x.tape()->record_joint(std::move(r.y), wanted,
                                  [kind, ids, give, x = std::move(kept), gain = gain.value(), bias = bias.value(),
                                   mean = std::move(r.mean), rstd = std::move(r.rstd)](Tape<V>& t, const V& g) {
                                    give(t, ids, norm_adjoint(kind, x, gain, bias, mean, rstd, g));
                                  });
  } else {
    return x.tape()->record_joint(norm(kind, x.value(), gain.value(), bias.value(), seen), wanted,
                                  [kind, ids, give, x = x.value(), gain = gain.value(), bias = bias.value()](
                                      Tape<V>& t, const V& g) { give(t, ids, norm_adjoint(kind, x, gain, bias, g)); });
  }
}
}  // namespace detail

/// Over the last axis; gain and bias [D].
template <Value X>
X layer_norm(const X& x, const X& gain, const X& bias, double epsilon = 1e-5) {
  detail::check_norm("layer_norm", x.shape(), &gain.shape(), &bias.shape(), 0);
  return detail::norm({.epsilon = epsilon}, x, gain, bias);
}
template <Value X>
X layer_norm(const X& x, double epsilon = 1e-5) {
  detail::check_norm("layer_norm", x.shape(), nullptr, nullptr, 0);
  return detail::norm({.epsilon = epsilon}, x, X(), X());
}
template <Value X>
X rms_norm(const X& x, const X& gain, double epsilon = 1e-6) {
  detail::check_norm("rms_norm", x.shape(), &gain.shape(), nullptr, 0);
  return detail::norm({.centred = false, .epsilon = epsilon}, x, gain, X());
}
/// [B, ..., C]; with `then_silu`, silu of it in the same pass.
template <Value X>
X group_norm(const X& x, const X& gain, const X& bias, Index groups, double epsilon = 1e-5, bool then_silu = false) {
  if (groups < 1) throw argument_error("group_norm: " + std::to_string(groups) + " groups");
  detail::check_norm("group_norm", x.shape(), &gain.shape(), &bias.shape(), groups);
  return detail::norm({.groups = groups, .silu = then_silu, .epsilon = epsilon}, x, gain, bias);
}

/// What batch_norm saw: [C] each, the variance divided by the number of values.
template <std::floating_point T>
struct BatchMoments {
  Tensor<T> mean, variance;
};
/// Every channel of [..., C] over all other axes; what was seen goes to `seen` where it is given.
template <Value X>
X batch_norm(const X& x, const X& gain, const X& bias, double epsilon = 1e-5,
             BatchMoments<ScalarOf<X>>* seen = nullptr) {
  using T = ScalarOf<X>;
  detail::check_norm("batch_norm", x.shape(), &gain.shape(), &bias.shape(), 1);
  const Index c = x.cols();
  detail::NormStatistics<T> s;
  const X y = detail::norm({.groups = c, .epsilon = epsilon}, reshape(x, {1, x.rows(), c}), gain, bias, &s);
  if (seen) {
    seen->mean = s.mean.reshaped({c});
    seen->variance = Tensor<T>(Shape{c});
    for (Index i = 0; i < c; ++i) {
      const T v = T(1) / (s.rstd[i] * s.rstd[i]) - static_cast<T>(epsilon);
      seen->variance.data()[i] = v > T(0) ? v : T(0);
    }
  }
  return reshape(y, x.shape());
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template detail::Normed<float> detail::normalise(const detail::NormKind&, const Tensor<float>&,
                                                                  const Tensor<float>&, const Tensor<float>&);
TESSERA_INSTANCE template Var<Tensor<float>> detail::norm(const detail::NormKind&, const Var<Tensor<float>>&,
                                                          const Var<Tensor<float>>&, const Var<Tensor<float>>&,
                                                          detail::NormStatistics<float>*);
#endif

}  // namespace tessera::inline TESSERA_ISA
