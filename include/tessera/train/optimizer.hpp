// Optimizers. Each keeps its state in members() order and changes all parameters in one pass over memory, on all threads:
// networks of many small layers would otherwise leave them to one.
//
//   Sgd     v = momentum v + g;  x -= rate v                  (Nesterov: x -= rate (g + momentum v))
//   Adam    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  x -= rate m^ / (sqrt(v^) + epsilon)
//           m^ = m / (1 - b1^t), v^ = v / (1 - b2^t)           Kingma and Ba, 2014, arXiv 1412.6980
//   AdamW   the same, and x -= rate decay x                    Loshchilov and Hutter, 2017, arXiv 1711.05101
//   Lion    x -= rate (sign(b1 m + (1 - b1) g) + decay x);  m = b2 m + (1 - b2) g    Chen et al., 2023, arXiv 2302.06675
//
// In Sgd and Adam `decay` adds decay x to the gradient. It acts on parameters with two or more axes only (not on biases and
// norms' gains), as is usual. t counts the steps in which this parameter had a gradient, so one that is freed late starts well.
#pragma once

#include <tessera/train/gradients.hpp>

namespace tessera::inline TESSERA_ISA {

struct OptimizerConfig {
  enum class Kind { sgd, adam, adamw, lion } kind = Kind::adamw;
  double rate = 1e-3;
  double beta1 = 0.9;  // momentum for sgd
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0;
  bool nesterov = false;
};
/// The usual starting points.
inline OptimizerConfig sgd(double rate, double momentum = 0, bool nesterov = false) {
  return {.kind = OptimizerConfig::Kind::sgd, .rate = rate, .beta1 = momentum, .nesterov = nesterov};
}
inline OptimizerConfig adam(double rate) { return {.kind = OptimizerConfig::Kind::adam, .rate = rate}; }
inline OptimizerConfig adamw(double rate, double decay = 0.01) {
  return {.kind = OptimizerConfig::Kind::adamw, .rate = rate, .decay = decay};
}
inline OptimizerConfig lion(double rate, double decay = 0.1) {
  return {.kind = OptimizerConfig::Kind::lion, .rate = rate, .beta1 = 0.9, .beta2 = 0.99, .decay = decay};
}

template <class T>
class Optimizer {
 public:
  /// What one parameter has accumulated. Empty tensors until its first gradient.
  struct State {
    Tensor<T> first, second;  // m and v of the formulas; sgd's velocity is `first`
    Index steps = 0;
  };

  /// Throws argument_error for a rate, decay or epsilon that is negative or not finite, or a beta outside [0, 1).
  explicit Optimizer(OptimizerConfig config) : config_(config) {
    const auto natural = [](const char* name, double x) {
      if (!(x >= 0 && x <= 1e30))
        throw argument_error(std::string("Optimizer: ") + name + " is " + std::to_string(x) + ", wanted 0 or more");
    };
    natural("rate", config.rate);
    natural("decay", config.decay);
    natural("epsilon", config.epsilon);
    for (const double beta : {config.beta1, config.beta2}) {
      if (!(beta >= 0 && beta < 1))
        throw argument_error("Optimizer: beta is " + std::to_string(beta) + ", wanted one in [0, 1)");
    }
  }

  /// One step at `factor` times the base rate, with every gradient taken `gradient_factor` times (an average, a clipped
  /// norm: no pass of its own). Parameters without a gradient, and frozen ones, stay.
  template <Module M>
  void step(M& module, const Gradients<T>& gradients, double factor = 1, double gradient_factor = 1) {
    ++steps_;
    std::size_t i = 0;
    std::vector<Share> shares;
    for (const detail::Leaf& leaf : detail::leaves(module)) {
      if (!leaf.trained) continue;
      if (i == states_.size()) states_.emplace_back();
      Parameter<T>& p = leaf.parameter<T>();
      if (i < gradients.size() && gradients[i] && !p.frozen) {
        const Index before = shares.empty() ? 0 : shares.back().end;
        shares.push_back(share(p.value, gradients[i], states_[i], factor * config_.rate, before));
      }
      ++i;
    }
    if (shares.empty()) return;
    kernel::parallel_for(shares.back().end, 16384, [&](Index begin, Index end) {
      const Share* s = shares.data();
      while (s->end <= begin) ++s;
      for (Index from = begin; from < end; from = s++->end) {
        const Index first = from - s->begin, last = (s->end < end ? s->end : end) - s->begin;
        update(*s, first, last < s->size ? last : s->size, factor * config_.rate, gradient_factor);
      }
    });
  }

  const OptimizerConfig& config() const { return config_; }
  /// Steps taken in all.
  Index steps() const { return steps_; }
  /// One for each parameter, in members() order; fewer before the first step.
  const std::vector<State>& states() const { return states_; }
  /// Takes up where another one left off.
  void restore(Index steps, std::vector<State> states) {
    steps_ = steps;
    states_ = std::move(states);
  }

