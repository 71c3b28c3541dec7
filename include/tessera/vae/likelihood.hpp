// What a decoder's numbers say of an object: log p(x | z), each summed over an item to [B].
//
//   bernoulli  one number, a logit l: x in [0, 1] is a share of white          y = x l - softplus(l)
//   gaussian   a mean, and log-deviations s where they are not fixed; c = (x - m) e^-s
//              y = -(c^2 / 2 + s + log sqrt(2 pi))
//   logistic   mean m and log-scale s of a logistic cut into `levels` bins of [-1, 1], the outer two open (Salimans
//              et al., 2017, arXiv 1701.05517); with a and b = (x -+ half a bin - m) e^-s:
//              y = log(sigmoid(b) - sigmoid(a)) = -softplus(-b) - softplus(a) + log(1 - e^(a - b))
//              where the first bin drops its a and the last one its b. Nothing cancels, so that none of the usual
//              special cases is needed.
//
// Adjoints: bernoulli dl = x - sigmoid(l); logistic, with p = sigmoid(-b), q = sigmoid(a), r = 1 / (e^(b - a) - 1):
//   dm = e^-s (q - p)      ds = a q - b p - (b - a) r
#pragma once

#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/power.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/softplus.hpp>
#include <tessera/core/noise.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {

template <Value X>
X sum_of_items(const X& each) {
  const Index items = each.extent(0);
  return sum(reshape(each, {items, items == 0 ? 0 : each.size() / items}), {1});
}

/// A logistic bin's edges seen from the mean, in scales; the outer edges are so far out that their terms vanish.
template <class T>
struct LogisticBin {
  using P = Pack<T>;
  P a, b, width, inverse;
  [[gnu::always_inline]] LogisticBin(P m, P s, P x, T half) {
    inverse = kernel::exp(P(0) - s);
    const P c = (x - m) * inverse;
    width = P(2 * half) * inverse;
    a = c - P(half) * inverse;
    b = c + P(half) * inverse;
  }
  [[gnu::always_inline]] static P first(P x, T half) { return select(x < P(half - 1), P(1), P(0)); }
  [[gnu::always_inline]] static P last(P x, T half) { return select(x > P(1 - half), P(1), P(0)); }
};

template <class T>
Tensor<T> logistic_bins(const Tensor<T>& m, const Tensor<T>& s, const Tensor<T>& x, Index levels) {
  using P = Pack<T>;
  const T half = T(1) / static_cast<T>(levels - 1);
  return zip3(m, s, x, [half](P mean, P scale, P at) {
    const LogisticBin<T> bin(mean, scale, at, half);
    const P first = LogisticBin<T>::first(at, half), last = LogisticBin<T>::last(at, half);
    const P low = (P(1) - first) * kernel::softplus(bin.a), high = (P(1) - last) * kernel::softplus(P(0) - bin.b);
    const P between = kernel::log(P(0) - kernel::expm1(P(0) - bin.width));
    return (P(1) - first) * (P(1) - last) * between - low - high;
  });
}
/// d mean (`of_mean`) or d log-scale.
template <class T>
Tensor<T> logistic_bins_slope(const Tensor<T>& m, const Tensor<T>& s, const Tensor<T>& x, Index levels, bool of_mean) {
  using P = Pack<T>;
  const T half = T(1) / static_cast<T>(levels - 1);
  return zip3(m, s, x, [half, of_mean](P mean, P scale, P at) {
    const LogisticBin<T> bin(mean, scale, at, half);
    const P inner_low = P(1) - LogisticBin<T>::first(at, half), inner_high = P(1) - LogisticBin<T>::last(at, half);
    const P q = inner_low * kernel::sigmoid(bin.a), p = inner_high * kernel::sigmoid(P(0) - bin.b);
    if (of_mean) return bin.inverse * (q - p);
    const P r = inner_low * inner_high / kernel::expm1(bin.width);
    return bin.a * q - bin.b * p - bin.width * r;
  });
}

}  // namespace detail

/// log p of x in [0, 1] under logits: [B, ...] both, [B] out.
template <Value X, std::floating_point T>
X bernoulli_log_prob(const X& logits, const Tensor<T>& x) {
  if (logits.shape() != x.shape())
    throw shape_error("bernoulli: logits " + logits.shape().to_string() + " for " + x.shape().to_string());
  if constexpr (depth_of<X> == 0) {
    using P = detail::Pack<T>;
    return detail::sum_of_items(
        detail::zip("bernoulli", logits, x, [](P l, P v) { return v * l - kernel::softplus(l); }));
  } else if constexpr (depth_of<X> == 1) {
    return logits.tape()->record(
        bernoulli_log_prob(logits.value(), x), wrt(logits, [l = logits.value(), x](const Tensor<T>& g) {
          using P = detail::Pack<T>;
          const Index items = x.extent(0), each = items == 0 ? 0 : x.size() / items;
          const Tensor<T> slope = detail::zip("bernoulli", l, x, [](P a, P v) { return v - kernel::sigmoid(a); });
          return (slope.reshaped({items, each}) * g.reshaped({items, 1})).reshaped(x.shape());
        }));
  } else {
    return detail::sum_of_items(logits * x - softplus(logits));
  }
}

