// The U-Net of diffusion models (Ronneberger et al., 2015, arXiv 1505.04597; Ho et al., 2020, arXiv 2006.11239), conditioned on
// an embedding of time (and of the pooled text), and on a sequence of text vectors by cross-attention at chosen levels
// (Rombach et al., 2021, arXiv 2112.10752). With patch > 1 it works on p x p blocks of pixels, which saves p^2 of the top level.
#pragma once

#include <tessera/nn/patch.hpp>
#include <tessera/nn/residual.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera::inline TESSERA_ISA {

/// Self-attention over all positions of a picture, then cross-attention to the context, then nothing: [B, H, W, C]
/// kept.
template <class T>
struct SpatialAttention {
  struct Config {
    Index channels = 1, context = 0;  // context 0: self-attention only
    Index head_width = 32;
  };

  LayerNorm<T> norm1;
  Attention<T> self;
  std::optional<LayerNorm<T>> norm2;
  std::optional<Attention<T>> cross;

  SpatialAttention(Config c, Rng& rng)
      : norm1({.width = c.channels}), self({.width = c.channels, .heads = heads(c), .zero = true}, rng) {
    if (c.context == 0) return;
    norm2.emplace(typename LayerNorm<T>::Config{.width = c.channels});
    cross.emplace(
        typename Attention<T>::Config{.width = c.channels, .context_width = c.context, .heads = heads(c), .zero = true},
        rng);
  }

  /// context [B, S, context] or empty; keep [B, S].
  template <Value X>
  X operator()(const X& x, const X& context, const Tensor<std::uint8_t>& keep) const {
    const Shape shape = x.shape();
    X h = reshape(x, {shape[0], shape[1] * shape[2], shape[3]});
    h = h + self(norm1(h));
    if (cross) h = h + (*cross)((*norm2)(h), context, keep);
    return reshape(h, shape);
  }

  static void members(auto& self_, auto&& see) {
    see("norm1", self_.norm1);
    see("self", self_.self);
    see("norm2", self_.norm2);
    see("cross", self_.cross);
  }

 private:
  static Index heads(const Config& c) { return c.channels % c.head_width == 0 ? c.channels / c.head_width : 1; }
};

struct UNetConfig {
  Index in = 3, out = 3;
  Index patch = 1;                               // pixels a side that make one position
  std::vector<Index> channels = {64, 128, 256};  // a level each, halving the resolution from one to the next
  Index blocks = 1;                              // residual blocks a level on the way down (one more on the way up)
  std::vector<bool> attention = {};              // levels with attention; empty: none but the middle
  Index embedding = 256;  // width of the time (and pooled condition) embedding given to operator()
  Index context = 0;      // width of the text vectors; 0: no cross-attention
};

template <class T>
struct UNet {
  using Config = UNetConfig;

  struct Step {  // one place on the way: a block, attention after it, or a change of resolution
    std::optional<ResidualBlock<T>> block;
    std::optional<SpatialAttention<T>> attention;
    std::optional<Downsample<T>> down;
    std::optional<Upsample<T>> up;
    static void members(auto& self, auto&& see) {
      see("block", self.block);
      see("attention", self.attention);
      see("down", self.down);
      see("up", self.up);
    }
  };

  Conv2d<T> first;
  std::vector<Step> downward, upward;  // made all at once: nothing of them is ever moved
  ResidualBlock<T> middle1;
  SpatialAttention<T> middle_attention;
  ResidualBlock<T> middle2;
  GroupNorm<T> norm;
  Conv2d<T> last;
  Index patch;

