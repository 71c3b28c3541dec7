// The U-Net of DDPM (Ho et al., 2020, arXiv 2006.11239): at each level two residual blocks, and what attends there. steps/
// trains one, generation/ runs it, and one of Stable Diffusion's size (latents.cpp).
#pragma once

#include <optional>
#include <tessera/autodiff/op/attention.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/norm.hpp>
#include <vector>

namespace bench_nets {

using namespace tessera;

struct Level {
  Index width;
  bool attends;
};

struct UNetPlan {
  Index pixels;               // channels of the picture
  std::vector<Level> levels;  // from the finest
  bool zero = false;          // weights are filled later: zeros take no memory of their own until then
  bool trims = false;         // gives back, from level to level, what the pool kept: less memory, for some time
  Index base() const { return levels[0].width; }
  Index embedding() const { return 4 * base(); }
};

/// Layers as the plan wants them.
struct Layers {
  const UNetPlan& plan;
  Rng& rng;
  Linear<float> linear(Index in, Index out, bool bias = true) const {
    return Linear<float>({.in = in, .out = out, .bias = bias, .zero = plan.zero}, rng);
  }
  Conv2d<float> conv(Index in, Index out, Index kernel = 3, Index stride = 1) const {
    return Conv2d<float>({.in = in, .out = out, .kernel = kernel, .stride = stride, .zero = plan.zero}, rng);
  }
};

struct Residual {
  GroupNorm<float> norm1, norm2;
  Conv2d<float> conv1, conv2;
  Linear<float> time;
  std::optional<Conv2d<float>> skip;

  Residual(Index in, Index out, const Layers& make)
      : norm1({.channels = in, .groups = 32}),
        norm2({.channels = out, .groups = 32}),
        conv1(make.conv(in, out)),
        conv2(make.conv(out, out)),
        time(make.linear(make.plan.embedding(), out)) {
    if (in != out) skip = make.conv(in, out, 1);
  }
  template <Value X>
  X operator()(const X& x, const X& e) const {
    const X h = conv1.shifted(norm1.silu(x), time(e));
    return conv2.added_to(skip ? (*skip)(x) : x, norm2.silu(h));
  }
  static void members(auto& self, auto&& see) {
    see("norm1", self.norm1);
    see("conv1", self.conv1);
    see("time", self.time);
    see("norm2", self.norm2);
    see("conv2", self.conv2);
    see("skip", self.skip);
  }
};

template <class Attention>
struct Stage {
  std::optional<Residual> block;
  std::optional<Attention> attention;
  std::optional<Conv2d<float>> resize;  // stride 2 on the way down; after doubling on the way up

  static void members(auto& self, auto&& see) {
    see("block", self.block);
    see("attention", self.attention);
    see("resize", self.resize);
  }
};

/// Attention(channels, layers) makes what attends; it maps (x, condition...) to another x.
template <class Attention>
struct UNet {
  bool trims;
  Linear<float> time1, time2;
  Conv2d<float> first;
  std::vector<Stage<Attention>> down, middle, up;
  GroupNorm<float> norm;
  Conv2d<float> last;

  UNet(const UNetPlan& plan, Rng& rng) : UNet(plan, Layers{plan, rng}) {}
  UNet(const UNetPlan& plan, const Layers& make)
      : trims(plan.trims),
        time1(make.linear(plan.base(), plan.embedding())),
        time2(make.linear(plan.embedding(), plan.embedding())),
        first(make.conv(plan.pixels, plan.base())),
        norm({.channels = plan.base(), .groups = 32}),
        last(make.conv(plan.base(), plan.pixels)) {
    const std::size_t deepest = plan.levels.size() - 1;
    std::vector<Index> skips = {plan.base()};
    Index c = plan.base();
    const auto add = [&](std::vector<Stage<Attention>>& to, Index in, Index out, bool attends) {
      to.emplace_back().block.emplace(in, out, make);
      if (attends) to.back().attention.emplace(out, make);
      c = out;
    };
    for (std::size_t i = 0; i <= deepest; ++i) {
      for (int block = 0; block < 2; ++block) {
        add(down, c, plan.levels[i].width, plan.levels[i].attends);
        skips.push_back(c);
      }
      if (i == deepest) continue;
      down.emplace_back().resize = make.conv(c, c, 3, 2);
      skips.push_back(c);
    }
    add(middle, c, c, true);
    add(middle, c, c, false);
    for (std::size_t i = deepest + 1; i-- > 0;) {
      for (int block = 0; block < 3; ++block) {
        add(up, c + skips.back(), plan.levels[i].width, plan.levels[i].attends);
        skips.pop_back();
      }
      if (i > 0) up.emplace_back().resize = make.conv(c, c);
    }
  }
  /// pictures [B, H, W, pixels], codes of time [B, base] -> [B, H, W, pixels]
  template <Value X, class... Condition>
  X operator()(const X& pictures, const X& code, const Condition&... condition) const {
    const X e = silu(time2(silu(time1(code))));
    X h = first(pictures);
    std::vector<X> skips = {h};
    const auto pass = [&](const Stage<Attention>& s) {
      h = (*s.block)(h, e);
      if (s.attention) h = (*s.attention)(h, condition...);
    };
    const auto resized = [this](const Stage<Attention>& s, const X& x) {
      if (trims) pool::trim();
      return (*s.resize)(x);
    };
    for (const auto& s : down) {
      if (s.resize)
        h = resized(s, h);
      else
        pass(s);
      skips.push_back(h);
    }
    for (const auto& s : middle) pass(s);
    for (const auto& s : up) {
      if (s.resize) {
        h = resized(s, upsample_nearest(h, 2));
        continue;
      }
      h = concat({h, skips.back()}, 3);
      skips.pop_back();
      pass(s);
    }
    return last(norm.silu(h));
  }
  static void members(auto& self, auto&& see) {
    see("time1", self.time1);
    see("time2", self.time2);
    see("first", self.first);
    see("down", self.down);
    see("middle", self.middle);
    see("up", self.up);
    see("norm", self.norm);
    see("last", self.last);
  }
};

struct OneHead {
  GroupNorm<float> norm;
  Linear<float> query, key, value, output;

  OneHead(Index c, const Layers& make)
      : norm({.channels = c, .groups = 32}),
        query(make.linear(c, c)),
        key(make.linear(c, c)),
        value(make.linear(c, c)),
        output(make.linear(c, c)) {}
  template <Value X>
  X operator()(const X& x) const {
    const Shape s = x.shape();
    const X h = reshape(norm(x), {s[0], s[1] * s[2], s[3]});
    return x + reshape(output(attention(query(h), key(h), value(h), AttentionOptions{.heads = 1})), s);
  }
  static void members(auto& self, auto&& see) {
    see("norm", self.norm);
    see("query", self.query);
    see("key", self.key);
    see("value", self.value);
    see("output", self.output);
  }
};

/// For 32 x 32 x 3: widths 64, 128, 128, one head of attention at 16 x 16 and 8 x 8.
struct Ddpm : UNet<OneHead> {
  static constexpr Index base = 64;
  explicit Ddpm(Rng& rng) : UNet({.pixels = 3, .levels = {{base, false}, {2 * base, true}, {2 * base, true}}}, rng) {}
};

}  // namespace bench_nets
