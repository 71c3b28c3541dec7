// The network of a text-conditioned picture model: a text encoder, an embedding of time and text, and a U-Net that attends to the
// words. predict(x, t, context) -> velocity, for flow matching.
#pragma once

#include <tessera/nn/text_encoder.hpp>
#include <tessera/nn/unet.hpp>

namespace tessera::inline TESSERA_ISA {

struct TextUNetConfig {
  Index side = 32, channels = 3;  // pictures [B, side, side, channels] in [-1, 1]
  Index patch = 2;
  std::vector<Index> widths = {64, 96, 128};  // of the U-Net's levels
  std::vector<bool> attention = {false, true, true};
  Index blocks = 1;
  Index embedding = 256;  // of time and text together
  TextEncoderConfig text = {};
};

template <class T>
struct TextUNet {
  using Config = TextUNetConfig;

  TextEncoder<T> text;
  Linear<T> time1, time2, pooled;
  UNet<T> unet;

  TextUNet(const Config& c, Rng& rng)
      : text(c.text, rng),
        time1({.in = time_features, .out = c.embedding}, rng),
        time2({.in = c.embedding, .out = c.embedding}, rng),
        pooled({.in = c.text.width, .out = c.embedding}, rng),
        unet({.in = c.channels,
              .out = c.channels,
              .patch = c.patch,
              .channels = c.widths,
              .blocks = c.blocks,
              .attention = c.attention,
              .embedding = c.embedding,
              .context = c.text.width},
             rng) {}

  /// x [B, H, W, C] at times t [B] in [0, 1] under a context of B texts -> velocity [B, H, W, C].
  template <Value X>
  X operator()(const X& x, const Tensor<T>& t, const TextContext<X>& context) const {
    const X features = lift(x, sinusoids(t * T(1000), time_features));
    const X embedding = time2(silu(time1(features))) + pooled(context.pooled);
    return unet(x, embedding, context.tokens, context.keep);
  }

  static void members(auto& self, auto&& see) {
    see("text", self.text);
    see("time1", self.time1);
    see("time2", self.time2);
    see("pooled", self.pooled);
    see("unet", self.unet);
  }

 private:
  static constexpr Index time_features = 128;
};

}  // namespace tessera::inline TESSERA_ISA
