// The multi-scale flow of pictures: RealNVP (Dinh et al., 2016, arXiv 1605.08803) and Glow (Kingma and Dhariwal, 2018,
// arXiv 1807.03039).
//
//   each level: squeeze 2 x 2, `steps` times [actnorm, invertible 1 x 1,] affine coupling; then half of the
//   channels are done, the other half goes on to the next level
//
// [B, H, W, C] to [B, H W C]: the halves that were done first come first. Without actnorm and 1 x 1 the couplings take
// turns in which half changes. With `learned_split` the half that is done is first centred and scaled by what a
// convolution makes of the half that stays: the learned prior of Glow, written as one more coupling.
//
// Actnorm and 1 x 1 are both linear in the channels, so a step runs them as one product with weight W diag(exp s) and
// bias W (b exp s).
#pragma once

#include <tessera/flow/actnorm.hpp>
#include <tessera/flow/coupling.hpp>
#include <tessera/flow/invertible_linear.hpp>
#include <tessera/flow/squeeze.hpp>

namespace tessera::inline TESSERA_ISA {

/// One step of Glow, or of RealNVP where `mix` is off.
template <class T>
struct FlowStep {
  struct Config {
    Index channels = 2;
    bool mix = true;  // actnorm and an invertible 1 x 1
    bool swap = false;
    Index hidden = 64, context = 0;
    double bound = 2;
  };

  std::optional<ActNorm<T>> norm;
  std::optional<InvertibleLinear<T>> mix;
  Coupling<T, ConvConditioner<T>, Affine> coupling;

  FlowStep(Config c, Rng& rng)
      : coupling({.channels = c.channels,
                  .swap = c.swap,
                  .hidden = c.hidden,
                  .context = c.context,
                  .transform = {.bound = c.bound}},
                 rng) {
    if (!c.mix) return;
    norm.emplace(typename ActNorm<T>::Config{.channels = c.channels});
    mix.emplace(typename InvertibleLinear<T>::Config{.channels = c.channels}, rng);
  }

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    if (!mix) return coupling.forward(x, context);
    const Index n = mix->sign.value.size();
    const X scale = exp(lift(x, norm->log_scale)), w = mix->weight(x);
    const X bias = linear(reshape(lift(x, norm->shift) * scale, {1, n}), w);
    Mapped<X> y = coupling.forward(linear(x, w * scale, reshape(bias, {n})), context);
    return {y.value, y.log_det + mixing(x)};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    Mapped<X> y = coupling.inverse(z, context);
    if (!mix) return y;
    const Index n = mix->sign.value.size();
    const X back = matrix_inverse(mix->weight(z)) * reshape(exp(-lift(z, norm->log_scale)), {n, 1});
    return {linear(y.value, back, -lift(z, norm->shift)), y.log_det - mixing(z)};
  }
  Mapped<Tensor<T>> initialise(const Tensor<T>& x, const Tensor<T>& context = {}) {
    if (norm) norm->initialise(x);
    return forward(x, context);
  }

  static void members(auto& self, auto&& see) {
    see("norm", self.norm);
    see("mix", self.mix);
    see("coupling", self.coupling);
  }

 private:
  template <Value X>
  X mixing(const X& x) const {
    const Index items = x.extent(0), places = items == 0 ? 0 : x.size() / (items * x.cols());
    const X all = sum(lift(x, norm->log_scale) + lift(x, mix->log_scale)) * static_cast<ScalarOf<X>>(places);
    return detail::for_each_item(all, items);
  }
};

struct MultiScaleConfig {
  Index height = 28, width = 28, channels = 1;
  Index levels = 2, steps = 8;  // steps a level
  Index hidden = 64, context = 0;
  bool mix = true;             // false: RealNVP
  bool learned_split = false;  // true: Glow's learned prior for the halves that are done early
  double bound = 2;            // log-scales of the couplings stay within +-bound
};

template <class T>
struct MultiScale {
  using Config = MultiScaleConfig;

  struct Level {
    std::vector<FlowStep<T>> steps;
    std::optional<Conv2d<T>> prior;
    static void members(auto& self, auto&& see) {
      see("steps", self.steps);
      see("prior", self.prior);
    }
  };

  Config config;
  std::vector<Level> levels;