/// log p of x under normals of these means and log-deviations: [B, ...] all.
template <Value X, std::floating_point T>
X gaussian_log_prob(const X& mean_, const X& log_deviation, const Tensor<T>& x) {
  const X c = (mean_ - x) * exp(-log_deviation);
  return detail::sum_of_items(square(c) * T(-0.5) - log_deviation - T(0.91893853320467274));
}

/// log P of x, which lies on `levels` levels of [-1, 1], under logistics of these means and log-scales: [B, ...] all.
template <Value X, std::floating_point T>
X logistic_log_prob(const X& mean_, const X& log_scale, const Tensor<T>& x, Index levels) {
  if constexpr (depth_of<X> == 0) {
    return detail::sum_of_items(detail::logistic_bins(mean_, log_scale, x, levels));
  } else {
    using V = typename X::Inner;
    const auto slope = [m = plain(mean_), s = plain(log_scale), x, levels](bool of_mean) {
      return [=](const V& g) -> V {
        if constexpr (depth_of<V> == 0) {
          const Index items = x.extent(0), each = items == 0 ? 0 : x.size() / items;
          const Tensor<T> d = detail::logistic_bins_slope(m, s, x, levels, of_mean);
          return (d.reshaped({items, each}) * g.reshaped({items, 1})).reshaped(x.shape());
        } else {
          throw argument_error("logistic_log_prob: its adjoint is fused for Tensors only: it has no second derivative");
        }
      };
    };
    return mean_.tape()->record(logistic_log_prob(mean_.value(), log_scale.value(), x, levels), wrt(mean_, slope(true)),
                                wrt(log_scale, slope(false)));
  }
}

struct Likelihood {
  enum class Kind { bernoulli, gaussian, logistic } kind = Kind::bernoulli;
  double deviation = 0;  // gaussian: fixed to this; 0: learned, one a number
  Index levels = 256;    // logistic

  /// Numbers a decoder gives for each number of an object: on the last axis first the means of all channels, then the
  /// rest.
  Index parameters() const { return kind == Kind::bernoulli || (kind == Kind::gaussian && deviation > 0) ? 1 : 2; }
  void check() const {
    if (!(deviation >= 0) || levels < 2 || levels > 65536)
      throw argument_error("Likelihood: deviation " + std::to_string(deviation) + " and " + std::to_string(levels) +
                           " levels; wanted a deviation of 0 or more and 2 to 65536 levels");
  }

  /// h [B, ..., parameters C], x [B, ..., C] -> [B].
  template <Value X, std::floating_point T>
  X log_prob(const X& h, const Tensor<T>& x) const {
    if (kind == Kind::bernoulli) return bernoulli_log_prob(h, x);
    const Index c = x.cols();
    if (parameters() == 1) {
      const X s = lift(h, Tensor<T>(h.shape(), static_cast<T>(std::log(deviation))));
      return gaussian_log_prob(h, s, x);
    }
    const X m = slice(h, -1, 0, c), s = bounded(slice(h, -1, c, 2 * c));
    return kind == Kind::gaussian ? gaussian_log_prob(m, s, x) : logistic_log_prob(m, s, x, levels);
  }
  /// The object that is expected, [B, ..., C].
  template <Value X>
  X mean(const X& h) const {
    if (kind == Kind::bernoulli) return sigmoid(h);
    return parameters() == 1 ? h : slice(h, -1, 0, h.extent(-1) / 2);
  }
  /// An object drawn number by number: item i from noise.fork(i). Levels are rounded to.
  template <std::floating_point T>
  Tensor<T> sample(const Tensor<T>& h, const Noise& noise) const {
    Tensor<T> x = mean(h).clone();
    const Tensor<T> s = parameters() == 2 ? bounded(slice(h, -1, x.cols(), 2 * x.cols())) : Tensor<T>();
    const Index items = x.extent(0), each = items == 0 ? 0 : x.size() / items;
    T* to = x.data();
    for (Index i = 0; i < items; ++i) {
      const Noise own = noise.fork(static_cast<std::uint64_t>(i));
      const Tensor<T> n = kind == Kind::gaussian ? own.normal<T>({each}) : Tensor<T>();
      for (Index k = 0; k < each; ++k) {
        T& v = to[i * each + k];
        const double u = own.unit(static_cast<std::uint64_t>(k));
        if (kind == Kind::bernoulli) v = u < static_cast<double>(v) ? T(1) : T(0);
        if (kind == Kind::gaussian) v += n[k] * (s ? std::exp(s[i * each + k]) : static_cast<T>(deviation));
        if (kind == Kind::logistic) {
          const double half = 0.5 * static_cast<double>(levels - 1);
          const double at =
              static_cast<double>(v) + std::exp(static_cast<double>(s[i * each + k])) * std::log((u + 1e-12) / (1 - u));
          const double cut = at < -1 ? -1 : at > 1 ? 1 : at;
          v = static_cast<T>(std::round((cut + 1) * half) / half - 1);
        }
      }
    }
    return x;
  }

 private:
  /// Log-scales from -7 (a seventh of a level of 256) up: without a floor a model can be sure of what never changes,
  /// and its likelihood grows without end.
  template <Value X>
  static X bounded(const X& raw) {
    return softplus(raw + ScalarOf<X>(7)) - ScalarOf<X>(7);
  }
};

}  // namespace tessera::inline TESSERA_ISA
