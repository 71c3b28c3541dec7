#include "examples/support/emoji_pixels.hpp"

#include <algorithm>
#include <cmath>

#include <tessera/autodiff/op/softmax.hpp>

#include "examples/support/rows.hpp"

namespace tessera::examples {

void EmojiPixels::read_with(ColourPalette colours, Tokenizer tokens, Index length) {
  palette = std::move(colours);
  tokenizer = std::move(tokens);
  words = length;
  pixels = palette.encode(set.pictures);
}

Tensor<std::int32_t> EmojiPixels::tokens(const std::vector<std::string>& texts) const {
  std::vector<std::string> normal;
  for (const std::string& t : texts) normal.push_back(normalise(t));
  return tokenizer.encode(std::span<const std::string>(normal), words);
}

CaptionedPixels EmojiPixels::of(std::span<const int> items, const std::vector<std::string>& texts) const {
  return {tokenizer.encode(std::span<const std::string>(texts), words), rows_of(pixels, items)};
}

CaptionedPixels EmojiPixels::draw(EpochSampler& sampler, const TrainStep& at) const {
  const Tensor<Index> places = sampler(at.batch);
  std::vector<int> items;
  std::vector<std::string> texts;
  for (Index i = 0; i < places.size(); ++i) {
    const auto word = static_cast<std::uint64_t>(i);
    items.push_back(split.train[static_cast<std::size_t>(places[i])]);
    texts.push_back(at.noise.unit(word) < unconditional ? "" : captions.draw(items.back(), at.noise.bits(word)));
  }
  return of(items, texts);
}

double EmojiPixels::bits(std::span<const int> items, const PixelLogits& logits) const {
  constexpr std::size_t together = 16;
  double sum = 0;
  for (std::size_t first = 0; first < items.size(); first += together) {
    const auto some = items.subspan(first, std::min(together, items.size() - first));
    std::vector<std::string> names;
    for (const int i : some) names.push_back(captions.canonical(i, Language::english));
    const CaptionedPixels batch = of(some, names);
    const Tensor<float> loss = cross_entropy(logits(batch.tokens, batch.pixels), batch.pixels);
    sum += static_cast<double>(loss.item()) * static_cast<double>(some.size());
  }
  return sum / static_cast<double>(items.size()) / std::log(2.0);
}

}  // namespace tessera::examples
