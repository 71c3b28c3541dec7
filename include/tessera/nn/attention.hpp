// Multi-head attention (Vaswani et al., 2017, arXiv 1706.03762): self, cross and causal, with grouped key/value heads
// (Ainslie et al., 2023, arXiv 2305.13245) and rotary positions (Su et al., 2021, arXiv 2104.09864) as options.
#pragma once

#include <tessera/autodiff/op/attention.hpp>
#include <tessera/autodiff/op/rotary.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct Attention {
  struct Config {
    Index width = 1;          // of the queries' side, and of the result
    Index context_width = 0;  // of the keys' side; 0: the same
    Index heads = 1;
    Index kv_heads = 0;  // 0: as many as heads
    bool causal = false;
    double rotary = 0;  // base of the rotary positions (10000 is usual); 0: none
    bool bias = true;
    bool zero = false;  // start as the zero map
  };

  Linear<T> query, key, value, output;
  AttentionOptions options;
  double rotary;

  Attention(Config c, Rng& rng)
      : query({.in = c.width, .out = c.width, .bias = c.bias}, rng),
        key({.in = source(c), .out = kv_width(c), .bias = c.bias}, rng),
        value({.in = source(c), .out = kv_width(c), .bias = c.bias}, rng),
        output({.in = c.width, .out = c.width, .bias = c.bias, .zero = c.zero}, rng),
        rotary(c.rotary) {
    options.heads = c.heads;
    options.kv_heads = c.kv_heads;
    options.causal = c.causal;
  }

  /// x [B, T, D] attends to context [B, S, context_width]; keep [B, S] hides keys where it is 0.
  template <Value X>
  X operator()(const X& x, const X& context, const Tensor<std::uint8_t>& keep = {}) const {
    X q = query(x), k = key(context);
    if (rotary > 0) {
      q = rotate(q, options.heads, rotary, 0);
      k = rotate(k, options.kv_heads == 0 ? options.heads : options.kv_heads, rotary, 0);
    }
    AttentionOptions o = options;
    o.keep = keep;
    return output(attention(q, k, value(context), o));
  }
  /// Self-attention.
  template <Value X>
  X operator()(const X& x, const Tensor<std::uint8_t>& keep = {}) const {
    return (*this)(x, x, keep);
  }

  static void members(auto& self, auto&& see) {
    see("query", self.query);
    see("key", self.key);
    see("value", self.value);
    see("output", self.output);
  }

 private:
  static Index source(const Config& c) { return c.context_width == 0 ? c.width : c.context_width; }
  static Index kv_width(const Config& c) {
    if (c.heads < 1 || c.width % c.heads != 0)
      throw argument_error("Attention: width " + std::to_string(c.width) + " is not a multiple of " +
                           std::to_string(c.heads) + " heads");
    return c.width / c.heads * (c.kv_heads == 0 ? c.heads : c.kv_heads);
  }
};

}  // namespace tessera::inline TESSERA_ISA
