// The networks that tell a coupling what to do: they see the numbers that stay and give parameters for those that
// change. The last layer starts at zero, so a new flow is the identity. A context [B, E] is added in front of the first
// activation.
//
//   DenseConditioner  [B, in] -> [B, out]: silu layers; smooth, because kinks of the network are kinks of the density
//   ConvConditioner   [B, H, W, in] -> [B, H, W, out]: 3 x 3, 1 x 1 and 3 x 3 convolutions with relu (Glow: Kingma and
//                     Dhariwal, 2018, arXiv 1807.03039)
#pragma once

#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// Throws argument_error where a context is given to what takes none, or missing where one is needed.
template <class X>
void check_context(const char* who, const X& context, bool wanted) {
  if (static_cast<bool>(context) != wanted)
    throw argument_error(std::string(who) + (wanted ? ": made with a context width, so it needs the context [B, E]"
                                                    : ": made without a context; set `context` to its width"));
}
}  // namespace detail

template <class T>
struct DenseConditioner {
  struct Config {
    Index in = 1, out = 1;
    Index hidden = 64, layers = 2;  // hidden layers
    Index context = 0;              // its width; 0: none
  };

  Linear<T> first;
  std::optional<Linear<T>> context;
  std::vector<Linear<T>> middle;
  Linear<T> last;

  DenseConditioner(Config c, Rng& rng)
      : first({.in = c.in, .out = c.hidden}, rng), last({.in = c.hidden, .out = c.out, .zero = true}, rng) {
    if (c.context > 0)
      context.emplace(typename Linear<T>::Config{.in = c.context, .out = c.hidden, .bias = false}, rng);
    for (Index i = 1; i < c.layers; ++i)
      middle.emplace_back(typename Linear<T>::Config{.in = c.hidden, .out = c.hidden}, rng);
  }

  template <Value X>
  X operator()(const X& x, const X& c = {}) const {
    detail::check_context("DenseConditioner", c, context.has_value());
    X h = silu(context ? first(x) + (*context)(c) : first(x));
    for (const Linear<T>& layer : middle) h = silu(layer(h));
    return last(h);
  }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("context", self.context);
    see("middle", self.middle);
    see("last", self.last);
  }
};

template <class T>
struct ConvConditioner {
  struct Config {
    Index in = 1, out = 1;
    Index hidden = 64;
    Index context = 0;  // its width; 0: none
  };

  Conv2d<T> first, middle, last;
  std::optional<Linear<T>> context;

  ConvConditioner(Config c, Rng& rng)
      : first({.in = c.in, .out = c.hidden}, rng),
        middle({.in = c.hidden, .out = c.hidden, .kernel = 1}, rng),
        last({.in = c.hidden, .out = c.out, .zero = true}, rng) {
    if (c.context > 0)
      context.emplace(typename Linear<T>::Config{.in = c.context, .out = c.hidden, .bias = false}, rng);
  }

  template <Value X>
  X operator()(const X& x, const X& c = {}) const {
    detail::check_context("ConvConditioner", c, context.has_value());
    if (!context) return last(middle.rectified(first.rectified(x)));
    const X h = first(x);
    return last(middle.rectified(relu(h + reshape((*context)(c), {c.extent(0), 1, 1, h.cols()}))));
  }

  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("middle", self.middle);
    see("last", self.last);
    see("context", self.context);
  }
};

}  // namespace tessera::inline TESSERA_ISA