  /// Throws argument_error for sizes that do not halve as often as there are levels.
  MultiScale(const Config& c, Rng& rng) : config(c) {
    const Index part = Index{1} << (c.levels < 0 || c.levels > 30 ? 30 : c.levels);
    if (c.levels < 1 || c.height % part != 0 || c.width % part != 0)
      throw argument_error("MultiScale: pictures of " + std::to_string(c.height) + " x " + std::to_string(c.width) +
                           " cannot be halved " + std::to_string(c.levels) +
                           " times; use fewer levels, or pad the pictures to a multiple of " + std::to_string(part));
    Index channels = c.channels;
    for (Index l = 0; l < c.levels; ++l) {
      channels *= 4;
      Level level;
      for (Index k = 0; k < c.steps; ++k)
        level.steps.emplace_back(typename FlowStep<T>::Config{.channels = channels,
                                                              .mix = c.mix,
                                                              .swap = k % 2 == 1,
                                                              .hidden = c.hidden,
                                                              .context = c.context,
                                                              .bound = c.bound},
                                 rng);
      if (l + 1 < c.levels) {
        if (c.learned_split)
          level.prior.emplace(typename Conv2d<T>::Config{.in = channels / 2, .out = channels, .zero = true}, rng);
        channels /= 2;
      }
      levels.push_back(std::move(level));
    }
  }

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    check(x.shape());
    return ahead(*this, x, context, [](const FlowStep<T>& s, const X& h, const X& c) { return s.forward(h, c); });
  }
  Mapped<Tensor<T>> initialise(const Tensor<T>& x, const Tensor<T>& context = {}) {
    check(x.shape());
    return ahead(*this, x, context,
                 [](FlowStep<T>& s, const Tensor<T>& h, const Tensor<T>& c) { return s.initialise(h, c); });
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    const Index b = z.extent(0);
    if (z.shape() != Shape{b, numbers()})
      throw shape_error("MultiScale: latents [B, " + std::to_string(numbers()) + "] wanted, shape is " +
                        z.shape().to_string());
    X h, log_det = detail::no_log_det(z);
    Index height = config.height >> config.levels, width = config.width >> config.levels, end = numbers();
    for (std::size_t l = levels.size(); l-- > 0;) {
      const Level& level = levels[l];
      const bool last = l + 1 == levels.size();
      const Index channels = level.steps.empty() ? channels_at(l) : level.steps[0].coupling.channels;
      const Index taken = height * width * (last ? channels : channels / 2);
      const X part = reshape(slice(z, 1, end - taken, end), {b, height, width, last ? channels : channels / 2});
      end -= taken;
      h = last ? part : concat({h, part}, -1);
      if (level.prior) go_on(h, log_det, split(*level.prior, h, channels / 2, Direction::inverse));
      for (auto s = level.steps.rbegin(); s != level.steps.rend(); ++s) go_on(h, log_det, s->inverse(h, context));
      h = unpatchify(h, 2);
      height *= 2;
      width *= 2;
    }
    return {h, log_det};
  }
  /// Numbers of an item.
  Index numbers() const { return config.height * config.width * config.channels; }

  static void members(auto& self, auto&& see) { see("levels", self.levels); }

 private:
  void check(const Shape& s) const {
    if (s.rank() != 4 || s != Shape{s[0], config.height, config.width, config.channels})
      throw shape_error("MultiScale: pictures [B, " + std::to_string(config.height) + ", " +
                        std::to_string(config.width) + ", " + std::to_string(config.channels) + "] wanted, shape is " +
                        s.to_string());
  }
  Index channels_at(std::size_t level) const {
    Index c = config.channels * 4;
    for (std::size_t l = 0; l < level; ++l) c *= 2;
    return c;
  }
  template <class X>
  static void go_on(X& h, X& log_det, Mapped<X> next) {
    h = std::move(next.value);
    log_det = log_det + next.log_det;
  }
  template <Value X>
  Mapped<X> split(const Conv2d<T>& prior, const X& h, Index half, Direction way) const {
    return affine(h, prior(slice(h, -1, 0, half)), half, half, config.bound, way);
  }
  template <class Self, Value X, class Step>
  static Mapped<X> ahead(Self& self, const X& x, const X& context, const Step& step) {
    const Index b = x.extent(0);
    X h = x, log_det = detail::no_log_det(x);
    std::vector<X> done;
    const auto flat = [b](const X& v) { return reshape(v, {b, b == 0 ? 0 : v.size() / b}); };
    for (std::size_t l = 0; l < self.levels.size(); ++l) {
      auto& level = self.levels[l];
      h = patchify(h, 2);
      for (auto& s : level.steps) go_on(h, log_det, step(s, h, context));
      if (l + 1 == self.levels.size()) break;
      const Index half = h.cols() / 2;
      if (level.prior) go_on(h, log_det, self.split(*level.prior, h, half, Direction::forward));
      done.push_back(flat(slice(h, -1, half, 2 * half)));
      h = slice(h, -1, 0, half);
    }
    done.push_back(flat(h));
    return {concat(std::span<const X>(done), 1), log_det};
  }
};

}  // namespace tessera::inline TESSERA_ISA
