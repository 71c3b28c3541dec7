// A whole picture at once, from what its caption means: a draft that an image GPT paints over (image_gpt.hpp).
//
//   features = a small convolutional decoder of the caption's vector               [B, side^2, channels]
//   features = [features, silu(M e)]     with `map`: another linear map of it      [B, side^2, channels + map]
//   logits = head(features)              what colour to expect at each pixel       [B, side^2, colours]
//   vectors = places(features)           what the transformer is told at each one  [B, side^2, D]
//
// Why: a transformer over pixels sees a few pictures a second while it learns, and spends nearly all of that on how
// pixels follow each other. The draft needs no order and costs little, so that it can see many times as many pictures
// and learn what each caption looks like. Both together are an autoregressive model still: the draft knows the caption
// only. Its logits are terms of a sum that learn with the others (ImageGptNet::sketch), no distribution by themselves.
//
// The decoder: residual blocks, each told the caption by scale and shift (nn/residual.hpp), from a grid of 4 x 4 (of
// the side halved while it is even and above 4) up to the full side; the last two doublings halve the channels. The
// linear map (e is the caption's embedding, M one matrix of a row a pixel and channel, as in pixel_cnn.hpp) knows nothing
// of shapes: it is there for what belongs to one caption only, and wants its dropout.
#pragma once

#include <tessera/autodiff/op/permute.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/dropout.hpp>
#include <tessera/nn/residual.hpp>

namespace tessera::inline TESSERA_ISA {

struct ImageDraftConfig {
  Index side = 32, colours = 256;
  Index channels = 32;  // at full size; 4 times as many at a quarter of it and below
  Index text = 128;     // width of the caption's vector
  Index width = 160;    // D
  Index map = 0;        // channels of the linear map; 0: there is none

  /// Numbers a pixel that head and places read.
  Index read() const { return channels + map; }
  /// How often the grid that it begins with is doubled.
  Index doublings() const {
    Index n = 0;
    for (Index s = side; s > 4 && s % 2 == 0; s /= 2) ++n;
    return n;
  }
  /// Of the block before which `left` doublings are still to come.
  Index channels_at(Index left) const { return channels << (left < 2 ? left : 2); }
  Index embedding() const { return 2 * text; }
  void check() const {
    const ConfigCheck check{"ImageDraft"};
    check.within("side", side, 2, 256);
    check.within("colours", colours, 2, 512);
    check.within("channels", channels, 1, 1024);
    check.within("text", text, 1, 8192);
    check.within("width", width, 1, 8192);
    check.within("map", map, 0, 1024);
  }
};

/// What a draft says of each pixel.
template <Value X>
struct PixelDraft {
  X vectors;  // [B, side^2, D]
  X logits;   // [B, side^2, colours]
};

template <class T>
struct ImageDraft {
  using Config = ImageDraftConfig;

  Config config;
  Linear<T> caption, start;              // [B, text] -> [B, embedding] -> the first grid
  std::vector<ResidualBlock<T>> blocks;  // at each size
  std::vector<Linear<T>> narrow;         // between two sizes
  GroupNorm<T> norm;
  std::optional<Linear<T>> map;  // [B, embedding] -> [B, side^2 map]
  Linear<T> places, head;

  ImageDraft(const Config& c, Rng& rng)
      : config(checked(c)),
        caption({.in = c.text, .out = c.embedding()}, rng),
        start({.in = c.embedding(), .out = first(c) * first(c) * c.channels_at(c.doublings())}, rng),
        norm({.channels = c.channels, .groups = detail::groups_for(c.channels)}),
        places({.in = c.read(), .out = c.width, .bias = false}, rng),
        head({.in = c.read(), .out = c.colours}, rng) {
    for (Index left = c.doublings(); left >= 0; --left) {
      const Index n = c.channels_at(left);
      blocks.emplace_back(typename ResidualBlock<T>::Config{.in = n, .out = n, .embedding = c.embedding()}, rng);
      if (left > 0) narrow.emplace_back(typename Linear<T>::Config{.in = n, .out = c.channels_at(left - 1)}, rng);
    }
    if (c.map > 0) {
      map.emplace(typename Linear<T>::Config{.in = c.embedding(), .out = c.side * c.side * c.map}, rng);
      map->weight.value = init::normal<T>(map->weight.value.shape(), 0.02, rng);  // no patterns to begin with
    }
    places.weight.value = init::normal<T>(places.weight.value.shape(), 0.02, rng);  // as loud as the embeddings
  }

  /// pooled [B, text] (nn/text_encoder.hpp).
  template <Value X>
  PixelDraft<X> operator()(const X& pooled, const Dropout& dropped = {}) const {
    X m = features(pooled, dropped);
    X vectors = places(m);
    return {std::move(vectors), head(m)};
  }
  /// [B, side^2, channels + map]
  template <Value X>
  X features(const X& pooled, Dropout dropped = {}) const {
    if (pooled.shape().rank() != 2 || pooled.extent(1) != config.text)
      throw shape_error("ImageDraft: captions [B, " + std::to_string(config.text) + "] wanted, shape is " +
                        pooled.shape().to_string());
    const Index b = pooled.extent(0), s = first(config);
    const X e = dropped(silu(caption(pooled)));
    X x = reshape(start(e), Shape{b, s, s, config.channels_at(config.doublings())});
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i > 0) x = upsample_nearest(narrow[i - 1](x), 2);
      x = blocks[i](x, e);
    }
    const Index n = config.side * config.side;
    X drawn = reshape(norm.silu(x), Shape{b, n, config.channels});
    return map ? concat({std::move(drawn), reshape(silu((*map)(e)), Shape{b, n, config.map})}, 2) : drawn;
  }

  static void members(auto& self, auto&& see) {
    see("caption", self.caption);
    see("start", self.start);
    see("blocks", self.blocks);
    see("narrow", self.narrow);
    see("norm", self.norm);
    see("map", self.map);
    see("places", self.places);
    see("head", self.head);
  }

 private:
  static Index first(const Config& c) { return c.side >> c.doublings(); }
};

}  // namespace tessera::inline TESSERA_ISA
