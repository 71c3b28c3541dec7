// A transformer that predicts the next unit: p(x) = prod p(x_i | x_<i). By its config it is GPT-2 (Radford et al., 2019) or
// Llama (Touvron et al., 2023, arXiv 2302.13971), or anything between.
//
//   x = embedding[units] (+ positions[0 .. T))
//   x = x + attention(norm(x));  x = x + mlp(norm(x))           for each block, attention causal
//   logits = head(norm(x))                                      head = the embedding transposed, when tied
//
//              positions                        norm    mlp                             biases   head
//   GPT-2      learned                          layer   down(gelu(up(x)))               yes      tied
//   Llama      rotary (arXiv 2104.09864)        RMS     down(silu(gate(x)) up(x))       no       its own or tied
// The gated form is SwiGLU (Shazeer, 2020, arXiv 2002.05202).
//
// This is the network that trains: all positions at once, on Tensor or Var. gpt_decoder.hpp generates with its weights.
#pragma once

#include <tessera/autodiff/op/dropout.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/nn/attention.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/norm.hpp>
#include <tessera/nn/positions.hpp>

namespace tessera::inline TESSERA_ISA {

enum class GptPositions { learned, rotary, given };  // given: in the vectors that over() is called with
enum class GptNorm { layer, rms };
enum class GptMlp { gelu, gelu_tanh, swiglu };  // gelu_tanh is what GPT-2 was trained with

/// The defaults are a small GPT-2.
struct GptConfig {
  Index vocabulary = 256;
  Index context = 64;  // the most units it sees
  Index layers = 4, heads = 4, width = 128;
  Index kv_heads = 0;  // heads of keys and values; 0: as many as heads
  Index hidden = 0;    // of the mlp; 0: 4 width, or 8/3 width in a multiple of 32 for swiglu
  GptPositions positions = GptPositions::learned;
  GptNorm norm = GptNorm::layer;
  GptMlp mlp = GptMlp::gelu_tanh;
  bool bias = true;       // in the linear layers
  bool tied = true;       // the head is the embedding
  double epsilon = 1e-5;  // of the norms
  double rotary_base = 10000;

  Index key_heads() const { return kv_heads == 0 ? heads : kv_heads; }
  Index head_width() const { return width / heads; }
  Index mlp_width() const {
    if (hidden > 0) return hidden;
    return mlp == GptMlp::swiglu ? (8 * width / 3 + 31) / 32 * 32 : 4 * width;
  }
  /// Throws argument_error naming the field that makes no sense.
  void check() const {
    const ConfigCheck check{"Gpt"};
    check.size("vocabulary", vocabulary);
    check.size("context", context);
    check.within("layers", layers, 1, 1024);
    check.within("width", width, 1, 65536);
    check.want(heads >= 1 && width % heads == 0, "heads", heads, "a divisor of the width, " + std::to_string(width));
    check.want(kv_heads >= 0 && heads % key_heads() == 0, "kv_heads", kv_heads,
               "a divisor of the heads, " + std::to_string(heads));
    check.size("hidden", hidden, 0);
    check.want(positions != GptPositions::rotary || head_width() % 2 == 0, "width of a head", head_width(),
               "an even one, as positions are rotary");
    if (!(epsilon > 0 && epsilon < 1))
      throw argument_error("Gpt: epsilon is " + std::to_string(epsilon) + ", wanted 0 to 1");
    if (!(rotary_base > 1))
      throw argument_error("Gpt: rotary_base is " + std::to_string(rotary_base) + ", wanted above 1");
  }
};

/// Layer norm or RMS norm: the latter has no bias.
template <class T>
struct GptNormLayer {
  Parameter<T> weight;               // [width]
  std::optional<Parameter<T>> bias;  // [width]
  double epsilon;

  explicit GptNormLayer(const GptConfig& c) : weight{init::ones<T>({c.width})}, epsilon(c.epsilon) {
    if (c.norm == GptNorm::layer) bias = Parameter<T>{init::zeros<T>({c.width})};
  }

