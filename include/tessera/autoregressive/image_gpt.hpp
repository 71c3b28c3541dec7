// A picture as a text of colours: every pixel is one of a palette's, they come in raster order, and a transformer
// predicts each from the caption and all pixels before it (image GPT: Chen et al., 2020, "Generative Pretraining from
// Pixels"; a text first and its picture after it in one sequence: DALL-E, Ramesh et al., 2021, arXiv 2102.12092).
//
//   places        0 .. words - 1        words                  words + 1 ...
//   what is read  the caption's tokens  the caption's summary  pixel 0, pixel 1, ...
//   predicted     nothing               pixel 0                pixel 1, pixel 2, ...
//
// The caption comes through a small text encoder (nn/text_encoder.hpp), which may be one that another model has learned
// with. The place of a pixel is that of the pixel to be predicted, a vector of its row plus one of its column.
//
// Different from the papers: a pixel is read together with those around the one to come, `reach` rows up and as many
// columns to each side; with a reach of 1 that is left above, above, right above. Attention can find them by itself, but
// needs thousands of steps and a layer for it. And a draft of the picture (image_draft.hpp, `draft` channels) may stand
// behind all of it: at each place its vector for the pixel to be predicted is added, and its logits to the
// transformer's, which then only has to improve on them.
//
// This is the network that trains; image_gpt_run.hpp paints with it. What it says without its blocks, sketch(), learns
// from eight times as many pictures a second, and is best learned first (examples/train_image_gpt.cpp).
#pragma once

#include <tessera/autodiff/op/permute.hpp>
#include <tessera/autoregressive/gpt.hpp>
#include <tessera/autoregressive/image_draft.hpp>
#include <tessera/nn/text_encoder.hpp>

namespace tessera::inline TESSERA_ISA {

struct ImageGptConfig {
  Index side = 32;      // pixels
  Index colours = 256;  // of the palette
  Index layers = 4, heads = 5, width = 160;
  Index words = 23;  // places for the tokens of a caption; what is longer is cut
  Index reach = 1;   // rows above the pixel to come, and columns to each side of it, that are read
  Index draft = 0;   // channels of the draft at full size; 0: there is none
  Index map = 0;     // channels of the draft's linear map; 0: it has none
  TextEncoderConfig text = {};

  Index pixels() const { return side * side; }
  /// Vectors before the first pixel: the tokens and their summary.
  Index prefix() const { return words + 1; }
  GptConfig gpt() const {
    return {.vocabulary = colours,
            .context = words + pixels(),
            .layers = layers,
            .heads = heads,
            .width = width,
            .positions = GptPositions::given,
            .bias = false};
  }
  ImageDraftConfig drafted() const {
    return {.side = side, .colours = colours, .channels = draft, .text = text.width, .width = width, .map = map};
  }
  /// Throws argument_error naming the field that makes no sense.
  void check() const {
    const auto want = [](bool good, const char* field, Index found, const std::string& wanted) {
      if (!good)
        throw argument_error(std::string("ImageGpt: ") + field + " is " + std::to_string(found) + ", wanted " + wanted);
    };
    want(side >= 2 && side <= 256, "side", side, "2 to 256");
    want(colours >= 2 && colours <= 512, "colours", colours, "2 to 512");
    want(words >= 2 && words <= text.length, "words", words,
         "2 to the text encoder's length, " + std::to_string(text.length));
    want(reach >= 1 && reach <= 16 && reach < side, "reach", reach, "1 to 16, and less than the side");
    want(draft >= 0 && draft <= 1024, "draft", draft, "0 to 1024");
    want(map >= 0 && map <= (draft > 0 ? 1024 : 0), "map", map, "0 to 1024, and 0 when there is no draft");
    gpt().check();
  }
};

/// Training noise.
struct ImageGptDropout {
  double blocks = 0;   // share of the transformer's numbers that are dropped, as GptDropout has it
  double caption = 0;  // share of the caption's numbers that the draft does not see: else it learns pictures by heart
  Noise noise = Noise{0};

  GptDropout of_blocks() const { return {blocks, noise.fork(0)}; }
  Dropout of_caption() const { return {caption, noise.fork(1)}; }
};

template <class T>
struct ImageGptNet {
  using Config = ImageGptConfig;

  Config config;
  TextEncoder<T> text;
  Linear<T> words, summary;           // from the text encoder's width to the transformer's
  LearnedPositions<T> word_places;    // [words, D]
  Parameter<T> rows, columns;         // [side, D]
  std::vector<Embedding<T>> earlier;  // [colours + 1, D] each, in the order of back(); the last row: none is there
  Gpt<T> gpt;
  std::optional<ImageDraft<T>> draft;

  ImageGptNet(const Config& c, Rng& rng)
      : config(checked(c)),
        text(c.text, rng),
        words({.in = c.text.width, .out = c.width}, rng),
        summary({.in = c.text.width, .out = c.width}, rng),
        word_places({.length = c.words, .width = c.width}, rng),
        rows{init::normal<T>({c.side, c.width}, 0.02, rng)},
        columns{init::normal<T>({c.side, c.width}, 0.02, rng)},
        gpt(c.gpt(), rng) {
    for (std::size_t i = 0; i < back(c).size(); ++i)
      earlier.emplace_back(typename Embedding<T>::Config{.count = c.colours + 1, .width = c.width}, rng);
    if (c.draft > 0) draft.emplace(c.drafted(), rng);
  }

  /// How far before the last pixel the others are that are read with it: those to its left, then row by row upwards,
  /// each from right to left. Across the picture's edge the row goes on in the next.
  static std::vector<Index> back(const Config& c) {
    std::vector<Index> all;
    for (Index left = 1; left < c.reach; ++left) all.push_back(left);
    for (Index up = 1; up <= c.reach; ++up) {
      for (Index left = -c.reach; left <= c.reach; ++left) all.push_back(up * c.side + left - 1);
    }
    return all;
  }

