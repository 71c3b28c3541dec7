// Emoji as a text of colours, for models that make them pixel by pixel after a caption: the same pictures, palette,
// captions and measure for all, so that their figures compare.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tessera/train/config.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/unit/colour_palette.hpp>
#include <tessera/unit/token.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/emoji.hpp"

namespace tessera::examples {

struct CaptionedPixels {
  Tensor<std::int32_t> tokens, pixels;  // [B, words], [B, side^2]
};

/// Of tokens [B, words] and pixels [B, side^2]: [..., colours], a pixel's in raster order.
using PixelLogits = std::function<Tensor<float>(const Tensor<std::int32_t>&, const Tensor<std::int32_t>&)>;

struct EmojiPixels {
  static constexpr int side = 32;
  static constexpr double unconditional = 0.1;  // share of the captions left empty, for classifier-free guidance

  EmojiSet set = read_emoji({.side = side, .flags = false});
  Split split = split_emoji(set.items);
  Captions captions{set.items};
  ColourPalette palette;
  Tokenizer tokenizer;
  Index words = 0;              // tokens a caption, padded or cut
  Tensor<std::int32_t> pixels;  // [N, side^2]

  EmojiPixels() = default;
  EmojiPixels(const EmojiPixels&) = delete;  // the captions refer to the items

  /// What pictures and captions become units by; to be called before all that follows.
  void read_with(ColourPalette colours, Tokenizer tokens, Index length);

  /// Texts, normalised, as the data's captions are: [texts, words].
  Tensor<std::int32_t> tokens(const std::vector<std::string>& texts) const;

  /// Pictures to learn, each with one of its captions or, now and then, with none.
  CaptionedPixels draw(EpochSampler& sampler, const TrainStep& at) const;

  /// Bits a pixel of some pictures under their English names.
  double bits(std::span<const int> items, const PixelLogits& logits) const;

 private:
  CaptionedPixels of(std::span<const int> items, const std::vector<std::string>& texts) const;
};

}  // namespace tessera::examples