  template <Value X>
  X operator()(const X& x) const {
    return bias ? layer_norm(x, lift(x, weight), lift(x, *bias), epsilon) : rms_norm(x, lift(x, weight), epsilon);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

template <class T>
struct GptMlpLayer {
  Linear<T> up, down;
  std::optional<Linear<T>> gate;
  GptMlp kind;

  GptMlpLayer(const GptConfig& c, Rng& rng)
      : up({.in = c.width, .out = c.mlp_width(), .bias = c.bias}, rng),
        down({.in = c.mlp_width(), .out = c.width, .bias = c.bias}, rng),
        kind(c.mlp) {
    if (kind == GptMlp::swiglu)
      gate.emplace(typename Linear<T>::Config{.in = c.width, .out = c.mlp_width(), .bias = c.bias}, rng);
  }

  template <Value X>
  X operator()(const X& x) const {
    if (gate) return down(silu((*gate)(x)) * up(x));
    return down(kind == GptMlp::gelu ? gelu(up(x)) : gelu_tanh(up(x)));
  }

  static void members(auto& self, auto&& see) {
    see("up", self.up);
    see("gate", self.gate);
    see("down", self.down);
  }
};

template <class T>
struct GptBlock {
  GptNormLayer<T> norm1;
  Attention<T> attention;
  GptNormLayer<T> norm2;
  GptMlpLayer<T> mlp;

  GptBlock(const GptConfig& c, Rng& rng)
      : norm1(c),
        attention({.width = c.width,
                   .heads = c.heads,
                   .kv_heads = c.kv_heads,
                   .causal = true,
                   .rotary = c.positions == GptPositions::rotary ? c.rotary_base : 0,
                   .bias = c.bias},
                  rng),
        norm2(c),
        mlp(c, rng) {}

  static void members(auto& self, auto&& see) {
    see("norm1", self.norm1);
    see("attention", self.attention);
    see("norm2", self.norm2);
    see("mlp", self.mlp);
  }
};

/// Training noise: each number is dropped with probability `dropout`, on the way in and at the end of every branch.
struct GptDropout {
  double share = 0;
  Noise noise = Noise{0};
};

template <class T>
struct Gpt {
  using Config = GptConfig;

  Config config;
  Embedding<T> embedding;                        // [V, D]
  std::optional<LearnedPositions<T>> positions;  // [context, D]
  std::vector<GptBlock<T>> blocks;
  GptNormLayer<T> norm;
  std::optional<Linear<T>> head;  // [V, D]

  /// Weights as GPT-2 starts: normal of deviation 0.02, those that end a branch 0.02 / sqrt(2 layers), biases 0.
  Gpt(const Config& c, Rng& rng)
      : config(checked(c)), embedding({.count = c.vocabulary, .width = c.width}, rng), norm(c) {
    if (c.positions == GptPositions::learned)
      positions.emplace(typename LearnedPositions<T>::Config{.length = c.context, .width = c.width}, rng);
    for (Index i = 0; i < c.layers; ++i) blocks.emplace_back(c, rng);
    if (!c.tied) head.emplace(typename Linear<T>::Config{.in = c.width, .out = c.vocabulary, .bias = false}, rng);
    const double branch_end = 0.02 / std::sqrt(2 * static_cast<double>(c.layers));
    const auto restart = [&](Linear<T>& l, double deviation) {
      l.weight.value = init::normal<T>(l.weight.value.shape(), deviation, rng);
    };
    for (GptBlock<T>& b : blocks) {
      for (Linear<T>* l : {&b.attention.query, &b.attention.key, &b.attention.value, &b.mlp.up}) restart(*l, 0.02);
      if (b.mlp.gate) restart(*b.mlp.gate, 0.02);
      restart(b.attention.output, branch_end);
      restart(b.mlp.down, branch_end);
    }
    if (head) restart(*head, 0.02);
  }

  /// units [B, T], plain or `tape.ids(units)` -> logits of what comes after each, [B, T, V].
  template <Ids I>
  auto operator()(const I& units, const GptDropout& dropped = {}) const {
    if (units.shape().rank() != 2 || units.extent(1) < 1 || units.extent(1) > config.context)
      throw shape_error("Gpt: units [B, T] with T from 1 to " + std::to_string(config.context) + " wanted, shape is " +
                        units.shape().to_string());
    auto x = embedding(units);  // [B, T, D]
    return over(positions ? (*positions)(x) : x, dropped);
  }

  /// All that follows the embedding, for whoever embeds by other means: x [B, T, D] -> logits after each of the
  /// positions from `first` on, [B, T - first, V].
  template <Value X>
  X over(X x, const GptDropout& dropped = {}, Index first = 0) const {
    std::uint64_t place = 0;
    const auto drop = [&](X v) {
      return dropped.share > 0 ? dropout(v, dropped.share, dropped.noise.fork(place++)) : v;
    };
    x = drop(x);
    for (const GptBlock<T>& b : blocks) {
      x = x + drop(b.attention(b.norm1(x)));
      x = x + drop(b.mlp(b.norm2(x)));
    }
    return logits(first == 0 ? x : slice(x, 1, first, x.extent(1)));
  }

  /// What follows the blocks: [B, T, D] -> [B, T, V].
  template <Value X>
  X logits(const X& blocks_out) const {
    const X x = norm(blocks_out);
    return head ? (*head)(x) : linear(x, lift(x, embedding.weight));
  }

  static void members(auto& self, auto&& see) {
    see("embedding", self.embedding);
    see("positions", self.positions);
    see("blocks", self.blocks);
    see("norm", self.norm);
    see("head", self.head);
  }
};

}  // namespace tessera::inline TESSERA_ISA