  /// Captions, as text(ids [B, words]) gives them, and their pictures' colours in raster order [B, N], N at most
  /// side^2 -> logits of each pixel given those before it, [B, N, colours].
  template <Value X>
  X operator()(const TextContext<X>& caption, const Tensor<std::int32_t>& pixels,
               const ImageGptDropout& dropped = {}) const {
    const Reading<X> r = read(caption, pixels, dropped);
    return hinted(over(concat({words(caption.tokens), r.vectors}, 1), dropped.of_blocks()), r);
  }

  /// What the network says without its blocks, the words of the caption unread: the logits that follow from the draft
  /// and the pixels around, of the same shape.
  template <Value X>
  X sketch(const TextContext<X>& caption, const Tensor<std::int32_t>& pixels,
           const ImageGptDropout& dropped = {}) const {
    const Reading<X> r = read(caption, pixels, dropped);
    return hinted(gpt.logits(r.vectors + slice(places(r.vectors), 0, config.words, config.words + pixels.extent(1))),
                  r);
  }

  /// What stands before the pixels, without its places: [B, words + 1, D].
  template <Value X>
  X prefix(const TextContext<X>& caption) const {
    check_words(caption);
    return concat({words(caption.tokens), summarised(caption)}, 1);
  }
  /// The vectors of all places, [words + side^2, D]; `like` says whether as Var or Tensor.
  template <Value X>
  X places(const X& like) const {
    const Index s = config.side, d = config.width;
    X grid = reshape(lift(like, rows), Shape{s, 1, d}) + reshape(lift(like, columns), Shape{1, s, d});
    return concat({X(lift(like, word_places.weight)), reshape(std::move(grid), Shape{s * s, d})}, 0);
  }

  static void members(auto& self, auto&& see) {
    see("text", self.text);
    see("words", self.words);
    see("summary", self.summary);
    see("word_places", self.word_places);
    see("rows", self.rows);
    see("columns", self.columns);
    see("earlier", self.earlier);
    see("gpt", self.gpt);
    see("draft", self.draft);
  }

 private:
  static const Config& checked(const Config& c) {
    c.check();
    return c;
  }
  /// Of N pixels: what is read before each of them, and the draft's logits.
  template <Value X>
  struct Reading {
    X vectors;              // [B, N, D]
    std::optional<X> hint;  // [B, N, colours]
  };
  template <Value X>
  Reading<X> read(const TextContext<X>& caption, const Tensor<std::int32_t>& pixels,
                  const ImageGptDropout& dropped) const {
    check_words(caption);
    if (pixels.rank() != 2 || pixels.extent(1) < 1 || pixels.extent(1) > config.pixels() ||
        pixels.extent(0) != caption.tokens.extent(0))
      throw shape_error("ImageGpt: pixels [" + std::to_string(caption.tokens.extent(0)) + ", N] with N from 1 to " +
                        std::to_string(config.pixels()) + " wanted, shape is " + pixels.shape().to_string());
    X x = summarised(caption);
    const Index n = pixels.extent(1);
    if (n > 1) {
      const Tensor<std::int32_t> before = slice(pixels, 1, 0, n - 1);
      const std::vector<Index> offsets = back(config);
      X seen = gpt.embedding(on_tape_of(x, before));
      for (std::size_t i = 0; i < earlier.size(); ++i)
        seen = seen + earlier[i](on_tape_of(x, delayed(before, offsets[i])));
      x = concat({x, seen}, 1);
    }
    if (!draft) return {std::move(x), std::nullopt};
    const PixelDraft<X> drafted = (*draft)(caption.pooled, dropped.of_caption());
    const auto begun = [n](const X& all) { return all.extent(1) == n ? all : slice(all, 1, 0, n); };
    return {x + begun(drafted.vectors), begun(drafted.logits)};
  }
  template <Value X>
  static X hinted(X logits, const Reading<X>& r) {
    return r.hint ? logits + *r.hint : logits;
  }
  template <Value X>
  X summarised(const TextContext<X>& caption) const {
    const X all = summary(caption.pooled);
    return reshape(all, Shape{all.extent(0), 1, config.width});
  }
  template <Value X>
  void check_words(const TextContext<X>& caption) const {
    if (caption.tokens.extent(1) != config.words)
      throw shape_error("ImageGpt: captions of " + std::to_string(config.words) + " tokens, padded, wanted; shape is " +
                        caption.tokens.shape().to_string());
  }
  template <Value X>
  X over(const X& x, const GptDropout& dropped) const {
    const X all = places(x);
    return gpt.over(x + (x.extent(1) == all.extent(0) ? all : slice(all, 0, 0, x.extent(1))), dropped, config.words);
  }
  template <Value X>
  static auto on_tape_of(const X& x, const Tensor<std::int32_t>& ids) {
    if constexpr (depth_of<X> == 0)
      return ids;
    else
      return x.tape()->ids(ids);
  }
  /// The pixel `back` places before each, or the unit that stands for none.
  Tensor<std::int32_t> delayed(const Tensor<std::int32_t>& pixels, Index back) const {
    Tensor<std::int32_t> moved(pixels.shape(), static_cast<std::int32_t>(config.colours));
    std::int32_t* to = moved.data();
    const Index n = pixels.extent(1);
    for (Index i = 0; i < pixels.size(); ++i) {
      if (i % n >= back) to[i] = pixels[i - back];
    }
    return moved;
  }
};

}  // namespace tessera::inline TESSERA_ISA