 private:
  using P = kernel::Pack<T>;

  /// What a step does to one parameter.
  struct Share {
    T *x, *first, *second;
    const T* gradient;
    Index size, begin, end;  // begin, end: among the numbers of all parameters, each rounded up to whole packs
    T decay, c1, c2;         // rate m^ / (sqrt(v^) + e) = c1 m / (c2 sqrt(v) + e)
  };

  Share share(Tensor<T>& x, const Tensor<T>& g, State& state, double rate, Index before) {
    using Kind = OptimizerConfig::Kind;
    const bool two = config_.kind == Kind::adam || config_.kind == Kind::adamw;
    ++state.steps;
    if (!state.first) state.first = Tensor<T>(x.shape(), T(0));
    if (two && !state.second) state.second = Tensor<T>(x.shape(), T(0));
    const double t = static_cast<double>(state.steps);
    Share s;
    s.x = x.data();
    s.first = state.first.data();
    s.second = two ? state.second.data() : nullptr;
    s.gradient = g.data();
    s.size = x.size();
    s.begin = before;
    s.end = before + (s.size + P::width - 1) / P::width * P::width;
    const bool decoupled = config_.kind == Kind::adamw || config_.kind == Kind::lion;
    s.decay = static_cast<T>(x.rank() < 2 ? 0 : decoupled ? rate * config_.decay : config_.decay);
    s.c1 = two ? static_cast<T>(rate / (1 - std::pow(config_.beta1, t))) : T(0);
    s.c2 = two ? static_cast<T>(1 / std::sqrt(1 - std::pow(config_.beta2, t))) : T(0);
    return s;
  }

  /// Numbers [begin, end) of a share.
  void update(const Share& share, Index begin, Index end, double rate, double gradient_factor) const {
    using Kind = OptimizerConfig::Kind;
    const bool two = config_.kind == Kind::adam || config_.kind == Kind::adamw;
    const bool decoupled = config_.kind == Kind::adamw || config_.kind == Kind::lion;
    const P pull(decoupled ? T(0) : share.decay), shrink(decoupled ? share.decay : T(0));
    const P lr(static_cast<T>(rate)), scale(static_cast<T>(gradient_factor));
    const P b1(static_cast<T>(config_.beta1)), b2(static_cast<T>(config_.beta2));
    const P a1(static_cast<T>(1 - config_.beta1)), a2(static_cast<T>(1 - config_.beta2));
    T *const xs = share.x, *const ms = share.first, *const vs = share.second;
    const T* const gs = share.gradient;
    if (two) {
      const P c1(share.c1), c2(share.c2), e(static_cast<T>(config_.epsilon));
      each(begin, end, [=](Index i, auto part) {
        const P x0 = part.load(xs + i), d = fma(pull, x0, scale * part.load(gs + i));
        const P m = fma(b1, part.load(ms + i), a1 * d), v = fma(b2, part.load(vs + i), a2 * d * d);
        part.store(ms + i, m);
        part.store(vs + i, v);
        part.store(xs + i, x0 - fma(shrink, x0, c1 * m / fma(c2, kernel::sqrt(v), e)));
      });
    } else if (config_.kind == Kind::lion) {
      each(begin, end, [=](Index i, auto part) {
        const P x0 = part.load(xs + i), d = scale * part.load(gs + i), m = part.load(ms + i), u = fma(b1, m, a1 * d);
        const P sign = select(u > P(T(0)), P(T(1)), select(u < P(T(0)), P(T(-1)), P(T(0))));
        part.store(xs + i, x0 - fma(shrink, x0, lr * sign));
        part.store(ms + i, fma(b2, m, a2 * d));
      });
    } else {
      const bool nesterov = config_.nesterov;
      each(begin, end, [=](Index i, auto part) {
        const P x0 = part.load(xs + i), d = fma(pull, x0, scale * part.load(gs + i));
        const P v = fma(b1, part.load(ms + i), d);
        part.store(ms + i, v);
        part.store(xs + i, x0 - lr * (nesterov ? fma(b1, v, d) : v));
      });
    }
  }

  struct Whole {
    static P load(const T* p) { return P::load(p); }
    static void store(T* p, P a) { a.store(p); }
  };
  struct Part {
    Index n;
    P load(const T* p) const { return kernel::load_some(p, n); }
    void store(T* p, P a) const { kernel::store_some(p, a, n); }
  };
  template <class Fn>
  static void each(Index begin, Index end, const Fn& f) {
    Index i = begin;
    for (; i + P::width <= end; i += P::width) f(i, Whole{});
    if (i < end) f(i, Part{end - i});
  }

  OptimizerConfig config_;
  Index steps_ = 0;
  std::vector<State> states_;
};

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template class Optimizer<float>;
#endif

}  // namespace tessera::inline TESSERA_ISA
