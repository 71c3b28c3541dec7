// Spectral normalisation (Miyato et al., 2018, arXiv 1802.05957): a layer whose weight W, as a matrix, is divided by
// its largest singular value.
//
//   left, right   unit vectors, kept from step to step as buffers: power iteration follows W as it changes
//   sigma = left^T W right,  y = (W / sigma) x + b      with the vectors as constants: the gradient goes through both
//       W's
//
// A forward pass never changes a module: `power_iteration(module)` takes one iteration in every such layer of a module,
// and belongs after each step of its optimizer. A critic of such layers has bounded slope.
#pragma once

#include <cmath>
#include <tessera/nn/conv.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

/// A linear layer by another weight than its own.
template <class T, Value X>
X with_weight(const Linear<T>& layer, const X& x, const X& weight) {
  return layer.bias ? linear(x, weight, lift(x, *layer.bias)) : linear(x, weight);
}
template <class T, Value X>
X with_weight(const Conv2d<T>& layer, const X& x, const X& weight) {
  return layer.bias ? conv2d(x, weight, lift(x, *layer.bias), layer.geometry) : conv2d(x, weight, layer.geometry);
}

template <class Layer>
struct SpectralNorm;

template <template <class> class Kind, class T>
struct SpectralNorm<Kind<T>> {
  using Scalar = T;
  using Layer = Kind<T>;

  Layer layer;
  std::optional<Buffer<T>> left, right;  // [rows], [cols] of the weight as a matrix; none: a plain layer

  /// `on` false gives the plain layer, so that a config can choose.
  SpectralNorm(typename Layer::Config c, Rng& rng, bool on = true) : layer(c, rng) {
    if (!on) return;
    const Tensor<T>& w = layer.weight.value;
    left = Buffer<T>{unit(init::normal<T>({w.rows()}, 1, rng))};
    right = Buffer<T>{unit(init::normal<T>({w.cols()}, 1, rng))};
    for (int i = 0; i < 15; ++i) power_iteration();  // a good start, so that step 1 is bounded too
  }

  template <Value X>
  X operator()(const X& x) const {
    if (!left) return layer(x);
    const X w = lift(x, layer.weight);
    return with_weight(layer, x, w / sigma(w));
  }
  /// left^T W right, a scalar.
  template <Value X>
  X sigma(const X& weight) const {
    const X rows = reshape(weight, {weight.rows(), weight.cols()});
    const X y = matmul(rows, lift(rows, right->value.reshaped({rows.cols(), 1})));
    return sum(y * lift(rows, left->value.reshaped({rows.rows(), 1})));
  }

  /// right = W^T left / |.|, then left = W right / |.|.
  void power_iteration() {
    if (!left) return;
    const Tensor<T> w = layer.weight.value.reshaped({left->value.size(), right->value.size()});
    right->value = unit(product(w, left->value.reshaped({left->value.size(), 1}), true, false));
    left->value = unit(product(w, right->value.reshaped({right->value.size(), 1}), false, false));
  }

  static void members(auto& self, auto&& see) {
    see("layer", self.layer);
    see("left", self.left);
    see("right", self.right);
  }

 private:
  static Tensor<T> unit(Tensor<T> v) {
    double s = 0;
    for (Index i = 0; i < v.size(); ++i) s += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    const Shape flat{v.size()};
    return (std::move(v) * static_cast<T>(1 / std::sqrt(s + 1e-24))).reshaped(flat);
  }
};

namespace detail {
template <class M>
void iterate_powers(M& member) {
  if constexpr (requires { member.power_iteration(); }) {
    member.power_iteration();
  } else if constexpr (is_optional<M> || is_pointer<M>) {
    if (member) iterate_powers(*member);
  } else if constexpr (is_sequence<M>) {
    for (auto& m : member) iterate_powers(m);
  } else if constexpr (Module<M>) {
    M::members(member, [](std::string_view, auto& m) { iterate_powers(m); });
  }
}
}  // namespace detail

/// One power iteration in every spectral norm of the module.
template <Module M>
void power_iteration(M& module) {
  detail::iterate_powers(module);
}

}  // namespace tessera::inline TESSERA_ISA
