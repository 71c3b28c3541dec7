// The U-Net of Stable Diffusion 1.5 (Rombach et al., 2021, arXiv 2112.10752) in its full size, 860 M parameters: one step of
// it on latents of 64 x 64 x 4 under 77 vectors of text.
//
// Its weights are 3.4 GB, and what is asked for is time and peak memory: a file of them would have to be held beside the
// network. So both sides compute them, number by number, from the place a number has; the file says what there is.
#include <cmath>
#include <tessera/autodiff/op/gelu.hpp>

#include "bench/generation/subject.hpp"
#include "bench/unet.hpp"

namespace generation {
namespace {

using bench_nets::Layers;
using Value = Tensor<float>;

constexpr Index base = 320, context_width = 768, heads = 8;

/// x [1, T, C] attends to itself or to the text [1, S, context_width].
struct Attend {
  LayerNorm<float> norm;
  Linear<float> query, key, value, output;

  Attend(Index c, Index from, const Layers& make)
      : norm({.width = c}),
        query(make.linear(c, c, false)),
        key(make.linear(from, c, false)),
        value(make.linear(from, c, false)),
        output(make.linear(c, c)) {}
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

  Spatial(Index c, const Layers& make)
      : norm({.channels = c, .groups = 32}),
        first(make.linear(c, c)),
        self_attention(c, c, make),
        cross_attention(c, context_width, make),
        norm3({.width = c}),
        up(make.linear(c, 4 * c)),
        gate(make.linear(c, 4 * c)),
        down(make.linear(4 * c, c)),
        last(make.linear(c, c)) {}
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

struct LatentUNet : bench_nets::UNet<Spatial> {
  explicit LatentUNet(Rng rng)
      : UNet({.pixels = 4,
              .levels = {{base, true}, {2 * base, true}, {4 * base, true}, {4 * base, false}},
              .zero = true,  // until fill() below
              .trims = true},
             rng) {}
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
  const LatentUNet net(Rng(1));
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
  const auto net = std::make_shared<LatentUNet>(Rng(1));
  fill(*net);
  const Value x = file.get<float>("x"), t = file.get<float>("t"), text = file.get<float>("text");
  return {[=] { return (*net)(x, t, text); }, [=] { (*net)(x, t, text); }};
}

}  // namespace

std::vector<Entry> latents() { return {{"unet_860m", "step/s", 1, "unet_860m", save, load}}; }

}  // namespace generation
