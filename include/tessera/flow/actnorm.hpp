// ActNorm (Glow: Kingma and Dhariwal, 2018, arXiv 1807.03039): every channel shifted and scaled, y = (x + b) exp(s), so
// that the first batch comes out with mean 0 and deviation 1. log_det = places * sum s.
#pragma once

#include <cmath>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/flow/bijection.hpp>
#include <tessera/nn/init.hpp>

namespace tessera::inline TESSERA_ISA {

template <class T>
struct ActNorm {
  struct Config {
    Index channels = 1;
  };

  Parameter<T> shift, log_scale;  // [channels]

  explicit ActNorm(Config c) : shift{init::zeros<T>({c.channels})}, log_scale{init::zeros<T>({c.channels})} {}

  template <Value X>
  Mapped<X> forward(const X& x, const X& = {}) const {
    check(x.shape());
    const X s = lift(x, log_scale);
    return {(x + lift(x, shift)) * exp(s), log_det(x, s)};
  }
  template <Value X>
  Mapped<X> inverse(const X& z, const X& = {}) const {
    check(z.shape());
    const X s = -lift(z, log_scale);
    return {z * exp(s) - lift(z, shift), log_det(z, s)};
  }
  Mapped<Tensor<T>> initialise(const Tensor<T>& x, const Tensor<T>& = {}) {
    check(x.shape());
    const Index c = x.cols(), n = x.rows();
    const Tensor<T> rows = x.reshaped({n, c}), centre = mean(rows, {0}), spread = var(rows, {0});
    shift.value = -centre;
    T* s = log_scale.value.data();
    for (Index i = 0; i < c; ++i) s[i] = T(-0.5) * std::log(spread[i] + T(1e-6));  // a dead channel stays finite
    return forward(x);
  }

  static void members(auto& self, auto&& see) {
    see("shift", self.shift);
    see("log_scale", self.log_scale);
  }

 private:
  void check(const Shape& s) const {
    if (s.rank() < 2 || s.back() != shift.value.size())
      throw shape_error("ActNorm: the last axis of " + s.to_string() + " is not " + std::to_string(shift.value.size()) +
                        " channels");
  }
  template <Value X>
  static X log_det(const X& x, const X& s) {
    const Index items = x.extent(0), places = items == 0 ? 0 : x.size() / (items * x.cols());
    return detail::for_each_item(sum(s) * static_cast<ScalarOf<X>>(places), items);
  }
};

}  // namespace tessera::inline TESSERA_ISA
