// The U-Net of DDPM (Ho et al., 2020, arXiv 2006.11239) on 32 x 32 x 3: widths 64, 128, 128, two residual blocks a level,
// one head of attention at 16 x 16 and 8 x 8. What is timed in training (unet.cpp) and in generation (bench/generation).
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

namespace bench_nets::ddpm {

using namespace tessera;

inline constexpr Index base = 64, embedding_width = 4 * base;

struct Residual {
  GroupNorm<float> norm1, norm2;
  Conv2d<float> conv1, conv2;
  Linear<float> time;
  std::optional<Conv2d<float>> skip;

  Residual(Index in, Index out, Rng& rng)
      : norm1({.channels = in, .groups = 32}),
        norm2({.channels = out, .groups = 32}),
        conv1({.in = in, .out = out}, rng),
        conv2({.in = out, .out = out}, rng),
        time({.in = embedding_width, .out = out}, rng) {
    if (in != out) skip.emplace(Conv2d<float>::Config{.in = in, .out = out, .kernel = 1}, rng);
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

struct OneHead {
  GroupNorm<float> norm;
  Linear<float> query, key, value, output;

  OneHead(Index c, Rng& rng)
      : norm({.channels = c, .groups = 32}),
        query({.in = c, .out = c}, rng),
        key({.in = c, .out = c}, rng),
        value({.in = c, .out = c}, rng),
        output({.in = c, .out = c}, rng) {}
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

struct Stage {
  std::optional<Residual> block;
  std::optional<OneHead> attention;
  std::optional<Conv2d<float>> resize;  // stride 2 on the way down; after doubling on the way up

  static void members(auto& self, auto&& see) {
    see("block", self.block);
    see("attention", self.attention);
    see("resize", self.resize);
  }
};

struct Ddpm {
  Linear<float> time1, time2;
  Conv2d<float> first;
  std::vector<Stage> down, middle, up;
  GroupNorm<float> norm{{.channels = base, .groups = 32}};
  Conv2d<float> last;
  explicit Ddpm(Rng& rng)
      : time1({.in = base, .out = embedding_width}, rng),
        time2({.in = embedding_width, .out = embedding_width}, rng),
        first({.in = 3, .out = base}, rng),
        last({.in = base, .out = 3}, rng) {
    const Index widths[] = {base, 2 * base, 2 * base};
    std::vector<Index> skips = {base};
    Index c = base;
    const auto add = [&](std::vector<Stage>& to, Index in, Index out, bool attends) {
      to.emplace_back().block.emplace(in, out, rng);
      if (attends) to.back().attention.emplace(out, rng);
      c = out;
    };
    for (int level = 0; level < 3; ++level) {
      for (int i = 0; i < 2; ++i) {
        add(down, c, widths[level], level > 0);
        skips.push_back(c);
      }
      if (level == 2) continue;
      down.emplace_back().resize.emplace(Conv2d<float>::Config{.in = c, .out = c, .stride = 2}, rng);
      skips.push_back(c);
    }
    add(middle, c, c, true);
    add(middle, c, c, false);
    for (int level = 2; level >= 0; --level) {
      for (int i = 0; i < 3; ++i) {
        add(up, c + skips.back(), widths[level], level > 0);
        skips.pop_back();
      }
      if (level > 0) up.emplace_back().resize.emplace(Conv2d<float>::Config{.in = c, .out = c}, rng);
    }
  }
  /// pictures [B, 32, 32, 3], codes of time [B, base] -> [B, 32, 32, 3]
  template <Value X>
  X operator()(const X& pictures, const X& code) const {
    const X e = silu(time2(silu(time1(code))));
    X h = first(pictures);
    std::vector<X> skips = {h};
    const auto pass = [&](const Stage& s) {
      h = (*s.block)(h, e);
      if (s.attention) h = (*s.attention)(h);
    };
    for (const Stage& s : down) {
      if (s.resize)
        h = (*s.resize)(h);
      else
        pass(s);
      skips.push_back(h);
    }
    for (const Stage& s : middle) pass(s);
    for (const Stage& s : up) {
      if (s.resize) {
        h = (*s.resize)(upsample_nearest(h, 2));
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

}  // namespace bench_nets::ddpm
