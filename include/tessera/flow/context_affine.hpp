// What a condition says of a flow's base distribution: every number is shifted and scaled by a linear map of the
// context, which starts at zero.
//
//   z = x exp(s) + t,  [s, t] = W c          s within +-bound
// At the end of a flow whose base is N(0, 1) it makes that N(-t e^-s, e^-2s), a normal of its own for each class: the
// class-conditional top prior of Glow (Kingma and Dhariwal, 2018, arXiv 1807.03039), there given to the last level only.
// Couplings that see the context can say as much in the end, but learn it far more slowly.
#pragma once

#include <tessera/flow/affine.hpp>
#include <tessera/flow/bijection.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct ContextAffine {
  struct Config {
    Index numbers = 2;  // of an item
    Index context = 1;  // width of the condition
    double bound = 2;
  };

  Linear<T> net;
  Index numbers;
  double bound;

  ContextAffine(Config c, Rng& rng)
      : net({.in = c.context, .out = 2 * c.numbers, .bias = false, .zero = true}, rng),
        numbers(c.numbers),
        bound(c.bound) {}

  /// x [B, numbers], context [B, E].
  template <Value X>
  Mapped<X> forward(const X& x, const X& context = {}) const {
    return go(x, context, Direction::forward);
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& context = {}) const {
    return go(z, context, Direction::inverse);
  }

  static void members(auto& self, auto&& see) { see("net", self.net); }

 private:
  template <Value X>
  Mapped<X> go(const X& x, const X& context, Direction way) const {
    if (x.shape() != Shape{x.rank() == 0 ? 0 : x.extent(0), numbers})
      throw shape_error("ContextAffine: [B, " + std::to_string(numbers) + "] wanted, shape is " +
                        x.shape().to_string() + "; put it where items are rows of numbers");
    if (!context)
      throw argument_error("ContextAffine: it needs the context [B, E]; leave it out of a flow without conditions");
    return affine(x, net(context), 0, numbers, bound, way);
  }
};

}  // namespace tessera::inline TESSERA_ISA
