// The law of gradients: what the tape says equals finite differences, in double, for every input; and the same once more for
// the gradient itself where second derivatives are claimed.
//
//   check_gradient([](const auto& x, const auto& w) { return matmul(x, w); }, {{2, 3}, {3, 4}});
#pragma once

#include <cmath>
#include <string>
#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/core/noise.hpp>
#include <tessera/nn/module.hpp>
#include <vector>

#include "tests/support/catch.hpp"

namespace tessera::testing {

using D = Tensor<double>;

inline D draw(const Shape& shape, std::uint64_t seed, double scale = 1, double offset = 0) {
  Tensor<float> n(shape);
  Noise{seed}.normal(n.span());
  D x(shape);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = offset + scale * static_cast<double>(std::as_const(n).data()[i]);
  return x;
}
/// A weighted sum, so that every element of y matters differently.
template <Value X>
X weigh(const X& y, std::uint64_t seed) {
  return sum(y * draw(y.shape(), seed));
}
inline void check_close(const D& analytic, const D& numeric, const std::string& what, double rtol) {
  REQUIRE(analytic.shape() == numeric.shape());
  double top = 1e-3;
  for (Index i = 0; i < numeric.size(); ++i) top = std::max(top, std::abs(numeric[i]));
  for (Index i = 0; i < numeric.size(); ++i) {
    INFO(what << ", element " << i << ": tape " << analytic[i] << ", differences " << numeric[i]);
    REQUIRE(std::abs(analytic[i] - numeric[i]) <= rtol * top);
  }
}
/// Central differences of a scalar function of x.
template <class F>
D differences(const F& f, D x, double h = 1e-5) {
  D g(x.shape());
  for (Index i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x.data()[i] = at + h;
    const double up = f(x);
    x.data()[i] = at - h;
    const double down = f(x);
    x.data()[i] = at;
    g.data()[i] = (up - down) / (2 * h);
  }
  return g;
}

namespace gradient_detail {
template <class F, class X, std::size_t... I>
auto call(const F& f, const std::vector<X>& in, std::index_sequence<I...>) {
  return f(in[I]...);
}
}  // namespace detail

struct GradientCheck {
  double rtol = 1e-4;
  double scale = 1, offset = 0;  // of the inputs: offset 2, scale 0.3 keeps logs happy
  bool second = true;
};

template <std::size_t N, class F>
void check_gradient_of(const F& f, const Shape (&shapes)[N], GradientCheck o = {}) {
  constexpr auto all = std::make_index_sequence<N>{};
  std::vector<D> in;
  for (std::size_t i = 0; i < N; ++i) in.push_back(draw(shapes[i], 100 + i, o.scale, o.offset));
  const auto value = [&](const std::vector<D>& at) { return weigh(gradient_detail::call(f, at, all), 7).item(); };
  const auto gradients = [&](const std::vector<D>& at) {
    Tape<D> tape;
    std::vector<Var<D>> x;
    for (const D& v : at) x.push_back(tape.input(v));
    tape.backward(weigh(gradient_detail::call(f, x, all), 7));
    std::vector<D> g;
    for (const Var<D>& v : x) g.push_back(tape.gradient(v));
    return g;
  };
  const std::vector<D> first = gradients(in);
  for (std::size_t i = 0; i < N; ++i) {
    const D numeric = differences(
        [&](const D& x) {
          std::vector<D> at = in;
          at[i] = x;
          return value(at);
        },
        in[i]);
    check_close(first[i], numeric, "input " + std::to_string(i), o.rtol);
  }
  if constexpr (requires(std::vector<Var<Var<D>>> v) { gradient_detail::call(f, v, all); }) {
    if (!o.second) return;
    // s(x) = sum_i <w_i, d_i>, d the gradients: its gradient by nesting against its differences.
    const auto probe = [](std::size_t i) { return 900 + i; };
    Tape<D> outer;
    Tape<Var<D>> inner;
    std::vector<Var<D>> x1;
    std::vector<Var<Var<D>>> x2;
    for (const D& v : in) {
      x1.push_back(outer.input(v));
      x2.push_back(inner.input(x1.back()));
    }
    inner.backward(weigh(gradient_detail::call(f, x2, all), 7));
    Var<D> s;
    for (std::size_t i = 0; i < N; ++i) {
      const Var<D> part = weigh(inner.gradient(x2[i]), probe(i));
      s = s ? s + part : part;
    }
    std::vector<D> second(N);
    if (s.needs_gradient()) outer.backward(s);
    for (std::size_t i = 0; i < N; ++i) {
      const D numeric = differences(
          [&](const D& x) {
            std::vector<D> at = in;
            at[i] = x;
            const std::vector<D> g = gradients(at);
            double t = 0;
            for (std::size_t k = 0; k < N; ++k) t += weigh(g[k], probe(k)).item();
            return t;
          },
          in[i]);
      D found(in[i].shape(), 0.0);
      try {
        found = outer.gradient(x1[i]);
      } catch (const argument_error&) {  // independent: zero
      }
      check_close(found, numeric, "second derivative, input " + std::to_string(i), o.rtol);
    }
  }
}
template <std::size_t N, class F>
void check_gradient(const F& f, const Shape (&shapes)[N], GradientCheck o = {}) {
  check_gradient_of<N>(f, shapes, o);
}

/// The same for a module in double: its inputs and every parameter; and that no parameter's gradient is zero
/// throughout. `nudge` moves zero-initialised parameters first, or branches that start closed would hide what is behind
/// them.
template <class M, class F>
void check_module(M& module, const F& f, double rtol = 1e-4) {
  std::uint64_t seed = 4000;
  for_each_parameter(module, [&](const std::string&, auto& p) {
    const D n = draw(p.value.shape(), ++seed, 0.3);
    p.value = p.value + n;
  });
  Tape<D> tape;
  tape.backward(weigh(f(module, tape), 7));
  for_each_parameter(module, [&](const std::string& path, auto& p) {
    INFO(path);
    REQUIRE(tape.find_gradient(p) != nullptr);
    const D g = *tape.find_gradient(p);
    double top = 0;
    for (Index i = 0; i < g.size(); ++i) top = std::max(top, std::abs(g[i]));
    REQUIRE(top > 0);
    const Index n = p.value.size(), stride = n > 6 ? n / 6 : 1;  // a few elements of each
    for (Index i = 0; i < n; i += stride) {
      const double at = p.value[i], h = 1e-5;
      const auto value = [&](double v) {
        p.value.data()[i] = v;
        Tape<D> t;
        return weigh(f(module, t), 7).value().item();
      };
      const double numeric = (value(at + h) - value(at - h)) / (2 * h);
      p.value.data()[i] = at;
      INFO("element " << i << ": tape " << g[i] << ", differences " << numeric);
      REQUIRE(std::abs(g[i] - numeric) <= rtol * std::max(top, 1e-3));
    }
  });
}

}  // namespace tessera::testing
