// From one sequence to another: p(y | x) = prod p(y_i | y_<i, x), by a transformer of two halves (Vaswani et al., 2017,
// arXiv 1706.03762). What differs: norms come first (Xiong et al., 2020, arXiv 2002.04745) and positions are learned.
//
//   memory = encoder(x)                                      every unit of the source sees every other
//   y = embedding[0, y_1 ... y_T-1] + positions
//   y = y + attention(norm(y));  y = y + cross(norm(y), memory);  y = y + mlp(norm(y))       attention causal, for each block
//   logits = head(norm(y))
//
// This is the network that trains: all positions at once, on Tensor or Var. seq2seq_decoder.hpp generates with its weights.
#pragma once

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autoregressive/seq2seq_units.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/decoder_block.hpp>
#include <tessera/nn/text_encoder.hpp>

namespace tessera::inline TESSERA_ISA {

struct Seq2SeqConfig {
  Index source_units = 32, target_units = 64;    // vocabularies, unit 0 included
  Index source_length = 32, target_length = 32;  // units at most; of targets, the end is one
  Index width = 128, heads = 4, layers = 3;      // layers of each half

  /// Throws argument_error naming the field that makes no sense.
  void check() const { check_halves({"Seq2Seq"}, *this); }
  /// Every field with its name, for files.
  static void fields(auto& self, auto&& see) {
    see("source_units", self.source_units);
    see("target_units", self.target_units);
    see("source_length", self.source_length);
    see("target_length", self.target_length);
    see("width", self.width);
    see("heads", self.heads);
    see("layers", self.layers);
  }
};

template <class T>
struct Seq2Seq {
  using Config = Seq2SeqConfig;

  Config config;
  TextEncoder<T> encoder;
  Embedding<T> embedding;         // [target_units, D]
  LearnedPositions<T> positions;  // [target_length, D]
  std::vector<DecoderBlock<T>> blocks;
  LayerNorm<T> norm;
  Linear<T> head;  // [target_units, D]

  Seq2Seq(const Config& c, Rng& rng)
      : config(checked(c)),
        encoder({.vocabulary = c.source_units,
                 .length = c.source_length,
                 .width = c.width,
                 .heads = c.heads,
                 .layers = c.layers},
                rng),
        embedding({.count = c.target_units, .width = c.width}, rng),
        positions({.length = c.target_length, .width = c.width}, rng),
        norm({.width = c.width}),
        head({.in = c.width, .out = c.target_units}, rng) {
    for (Index i = 0; i < c.layers; ++i)
      blocks.emplace_back(typename DecoderBlock<T>::Config{.width = c.width, .heads = c.heads}, rng);
  }

  /// source [B, S], target [B, T] from its beginning on, plain or `tape.ids(...)` -> logits of what comes after each
  /// unit of the target, [B, T, target_units].
  template <Ids I>
  auto operator()(const I& source, const I& target) const {
    Dropout none;
    return (*this)(source, target, none);
  }
  template <Ids I>
  auto operator()(const I& source, const I& target, Dropout& drop) const {
    const auto memory = encoder(source, drop);
    if (target.shape().rank() != 2 || target.extent(0) != source.extent(0) || target.extent(1) < 1 ||
        target.extent(1) > config.target_length)
      throw shape_error("Seq2Seq: a target [" + std::to_string(source.extent(0)) + ", T] with T from 1 to " +
                        std::to_string(config.target_length) + " wanted, shape is " + target.shape().to_string());
    auto y = drop(positions(embedding(target)));  // [B, T, D]
    for (const DecoderBlock<T>& b : blocks) y = b(y, memory.tokens, {.keep = {}, .seen = memory.keep}, drop);
    return head(norm(y));
  }

  static void members(auto& self, auto&& see) {
    see("encoder", self.encoder);
    see("embedding", self.embedding);
    see("positions", self.positions);
    see("blocks", self.blocks);
    see("norm", self.norm);
    see("head", self.head);
  }
};

}  // namespace tessera::inline TESSERA_ISA
