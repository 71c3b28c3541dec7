// A small bidirectional transformer over token ids: one vector per token for cross-attention, and one for the whole text.
#pragma once

#include <tessera/nn/dropout.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/positions.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera::inline TESSERA_ISA {

struct TextEncoderConfig {
  Index vocabulary = 1, length = 32;  // tokens at most
  Index width = 128, heads = 4, layers = 4;
};

/// A text as a network wants it.
template <Value X>
struct TextContext {
  X tokens;                   // [B, T, width]
  X pooled;                   // [B, width], the mean over the tokens that count
  Tensor<std::uint8_t> keep;  // [B, T], 0 where there is only padding
};

template <class T>
struct TextEncoder {
  using Config = TextEncoderConfig;

  Embedding<T> embedding;
  LearnedPositions<T> positions;
  std::vector<TransformerBlock<T>> blocks;
  LayerNorm<T> norm;

  TextEncoder(const Config& c, Rng& rng)
      : embedding({.count = c.vocabulary, .width = c.width}, rng),
        positions({.length = c.length, .width = c.width}, rng),
        norm({.width = c.width}) {
    for (Index i = 0; i < c.layers; ++i)
      blocks.emplace_back(typename TransformerBlock<T>::Config{.width = c.width, .heads = c.heads}, rng);
  }

  /// ids [B, T], 0 is padding (at the end of a row).
  template <Ids I>
  auto operator()(const I& ids) const {
    Dropout none;
    return (*this)(ids, none);
  }
  /// In training: numbers are dropped on the way in and at the end of every branch.
  template <Ids I>
  auto operator()(const I& ids, Dropout& drop) const {
    const Tensor<std::int32_t>& plain_ids = ids_of(ids);
    if (plain_ids.rank() != 2)
      throw shape_error("TextEncoder: ids [B, T] wanted, shape is " + plain_ids.shape().to_string());
    const Index b = plain_ids.extent(0), t = plain_ids.extent(1);
    Tensor<std::uint8_t> keep(plain_ids.shape());
    Tensor<T> share(Shape{b, t, 1});
    std::uint8_t* k = keep.data();
    T* s = share.data();
    for (Index r = 0; r < b; ++r) {
      Index count = 0;
      for (Index i = 0; i < t; ++i) count += (k[r * t + i] = plain_ids[r * t + i] != 0 ? 1 : 0);
      for (Index i = 0; i < t; ++i) s[r * t + i] = k[r * t + i] ? T(1) / static_cast<T>(count) : T(0);
    }
    auto x = drop(positions(embedding(ids)));
    for (const TransformerBlock<T>& block : blocks) {
      x = x + drop(block.attention(block.norm1(x), keep));
      x = x + drop(block.mlp(block.norm2(x)));
    }
    x = norm(x);
    using X = decltype(x);
    X pooled = sum(x * share, {1});
    return TextContext<X>{std::move(x), std::move(pooled), std::move(keep)};
  }

  static void members(auto& self, auto&& see) {
    see("embedding", self.embedding);
    see("positions", self.positions);
    see("blocks", self.blocks);
    see("norm", self.norm);
  }

 private:
  static const Tensor<std::int32_t>& ids_of(const Tensor<std::int32_t>& ids) { return ids; }
  template <class V>
  static const Tensor<std::int32_t>& ids_of(const VarIds<V>& ids) {
    return ids.value;
  }
};

}  // namespace tessera::inline TESSERA_ISA
