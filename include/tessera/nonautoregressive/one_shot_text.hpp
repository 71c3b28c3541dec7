// Text in one pass: every unit of the answer at once, each on its own given the source. A transformer encoder reads, decoder blocks
// that look both ways answer at as many places as are asked for (Gu et al., 2017, arXiv 1711.02281).
//
//             places for a source of S units        what they say
//   length    L, itself predicted from the source   unit i each                            p(L | x) prod p(y_i | x, L)
//   fixed     as many as an answer can have         unit i, the end, and then anything     prod p(y_i | x), cut at the end
//   ctc       upsample S                            units and blanks, to be merged         Libovicky and Helcl, 2018, arXiv 1811.04719
//
// What a place knows at first is what the encoder says of one unit of the source, the uniform copy of Gu et al., and its number.
// Units of the answer do not see each other's choice: where several answers are right, one half of one may be put beside one
// half of another. one_shot_loss.hpp trains it, one_shot_writer.hpp writes with it.
//
// Unit 0 of the source is padding; unit 0 of the answer is the end (fixed), the blank (ctc), or unused (length).
#pragma once

#include <tessera/nn/config_check.hpp>
#include <tessera/nn/decoder_block.hpp>
#include <tessera/nn/text_encoder.hpp>

namespace tessera::inline TESSERA_ISA {

enum class OneShotKind { length, fixed, ctc };

struct OneShotTextConfig {
  OneShotKind kind = OneShotKind::length;
  Index source_units = 32, target_units = 64;    // vocabularies, unit 0 included
  Index source_length = 32, target_length = 32;  // units at most; for `fixed`, the end is one
  Index width = 128, heads = 4, layers = 3;      // layers of each half
  Index upsample = 2;                            // places for each unit of the source, for `ctc`

  Index most_places() const { return kind == OneShotKind::ctc ? upsample * source_length : target_length; }

  /// Throws argument_error naming the field that makes no sense.
  void check() const {
    const ConfigCheck check{"OneShotText"};
    check_halves(check, *this);
    check.within("upsample", upsample, 1, 64);
  }
  /// Every number with its name, for files.
  static void fields(auto& self, auto&& see) {
    see("source_units", self.source_units);
    see("target_units", self.target_units);
    see("source_length", self.source_length);
    see("target_length", self.target_length);
    see("width", self.width);
    see("heads", self.heads);
    see("layers", self.layers);
    see("upsample", self.upsample);
  }
};

template <class T>
struct OneShotText {
  using Config = OneShotTextConfig;

  Config config;
  TextEncoder<T> encoder;
  std::optional<Linear<T>> length;  // [target_length + 1, D]: how long the answer is, for `length`
  LearnedPositions<T> positions;    // [most_places, D]
  std::vector<DecoderBlock<T>> blocks;
  LayerNorm<T> norm;
  Linear<T> head;  // [target_units, D]

  OneShotText(const Config& c, Rng& rng)
      : config(checked(c)),
        encoder({.vocabulary = c.source_units,
                 .length = c.source_length,
                 .width = c.width,
                 .heads = c.heads,
                 .layers = c.layers},
                rng),
        positions({.length = c.most_places(), .width = c.width}, rng),
        norm({.width = c.width}),
        head({.in = c.width, .out = c.target_units}, rng) {
    if (c.kind == OneShotKind::length)
      length.emplace(typename Linear<T>::Config{.in = c.width, .out = c.target_length + 1}, rng);
    for (Index i = 0; i < c.layers; ++i)
      blocks.emplace_back(typename DecoderBlock<T>::Config{.width = c.width, .heads = c.heads, .causal = false}, rng);
  }

  /// What is read of sources [B, S], 0 is padding.
  template <Ids I>
  auto read(const I& source, Dropout& drop) const {
    return encoder(source, drop);
  }
  /// The logits of 0 ... target_length units, [B, target_length + 1], from the mean of what is said of each unit. Only
  /// for `length`.
  template <Value X>
  X lengths(const TextContext<X>& memory) const {
    if (!length) throw argument_error("OneShotText: only the kind `length` predicts one");
    const Index b = memory.keep.extent(0), s = memory.keep.extent(1);
    Tensor<T> share(Shape{b, 1, s});  // a product of matrices, as its sums do not depend on the padding behind
    for (Index i = 0; i < b; ++i) {
      Index units = 0;
      for (Index k = 0; k < s; ++k) units += memory.keep[i * s + k];
      for (Index k = 0; k < s; ++k)
        share.data()[i * s + k] = memory.keep[i * s + k] != 0 ? T(1) / static_cast<T>(units) : T(0);
    }
    const X mean = matmul(lift(memory.tokens, share), memory.tokens);  // [B, 1, D]
    return (*length)(reshape(mean, {b, config.width}));
  }
  /// How many places a source of so many units has, for `fixed` and `ctc`.
  Index places(Index source_units) const {
    return config.kind == OneShotKind::ctc ? config.upsample * source_units : config.target_length;
  }

  /// Answers at places[b] places for each source -> logits [B, P, target_units], P the most of them; what lies beyond
  /// an item's own places means nothing. Throws argument_error for none, and for more than there are.
  template <Value X>
  X answer(const TextContext<X>& memory, const Tensor<std::int32_t>& places, Dropout& drop) const {
    const Index b = memory.tokens.extent(0), s = memory.tokens.extent(1), d = config.width;
    if (places.shape() != Shape{b})
      throw shape_error("OneShotText: places [" + std::to_string(b) + "] wanted, shape is " +
                        places.shape().to_string());
    Index most = 0;
    for (Index i = 0; i < b; ++i) {
      if (places[i] < 1 || places[i] > config.most_places())
        throw argument_error("OneShotText: " + std::to_string(places[i]) + " places, wanted 1 to " +
                             std::to_string(config.most_places()));
      most = places[i] > most ? places[i] : most;
    }
    Tensor<std::int32_t> from(Shape{b, most});
    Tensor<std::uint8_t> keep(Shape{b, most});
    for (Index i = 0; i < b; ++i) {
      Index units = 0;
      while (units < s && memory.keep[i * s + units] != 0) ++units;
      for (Index p = 0; p < most; ++p) {
        from.data()[i * most + p] = static_cast<std::int32_t>(i * s + origin(p, places[i], units));
        keep.data()[i * most + p] = p < places[i] ? 1 : 0;
      }
    }
    X y = drop(positions(gather(reshape(memory.tokens, {b * s, d}), from)));  // [B, P, D]
    for (const DecoderBlock<T>& block : blocks) y = block(y, memory.tokens, {.keep = keep, .seen = memory.keep}, drop);
    return head(norm(y));
  }

  static void members(auto& self, auto&& see) {
    see("encoder", self.encoder);
    see("length", self.length);
    see("positions", self.positions);
    see("blocks", self.blocks);
    see("norm", self.norm);
    see("head", self.head);
  }

 private:
  /// The unit of the source that place p of `places` begins as: side by side where their number tells how long the
  /// answer is, one to one where it does not.
  Index origin(Index p, Index places, Index units) const {
    const Index at = config.kind == OneShotKind::fixed ? p : p * units / places;
    return at < units ? at : (units > 0 ? units - 1 : 0);
  }
};

}  // namespace tessera::inline TESSERA_ISA
