// Convolution layers over channels-last pictures [B, H, W, C] and sound [B, T, C].
#pragma once

#include <tessera/autodiff/op/conv.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// A layer between relus, where neither they nor their adjoints are passes of their own. Of Layer: between(x, gated,
/// rectify), see conv2d_between.
template <class Layer>
class BetweenRelus {
 public:
  /// relu of the layer, for one that takes it so.
  template <Value X>
  Rectified<X> rectified(const X& x) const {
    return Rectified<X>(layer().between(x, false, true));
  }
  template <Value X>
  Rectified<X> rectified(const Rectified<X>& x) const {
    return Rectified<X>(layer().between(x.inner(), true, true));
  }
  template <Value X>
  X operator()(const Rectified<X>& x) const {
    return layer().between(x.inner(), true, false);
  }

 private:
  const Layer& layer() const { return static_cast<const Layer&>(*this); }
};
}  // namespace detail

/// [B, H, W, in] -> [B, H', W', out].
template <class T>
struct Conv2d : detail::BetweenRelus<Conv2d<T>> {
  struct Config {
    Index in = 1, out = 1;
    Index kernel = 3, stride = 1;
    Index padding = -1;  // each side; -1: dilation (kernel - 1) / 2, which keeps the size at stride 1 (odd kernels)
    Index dilation = 1, groups = 1;
    bool bias = true;
    bool zero = false;  // start as the zero map
  };

  Parameter<T> weight;               // [K, K, in / groups, out]
  std::optional<Parameter<T>> bias;  // [out]
  Stride2d geometry;

  Conv2d(Config c, Rng& rng) {
    const Shape s{c.kernel, c.kernel, c.in / c.groups, c.out};
    weight.value = c.zero ? init::zeros<T>(s) : init::kaiming_uniform<T>(s, c.kernel * c.kernel * c.in / c.groups, rng);
    if (c.bias) bias = Parameter<T>{init::zeros<T>({c.out})};
    const Index p = c.padding >= 0 ? c.padding : c.dilation * (c.kernel - 1) / 2;
    geometry = {c.stride, c.stride, p, p, p, p, c.dilation, c.dilation, c.groups};
  }

  template <Value X>
  X operator()(const X& x) const {
    return bias ? conv2d(x, lift(x, weight), lift(x, *bias), geometry) : conv2d(x, lift(x, weight), geometry);
  }
  using detail::BetweenRelus<Conv2d>::operator();
  /// The same and, for each picture, `shift` [B, out] on all of its pixels, without a pass of its own.
  template <Value X>
  X shifted(const X& x, const X& shift) const {
    return bias ? conv2d(x, lift(x, weight), shift + lift(x, *bias), geometry)
                : conv2d(x, lift(x, weight), shift, geometry);
  }
  /// y + the convolution of x, without a pass of its own.
  template <Value X>
  X added_to(X y, const X& x) const {
    if (!bias) return conv2d_added(std::move(y), x, lift(x, weight), detail::no_bias<X>(), geometry);
    const X b = lift(x, *bias);
    return conv2d_added(std::move(y), x, lift(x, weight), &b, geometry);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }

 private:
  friend detail::BetweenRelus<Conv2d>;
  template <Value X>
  X between(const X& x, bool gated, bool rectify) const {
    const X b = bias ? lift(x, *bias) : X();
    return detail::conv2d_between(x, gated, lift(x, weight), bias ? &b : nullptr, geometry, rectify);
  }
};

/// [B, T, in] -> [B, T', out]; causal pads before only, so that output t sees inputs up to t.
template <class T>
struct Conv1d {
  struct Config {
    Index in = 1, out = 1;
    Index kernel = 3, stride = 1;
    Index padding = -1;  // each side; -1 keeps the length at stride 1
    Index dilation = 1, groups = 1;
    bool causal = false;
    bool bias = true;
    bool zero = false;
  };

  Parameter<T> weight;               // [K, in / groups, out]
  std::optional<Parameter<T>> bias;  // [out]
  Stride1d geometry;

  Conv1d(Config c, Rng& rng) {
    const Shape s{c.kernel, c.in / c.groups, c.out};
    weight.value = c.zero ? init::zeros<T>(s) : init::kaiming_uniform<T>(s, c.kernel * c.in / c.groups, rng);
    if (c.bias) bias = Parameter<T>{init::zeros<T>({c.out})};
    const Index reach = c.dilation * (c.kernel - 1);
    const Index p = c.padding >= 0 ? c.padding : reach / 2;
    geometry = {c.stride, c.causal ? reach : p, c.causal ? 0 : p, c.dilation, c.groups};
  }

  template <Value X>
  X operator()(const X& x) const {
    const X w = lift(x, weight);
    if (!bias) return conv1d(x, w, detail::no_bias<X>(), geometry);
    const X b = lift(x, *bias);
    return conv1d(x, w, &b, geometry);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

/// Transposed convolution [B, H, W, in] -> [B, (H - 1) stride + K - 2 padding, ..., out].
template <class T>
struct ConvTranspose2d : detail::BetweenRelus<ConvTranspose2d<T>> {
  struct Config {
    Index in = 1, out = 1;
    Index kernel = 4, stride = 2, padding = 1;
    bool bias = true;
    bool zero = false;
  };

  Parameter<T> weight;               // [K, K, out, in]: the weights of the convolution it transposes
  std::optional<Parameter<T>> bias;  // [out]
  Stride2d geometry;

  ConvTranspose2d(Config c, Rng& rng) {
    const Shape s{c.kernel, c.kernel, c.out, c.in};
    const Index fan_in = c.in * c.kernel * c.kernel / (c.stride * c.stride);
    weight.value = c.zero ? init::zeros<T>(s) : init::kaiming_uniform<T>(s, fan_in > 0 ? fan_in : 1, rng);
    if (c.bias) bias = Parameter<T>{init::zeros<T>({c.out})};
    geometry = {c.stride, c.stride, c.padding, c.padding, c.padding, c.padding, 1, 1, 1};
  }

  template <Value X>
  X operator()(const X& x) const {
    const X w = lift(x, weight);
    const Shape to = transposed_shape(x.shape(), w.shape(), geometry);
    if (!bias) return conv2d_transposed(x, w, detail::no_bias<X>(), geometry, to);
    const X b = lift(x, *bias);
    return conv2d_transposed(x, w, &b, geometry, to);
  }

  using detail::BetweenRelus<ConvTranspose2d>::operator();

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }

 private:
  friend detail::BetweenRelus<ConvTranspose2d>;
  template <Value X>
  X between(const X& x, bool gated, bool rectify) const {
    const X w = lift(x, weight), b = bias ? lift(x, *bias) : X();
    const Shape to = transposed_shape(x.shape(), w.shape(), geometry);
    return detail::conv2d_transposed_between(x, gated, w, bias ? &b : nullptr, geometry, to, rectify);
  }
};

}  // namespace tessera::inline TESSERA_ISA
