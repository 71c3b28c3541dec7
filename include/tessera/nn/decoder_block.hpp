// The transformer block that also looks at another sequence (Vaswani et al., 2017, arXiv 1706.03762), with norms first (Xiong et
// al., 2020, arXiv 2002.04745):
//
//   x = x + attention(norm1(x));  x = x + cross(norm2(x), context);  x = x + mlp(norm3(x))
// Causal for models that decide unit after unit, looking both ways for those that decide all at once.
#pragma once

#include <tessera/nn/dropout.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct DecoderBlock {
  struct Config {
    Index width = 1, heads = 1;
    Index context_width = 0;  // 0: the same
    Index hidden = 0;         // of the mlp; 0: 4 width
    bool causal = true;
  };

  LayerNorm<T> norm1;
  Attention<T> attention;
  LayerNorm<T> norm2;
  Attention<T> cross;
  LayerNorm<T> norm3;
  Mlp<T> mlp;

  DecoderBlock(const Config& c, Rng& rng)
      : norm1({.width = c.width}),
        attention({.width = c.width, .heads = c.heads, .causal = c.causal}, rng),
        norm2({.width = c.width}),
        cross({.width = c.width, .context_width = c.context_width, .heads = c.heads}, rng),
        norm3({.width = c.width}),
        mlp({.width = c.width, .hidden = c.hidden}, rng) {}

  /// What hides positions: 0 in keep [B, T] those of x itself, 0 in seen [B, S] those of the context.
  struct Masks {
    Tensor<std::uint8_t> keep = {}, seen = {};
  };

  /// x [B, T, width], context [B, S, context_width] -> [B, T, width]
  template <Value X>
  X operator()(const X& x, const X& context, const Masks& masks, Dropout& drop) const {
    const X a = x + drop(attention(norm1(x), masks.keep));
    const X b = a + drop(cross(norm2(a), context, masks.seen));
    return b + drop(mlp(norm3(b)));
  }

  static void members(auto& self, auto&& see) {
    see("norm1", self.norm1);
    see("attention", self.attention);
    see("norm2", self.norm2);
    see("cross", self.cross);
    see("norm3", self.norm3);
    see("mlp", self.mlp);
  }
};

}  // namespace tessera::inline TESSERA_ISA
