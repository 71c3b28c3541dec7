// Normalisation layers: LayerNorm (Ba et al., 2016, arXiv 1607.06450), RMSNorm (Zhang and Sennrich, 2019, arXiv 1910.07467) and
// GroupNorm (Wu and He, 2018, arXiv 1803.08494).
#pragma once

#include <tessera/autodiff/op/norm.hpp>
#include <tessera/nn/init.hpp>
#include <tessera/nn/module.hpp>

namespace tessera::inline TESSERA_ISA {

/// Over the last axis.
template <class T>
struct LayerNorm {
  struct Config {
    Index width = 1;
    double epsilon = 1e-5;
    bool affine = true;  // a learned gain and bias
  };

  std::optional<Parameter<T>> weight, bias;  // [width]
  double epsilon;

  explicit LayerNorm(Config c) : epsilon(c.epsilon) {
    if (!c.affine) return;
    weight = Parameter<T>{init::ones<T>({c.width})};
    bias = Parameter<T>{init::zeros<T>({c.width})};
  }

  template <Value X>
  X operator()(const X& x) const {
    if (!weight) return layer_norm(x, epsilon);
    return layer_norm(x, lift(x, *weight), lift(x, *bias), epsilon);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

/// Over the last axis, without centring.
template <class T>
struct RMSNorm {
  struct Config {
    Index width = 1;
    double epsilon = 1e-6;
  };

  Parameter<T> weight;  // [width]
  double epsilon;

  explicit RMSNorm(Config c) : weight{init::ones<T>({c.width})}, epsilon(c.epsilon) {}

  template <Value X>
  X operator()(const X& x) const {
    return rms_norm(x, lift(x, weight), epsilon);
  }

  static void members(auto& self, auto&& see) { see("weight", self.weight); }
};

/// Over space and the channels of a group: [B, ..., C].
template <class T>
struct GroupNorm {
  struct Config {
    Index channels = 1, groups = 8;
    double epsilon = 1e-5;
  };

  Parameter<T> weight, bias;  // [channels]
  Index groups;
  double epsilon;

  explicit GroupNorm(Config c)
      : weight{init::ones<T>({c.channels})}, bias{init::zeros<T>({c.channels})}, groups(c.groups), epsilon(c.epsilon) {
    if (c.groups < 1 || c.channels % c.groups != 0)
      throw argument_error("GroupNorm: " + std::to_string(c.channels) + " channels do not divide into " +
                           std::to_string(c.groups) + " groups");
  }

  template <Value X>
  X operator()(const X& x) const {
    return group_norm(x, lift(x, weight), lift(x, bias), groups, epsilon, false);
  }
  /// silu(norm(x)) in one pass.
  template <Value X>
  X silu(const X& x) const {
    return group_norm(x, lift(x, weight), lift(x, bias), groups, epsilon, true);
  }

  static void members(auto& self, auto&& see) {
    see("weight", self.weight);
    see("bias", self.bias);
  }
};

}  // namespace tessera::inline TESSERA_ISA
