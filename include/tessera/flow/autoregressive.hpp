// Masked autoregressive flow (MAF: Papamakarios et al., 2017, arXiv 1705.07057): number i of an item is changed by what
// a network makes of numbers 0 ... i - 1. One network gives all parameters at once: MADE (Germain et al., 2015, arXiv
// 1502.03509), dense layers whose weights are masked so that parameter k sees only numbers before its owner.
//
//   forward  z_i = transform(x_i; net(x_0 ... x_{i-1}))     one pass: fast likelihoods
//   inverse  x_i is found one after another                 D passes: slow samples
// Reversed<MaskedAutoregressive> is the inverse autoregressive flow (IAF: Kingma et al., 2016, arXiv 1606.04934): fast
// samples. `backwards` counts the numbers from the last, so that flows in a row see each other's order reversed.
#pragma once

#include <tessera/autodiff/op/compare.hpp>
#include <tessera/autodiff/op/silu.hpp>
#include <tessera/flow/conditioner.hpp>
#include <tessera/flow/transform.hpp>

namespace tessera::inline TESSERA_ISA {

/// MADE: [B, D] -> [B, parameters].
template <class T>
struct MaskedDense {
  struct Config {
    Index numbers = 2;              // D
    Index hidden = 64, layers = 2;  // hidden layers
    Index context = 0;              // width of a condition, seen by all; 0: none
    bool backwards = false;
  };

  std::vector<Linear<T>> layers;
  Linear<T> last;
  std::optional<Linear<T>> context;
  std::vector<Tensor<T>> masks;  // of each layer's weight and of the last's: told by the config, hence not saved

  template <class Owner>
  MaskedDense(Config c, Index parameters, const Owner& owner, Rng& rng)
      : last({.in = c.hidden, .out = parameters, .zero = true}, rng) {
    if (c.numbers < 1 || c.layers < 1 || c.hidden < 1)
      throw argument_error("MaskedDense: " + std::to_string(c.numbers) + " numbers, " + std::to_string(c.layers) +
                           " hidden layers of " + std::to_string(c.hidden) + "; wanted at least 1 of each");
    for (Index i = 0; i < c.layers; ++i)
      layers.emplace_back(typename Linear<T>::Config{.in = i == 0 ? c.numbers : c.hidden, .out = c.hidden}, rng);
    if (c.context > 0)
      context.emplace(typename Linear<T>::Config{.in = c.context, .out = c.hidden, .bias = false}, rng);
    // Numbers are ranked 1 ... D; a hidden unit of rank m sees numbers up to m, a parameter of owner rank r units below
    // r. With a condition some units have rank 0 and see nothing else: they tell it to the first number's parameters.
    const Index least = c.context > 0 || c.numbers < 2 ? 0 : 1, ranks = c.numbers - least;
    const auto rank = [&](Index i) { return c.backwards ? c.numbers - i : i + 1; };
    const auto unit = [&](Index k) { return least + k % ranks; };
    const auto mask = [](Index out, Index in, const auto& sees) {
      Tensor<T> m(Shape{out, in});
      T* to = m.data();
      for (Index i = 0; i < out * in; ++i) to[i] = sees(i / in, i % in) ? T(1) : T(0);
      return m;
    };
    for (Index i = 0; i < c.layers; ++i) {
      if (i == 0)
        masks.push_back(mask(c.hidden, c.numbers, [&](Index k, Index n) { return rank(n) <= unit(k); }));
      else
        masks.push_back(mask(c.hidden, c.hidden, [&](Index k, Index n) { return unit(n) <= unit(k); }));
    }
    masks.push_back(mask(parameters, c.hidden, [&](Index k, Index n) { return unit(n) < rank(owner(k)); }));
  }

  template <Value X>
  X operator()(const X& x, const X& c = {}) const {
    detail::check_context("MaskedDense", c, context.has_value());
    X h = x;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      h = linear(h, lift(x, layers[i].weight) * masks[i], lift(x, *layers[i].bias));
      if (i == 0 && context) h = h + (*context)(c);
      h = silu(h);
    }
    return linear(h, lift(x, last.weight) * masks.back(), lift(x, *last.bias));
  }

  static void members(auto& self, auto&& see) {
    see("layers", self.layers);
    see("last", self.last);
    see("context", self.context);
  }
};

template <class T, class Transform = Affine>
struct MaskedAutoregressive {
  struct Config {
    Index numbers = 2;  // D: items are [B, D]
    Index hidden = 64, layers = 2;
    Index context = 0;
    bool backwards = false;
    Transform transform = {};
  };

  Transform transform;
  Index numbers;
  bool backwards;
  MaskedDense<T> net;

  MaskedAutoregressive(Config c, Rng& rng)
      : transform(c.transform),
        numbers(c.numbers),
        backwards(c.backwards),
        net(
            {.numbers = c.numbers,
             .hidden = c.hidden,
             .layers = c.layers,
             .context = c.context,
             .backwards = c.backwards},
            c.transform.parameters(c.numbers), [&](Index k) { return c.transform.owner(k, c.numbers); }, rng) {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    check(x.shape());
    return transform.apply(x, net(x, context), 0, numbers, Direction::forward);
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    check(z.shape());
    // After pass i the first i numbers (in the flow's order) are right: those after them do not matter yet.
    X x = z * ScalarOf<X>(0);
    for (Index i = 0; i < numbers; ++i) {
      const Index column = backwards ? numbers - 1 - i : i;
      Tensor<T> one(Shape{1, numbers}, T(0));
      one.data()[column] = 1;
      const X found = transform.apply(z, net(x, context), 0, numbers, Direction::inverse).value;
      x = where(one, found, x);
    }
    return {x, -forward(x, context).log_det};
  }

  static void members(auto& self, auto&& see) { see("net", self.net); }

 private:
  void check(const Shape& s) const {
    if (s != Shape{s.rank() > 0 ? s[0] : 0, numbers})
      throw shape_error("MaskedAutoregressive: items [B, " + std::to_string(numbers) + "] wanted, shape is " +
                        s.to_string());
  }
};

}  // namespace tessera::inline TESSERA_ISA
