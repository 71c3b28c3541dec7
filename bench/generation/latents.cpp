// The U-Net of Stable Diffusion 1.5 (Rombach et al., 2021, arXiv 2112.10752) in its full size, 860 M parameters: one step of
// it on latents of 64 x 64 x 4 under 77 vectors of text.
//
// Its weights are 3.4 GB, and what is asked for is time and peak memory: a file of them would have to be held beside the
// network. So both sides compute them, number by number, from the place a number has; the file says what there is.
#include <cmath>
#include <optional>
#include <tessera/autodiff/op/attention.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/upsample.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/norm.hpp>

#include "bench/generation/subject.hpp"

namespace generation {
namespace {

using Value = Tensor<float>;

constexpr Index base = 320, embedding_width = 1280, context_width = 768, heads = 8;

// Everything starts at zero, which takes no memory beside the weights, until fill() below.
struct Start {
  Rng rng{1};
  Linear<float> linear(Index in, Index out, bool bias = true) {
    return Linear<float>({.in = in, .out = out, .bias = bias, .zero = true}, rng);
  }
  Conv2d<float> conv(Index in, Index out, Index kernel = 3, Index stride = 1) {
    return Conv2d<float>({.in = in, .out = out, .kernel = kernel, .stride = stride, .zero = true}, rng);
  }
};

struct Residual {
  GroupNorm<float> norm1, norm2;
  Conv2d<float> conv1, conv2;
  Linear<float> time;
  std::optional<Conv2d<float>> skip;

