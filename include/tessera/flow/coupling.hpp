// Coupling: some channels stay, the others are changed by what a network makes of those that stay; so the way back is
// as easy as the way there (NICE: Dinh et al., 2014, arXiv 1410.8516).
//
//   [a, b] = x;  y = [a, transform(b; net(a, context))]      `swap`: b stays and a changes
//
// Coupling halves the channels of [B, ..., C]. CheckerboardCoupling (RealNVP: Dinh et al., 2016, arXiv 1605.08803) lets
// pixels stay whose row + column is even, and changes the odd ones, or the other way round: affine only, and its
// network sees all of [B, H, W, C] with what changes set to zero.
#pragma once

#include <tessera/flow/conditioner.hpp>
#include <tessera/flow/transform.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T, class Net, class Transform = Affine>
struct Coupling {
  struct Config {
    Index channels = 2;
    bool swap = false;  // the first half changes
    Index hidden = 64;  // of the network
    Index context = 0;  // width of the condition; 0: none
    Transform transform = {};
  };

  Net net;
  Transform transform;
  Index channels;
  bool swap;

  /// Throws argument_error for an odd number of channels.
  Coupling(Config c, Rng& rng)
      : net({.in = half(c.channels),
             .out = c.transform.parameters(half(c.channels)),
             .hidden = c.hidden,
             .context = c.context},
            rng),
        transform(c.transform),
        channels(c.channels),
        swap(c.swap) {}

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
  static Index half(Index channels) {
    if (channels < 2 || channels % 2 != 0)
      throw argument_error(
          "Coupling: " + std::to_string(channels) +
          " channels do not halve; put a Squeeze in front (four times the channels), add a channel, or "
          "use a MaskedAutoregressive flow, which takes any number");
    return channels / 2;
  }
  template <Value X>
  Mapped<X> go(const X& x, const X& context, Direction way) const {
    if (x.extent(-1) != channels)
      throw shape_error("Coupling: the last axis of " + x.shape().to_string() + " is not " + std::to_string(channels) +
                        " channels");
    const Index d = channels / 2, stays = swap ? d : 0;
    const X h = net(slice(x, -1, stays, stays + d), context);
    return transform.apply(x, h, d - stays, d, way);
  }
};

template <class T>
struct CheckerboardCoupling {
  struct Config {
    Index channels = 1;
    bool swap = false;  // even pixels change
    Index hidden = 64;
    Index context = 0;
    double bound = 2;  // of log-scales
  };

  ConvConditioner<T> net;
  Index channels;
  bool swap;
  double bound;

  CheckerboardCoupling(Config c, Rng& rng)
      : net({.in = c.channels, .out = 2 * c.channels, .hidden = c.hidden, .context = c.context}, rng),
        channels(c.channels),
        swap(c.swap),
        bound(c.bound) {}

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
    if (x.rank() != 4 || x.extent(-1) != channels)
      throw shape_error("CheckerboardCoupling: pictures [B, H, W, " + std::to_string(channels) + "] wanted, shape is " +
                        x.shape().to_string());
    const Index height = x.extent(1), width = x.extent(2);
    Tensor<ScalarOf<X>> stay(Shape{1, height, width, 1}), change(stay.shape());
    ScalarOf<X>*s = stay.data(), *c = change.data();
    for (Index i = 0; i < height * width; ++i) {
      const bool stays = ((i / width + i % width) % 2 == 0) != swap;
      s[i] = stays;
      c[i] = !stays;
    }
    // Parameters zero where a pixel stays: there the affine map is the identity and adds nothing to the determinant.
    return affine(x, net(x * stay, context) * change, 0, channels, bound, way);
  }
};

}  // namespace tessera::inline TESSERA_ISA