  UNet(const Config& c, Rng& rng)
      : first({.in = c.in * c.patch * c.patch, .out = check(c).channels.front()}, rng),
        downward(steps(c, c.blocks)),
        upward(steps(c, c.blocks + 1)),
        middle1({.in = c.channels.back(), .out = c.channels.back(), .embedding = c.embedding}, rng),
        middle_attention({.channels = c.channels.back(), .context = c.context}, rng),
        middle2({.in = c.channels.back(), .out = c.channels.back(), .embedding = c.embedding}, rng),
        norm({.channels = c.channels.front(), .groups = detail::groups_for(c.channels.front())}),
        last({.in = c.channels.front(), .out = c.out * c.patch * c.patch, .zero = true}, rng),
        patch(c.patch) {
    const Index levels = static_cast<Index>(c.channels.size());
    std::vector<Index> skips = {c.channels.front()};
    Index width = c.channels.front();
    const auto at = [](const auto& v, Index i) { return v[static_cast<std::size_t>(i)]; };
    const auto fill = [&](Step& s, Index in, Index level) {
      s.block.emplace(
          typename ResidualBlock<T>::Config{.in = in, .out = at(c.channels, level), .embedding = c.embedding}, rng);
      if (!c.attention.empty() && at(c.attention, level))
        s.attention.emplace(
            typename SpatialAttention<T>::Config{.channels = at(c.channels, level), .context = c.context}, rng);
      width = at(c.channels, level);
    };
    auto next = downward.begin();
    for (Index level = 0; level < levels; ++level) {
      for (Index i = 0; i < c.blocks; ++i) {
        fill(*next++, width, level);
        skips.push_back(width);
      }
      if (level + 1 < levels) {
        next++->down.emplace(typename Downsample<T>::Config{.in = width, .out = width}, rng);
        skips.push_back(width);
      }
    }
    next = upward.begin();
    for (Index level = levels - 1; level >= 0; --level) {
      for (Index i = 0; i <= c.blocks; ++i) {
        fill(*next++, width + skips.back(), level);
        skips.pop_back();
      }
      if (level > 0) next++->up.emplace(typename Upsample<T>::Config{.in = width, .out = width}, rng);
    }
  }

  /// x [B, H, W, in], embedding [B, E] (before its activation), context [B, S, context] with keep [B, S] -> [B, H, W,
  /// out]. H and W are multiples of patch times 2^(levels - 1). Throws shape_error.
  template <Value X>
  X operator()(const X& x, const X& embedding, const X& context = {}, const Tensor<std::uint8_t>& keep = {}) const {
    const Index unit = patch << (level_count() - 1);
    if (x.rank() != 4 || x.extent(1) % unit != 0 || x.extent(2) % unit != 0)
      throw shape_error("UNet: pictures [B, H, W, C] with sides that are multiples of " + std::to_string(unit) +
                        " wanted, shape is " + x.shape().to_string());
    const X e = silu(embedding);
    X h = first(patchify(x, patch));
    std::vector<X> skips = {h};
    for (const Step& s : downward) {
      h = s.down ? (*s.down)(h) : (*s.block)(h, e);
      if (s.attention) h = (*s.attention)(h, context, keep);
      skips.push_back(h);
    }
    h = middle2(middle_attention(middle1(h, e), context, keep), e);
    for (const Step& s : upward) {
      if (s.up) {
        h = (*s.up)(h);
        continue;
      }
      h = (*s.block)(concat({h, skips.back()}, 3), e);
      skips.pop_back();
      if (s.attention) h = (*s.attention)(h, context, keep);
    }
    return unpatchify(last(norm.silu(h)), patch);
  }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("down", self.downward);
    see("middle1", self.middle1);
    see("middle_attention", self.middle_attention);
    see("middle2", self.middle2);
    see("up", self.upward);
    see("norm", self.norm);
    see("last", self.last);
  }

 private:
  /// Steps of one way, with so many blocks a level and a change of resolution between levels.
  static std::size_t steps(const Config& c, Index blocks) {
    return c.channels.size() * static_cast<std::size_t>(blocks + 1) - 1;
  }
  Index level_count() const {
    Index n = 1;
    for (const Step& s : downward) n += s.down ? 1 : 0;
    return n;
  }
  static const Config& check(const Config& c) {
    if (c.channels.empty() || c.patch < 1 || c.blocks < 1 || c.embedding < 1)
      throw argument_error("UNet: at least one level, patch, blocks and embedding of at least 1 are needed");
    if (!c.attention.empty() && c.attention.size() != c.channels.size())
      throw argument_error("UNet: attention names " + std::to_string(c.attention.size()) + " levels of " +
                           std::to_string(c.channels.size()));
    return c;
  }
};

}  // namespace tessera::inline TESSERA_ISA