  Residual(Index in, Index out, Start& start)
      : norm1({.channels = in, .groups = 32}),
        norm2({.channels = out, .groups = 32}),
        conv1(start.conv(in, out)),
        conv2(start.conv(out, out)),
        time(start.linear(embedding_width, out)) {
    if (in != out) skip = start.conv(in, out, 1);
  }
  Value operator()(const Value& x, const Value& e) const {
    const Value h = conv1.shifted(norm1.silu(x), time(e));
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

/// x [1, T, C] attends to itself or to the text [1, S, context_width].
struct Attend {
  LayerNorm<float> norm;
  Linear<float> query, key, value, output;

  Attend(Index c, Index from, Start& start)
      : norm({.width = c}),
        query(start.linear(c, c, false)),
        key(start.linear(from, c, false)),
        value(start.linear(from, c, false)),
        output(start.linear(c, c)) {}
  Value operator()(const Value& x, const Value* context) const {
    const Value h = norm(x), from = context ? *context : h;
    return output(attention(query(h), key(from), value(from), AttentionOptions{.heads = heads})) + x;
  }
  static void members(auto& self, auto&& see) {
    see("norm", self.norm);
    see("q", self.query);
    see("k", self.key);
    see("v", self.value);
    see("output", self.output);
  }
};

/// A transformer's block over the places of a picture: to itself, to the text, and a gated product.
struct Spatial {
  GroupNorm<float> norm;
  Linear<float> first;
  Attend self_attention, cross_attention;
  LayerNorm<float> norm3;
  Linear<float> up, gate, down, last;

  Spatial(Index c, Start& start)
      : norm({.channels = c, .groups = 32}),
        first(start.linear(c, c)),
        self_attention(c, c, start),
        cross_attention(c, context_width, start),
        norm3({.width = c}),
        up(start.linear(c, 4 * c)),
        gate(start.linear(c, 4 * c)),
        down(start.linear(4 * c, c)),
        last(start.linear(c, c)) {}
  Value operator()(const Value& x, const Value& text) const {
    const Shape s = x.shape();
    Value h = first(reshape(norm(x), {1, s[1] * s[2], s[3]}));
    h = cross_attention(self_attention(h, nullptr), &text);
    const Value n = norm3(h);
    h = down(gelu(gate(n)) * up(n)) + std::move(h);
    return reshape(last(h), s) + x;
  }
  static void members(auto& self, auto&& see) {
    see("norm", self.norm);
    see("first", self.first);
    see("self", self.self_attention);
    see("cross", self.cross_attention);
    see("norm3", self.norm3);
    see("up", self.up);
    see("gate", self.gate);
    see("down", self.down);
    see("last", self.last);
  }
};

struct Stage {
  std::optional<Residual> block;
  std::optional<Spatial> attention;
  std::optional<Conv2d<float>> resize;  // stride 2 on the way down; after doubling on the way up

  static void members(auto& self, auto&& see) {
    see("block", self.block);
    see("attention", self.attention);
    see("resize", self.resize);
  }
};

struct LatentUNet {
  Linear<float> time1, time2;
  Conv2d<float> first;
  std::vector<Stage> down, middle, up;
  GroupNorm<float> norm{{.channels = base, .groups = 32}};
  Conv2d<float> last;

  explicit LatentUNet(Start start)
      : time1(start.linear(base, embedding_width)),
        time2(start.linear(embedding_width, embedding_width)),
        first(start.conv(4, base)),
        last(start.conv(base, 4)) {
    const Index widths[] = {base, 2 * base, 4 * base, 4 * base};
    std::vector<Index> skips = {base};
    Index c = base;
    const auto add = [&](std::vector<Stage>& to, Index in, Index out, bool attends) {
      to.emplace_back().block.emplace(in, out, start);
      if (attends) to.back().attention.emplace(out, start);
      c = out;
    };
    for (int level = 0; level < 4; ++level) {
      for (int i = 0; i < 2; ++i) {
        add(down, c, widths[level], level < 3);
        skips.push_back(c);
      }
      if (level == 3) continue;
      down.emplace_back().resize = start.conv(c, c, 3, 2);
      skips.push_back(c);
    }
    add(middle, c, c, true);
    add(middle, c, c, false);
    for (int level = 3; level >= 0; --level) {
      for (int i = 0; i < 3; ++i) {
        add(up, c + skips.back(), widths[level], level < 3);
        skips.pop_back();
      }
      if (level > 0) up.emplace_back().resize = start.conv(c, c);
    }
  }
  /// latents [1, 64, 64, 4], code of time [1, base], text [1, 77, context_width] -> [1, 64, 64, 4]
  Value operator()(const Value& latents, const Value& code, const Value& text) const {
    const Value e = silu(time2(silu(time1(code))));
    Value h = first(latents);
    std::vector<Value> skips = {h};
    const auto pass = [&](const Stage& s) {
      h = (*s.block)(h, e);
      if (s.attention) h = (*s.attention)(h, text);
    };
    const auto resized = [](const Stage& s, const Value& x) {
      pool::trim();  // what the pool kept has the sizes of the level before: memory is what counts here
      return (*s.resize)(x);
    };
    for (const Stage& s : down) {
      if (s.resize)
        h = resized(s, h);
      else
        pass(s);
      skips.push_back(h);
    }
    for (const Stage& s : middle) pass(s);
    for (const Stage& s : up) {
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

/// Number i of parameter k in [-1, 1): MurmurHash3's finalizer (Appleby, 2011) of its place, as the twin computes it.
float scattered(std::uint32_t k, std::uint32_t i) {
  std::uint32_t h = i * 0x9E3779B1U + k * 0x85EBCA77U;
  h = (h ^ (h >> 16)) * 0x85EBCA6BU;
  h = (h ^ (h >> 13)) * 0xC2B2AE35U;
  return static_cast<float>((h ^ (h >> 16)) >> 8) * 0x1p-23F - 1.0F;
}

/// Weights of deviation 1 / sqrt(inputs), gains about 1, small biases.
void fill(LatentUNet& net) {
  std::uint32_t k = 0;
  for_each_parameter(net, [&](const std::string& path, auto& p) {
    const Shape s = p.value.shape();
    const Index inputs = s.rank() == 2 ? s[1] : s.rank() == 4 ? s[0] * s[1] * s[2] : 300;
    const float bound = static_cast<float>(std::sqrt(3.0 / static_cast<double>(inputs)));
    const float middle = s.rank() == 1 && path.ends_with("weight") ? 1.0F : 0.0F;
    float* to = p.value.data();
    kernel::parallel_for(p.value.size(), 1 << 16, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] = middle + bound * scattered(k, static_cast<std::uint32_t>(i));
    });
    ++k;
  });
}

void save(Safetensors& file) {
  const LatentUNet net{Start{}};
  std::string shapes;  // "net.time1.weight 1280 320;..."
  for_each_parameter(net, [&](const std::string& path, const auto& p) {
    shapes += (shapes.empty() ? "net." : ";net.") + path;
    for (int i = 0; i < p.value.rank(); ++i) shapes += ' ' + std::to_string(p.value.extent(i));
  });
  file.metadata["shapes"] = shapes;
  file.put("x", Noise{2}.normal<float>({1, 64, 64, 4}));
  file.put("t", Noise{4}.normal<float>({1, base}));
  file.put("text", Noise{6}.normal<float>({1, 77, context_width}));
}

Subject load(const Safetensors& file) {
  const auto net = std::make_shared<LatentUNet>(Start{});
  fill(*net);
  const Value x = file.get<float>("x"), t = file.get<float>("t"), text = file.get<float>("text");
  return {[=] { return (*net)(x, t, text); }, [=] { (*net)(x, t, text); }};
}

}  // namespace

std::vector<Entry> latents() { return {{"unet_860m", "step/s", 1, "unet_860m", save, load}}; }

}  // namespace generation
