// Mlp and the pre-norm transformer block, optionally modulated by a condition (adaLN-Zero: Peebles and Xie, 2022,
// arXiv 2212.09748).
//
//   x = x + attention(norm(x));  x = x + mlp(norm(x))
// With a condition c [B, E]: norm(x) (1 + scale) + shift, and gate times each branch; the map from c starts at zero, so the
// block starts as the identity.
#pragma once

#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/nn/attention.hpp>
#include <tessera/nn/norm.hpp>

namespace tessera::inline TESSERA_ISA {

enum class Activation { gelu, gelu_tanh, silu };

/// [..., width] -> [..., width] through `hidden`.
template <class T>
struct Mlp {
  struct Config {
    Index width = 1, hidden = 0;  // hidden 0: 4 width
    Index out = 0;                // 0: width
    Activation activation = Activation::gelu;
    bool zero = false;  // start as the zero map
  };

  Linear<T> up, down;
  Activation activation;

  Mlp(Config c, Rng& rng)
      : up({.in = c.width, .out = c.hidden == 0 ? 4 * c.width : c.hidden}, rng),
        down({.in = c.hidden == 0 ? 4 * c.width : c.hidden, .out = c.out == 0 ? c.width : c.out, .zero = c.zero}, rng),
        activation(c.activation) {}

  template <Value X>
  X operator()(const X& x) const {
    X h = up(x);
    switch (activation) {
      case Activation::gelu_tanh:
        return down(gelu_tanh(std::move(h)));
      case Activation::silu:
        return down(silu(std::move(h)));
      default:
        return down(gelu(std::move(h)));
    }
  }

  static void members(auto& self, auto&& see) {
    see("up", self.up);
    see("down", self.down);
  }
};

template <class T>
struct TransformerBlock {
  struct Config {
    Index width = 1, heads = 1;
    Index kv_heads = 0, hidden = 0;
    bool causal = false;
    double rotary = 0;
    Index condition = 0;  // width of the condition; 0: none
    Activation activation = Activation::gelu;
  };

  LayerNorm<T> norm1;
  Attention<T> attention;
  LayerNorm<T> norm2;
  Mlp<T> mlp;
  std::optional<Linear<T>> modulation;  // condition -> shift, scale, gate for both branches

  TransformerBlock(Config c, Rng& rng)
      : norm1({.width = c.width, .affine = c.condition == 0}),
        attention({.width = c.width, .heads = c.heads, .kv_heads = c.kv_heads, .causal = c.causal, .rotary = c.rotary},
                  rng),
        norm2({.width = c.width, .affine = c.condition == 0}),
        mlp({.width = c.width, .hidden = c.hidden, .activation = c.activation}, rng) {
    if (c.condition > 0)
      modulation.emplace(typename Linear<T>::Config{.in = c.condition, .out = 6 * c.width, .zero = true}, rng);
  }

  /// x [B, T, D]; keep [B, T] hides positions where it is 0.
  template <Value X>
  X operator()(const X& x, const Tensor<std::uint8_t>& keep = {}) const {
    const X h = x + attention(norm1(x), keep);
    return h + mlp(norm2(h));
  }
  /// The same under a condition [B, E] (only when the config has one).
  template <Value X>
  X conditioned(const X& x, const X& condition, const Tensor<std::uint8_t>& keep = {}) const {
    if (!modulation)
      throw argument_error("TransformerBlock: this block has no condition; set Config::condition to its width");
    const Index width = x.cols();
    const X m = (*modulation)(silu(condition));
    const auto part = [&](Index i) {
      return reshape(slice(m, 1, i * width, (i + 1) * width), {x.extent(0), 1, width});
    };
    const X h = x + part(2) * attention(norm1(x) * (part(1) + ScalarOf<X>(1)) + part(0), keep);
    return h + part(5) * mlp(norm2(h) * (part(4) + ScalarOf<X>(1)) + part(3));
  }

  static void members(auto& self, auto&& see) {
    see("norm1", self.norm1);
    see("attention", self.attention);
    see("norm2", self.norm2);
    see("mlp", self.mlp);
    see("modulation", self.modulation);
  }
};

}  // namespace tessera::inline TESSERA_ISA
