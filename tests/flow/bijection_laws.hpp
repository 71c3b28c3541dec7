// The laws of a bijection, one line a subject: the way back is exact (1e-5 in float, 1e-9 in double), log_det is the
// Jacobian's in both directions, values and log-determinants have the gradients of finite differences in both
// directions, every parameter gets one, and an item of a batch is bit for bit what it is alone.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/flow/bijection.hpp>

#include "tests/support/gradient.hpp"

namespace tessera::testing {

struct BijectionLaw {
  Index context = 0;             // its width
  double nudge = 0.3;            // deviation of what is added to each parameter
  double offset = 0, scale = 1;  // of the data
  double float_tolerance = 1e-5;
};

namespace flow_detail {

/// log |det| of a square matrix.
inline double log_abs_det(std::vector<double> m, Index n) {
  double sum = 0;
  const auto at = [&](Index r, Index c) -> double& { return m[static_cast<std::size_t>(r * n + c)]; };
  for (Index k = 0; k < n; ++k) {
    Index best = k;
    for (Index r = k; r < n; ++r) best = std::abs(at(r, k)) > std::abs(at(best, k)) ? r : best;
    for (Index c = 0; c < n; ++c) std::swap(at(k, c), at(best, c));
    sum += std::log(std::abs(at(k, k)));
    for (Index r = k + 1; r < n; ++r) {
      const double f = at(r, k) / at(k, k);
      for (Index c = k; c < n; ++c) at(r, c) -= f * at(k, c);
    }
  }
  return sum;
}
/// log |det| of the Jacobian of f at each item of x.
template <class F>
std::vector<double> jacobians(const F& f, const D& x) {
  const Index items = x.extent(0), n = x.size() / items;
  std::vector<std::vector<double>> m(static_cast<std::size_t>(items),
                                     std::vector<double>(static_cast<std::size_t>(n * n)));
  const double h = 1e-6;
  for (Index i = 0; i < n; ++i) {  // number i of all items at once
    D up = x.clone(), down = x.clone();
    for (Index b = 0; b < items; ++b) {
      up.data()[b * n + i] += h;
      down.data()[b * n + i] -= h;
    }
    const D a = f(up), c = f(down);
    for (Index b = 0; b < items; ++b) {
      for (Index k = 0; k < n; ++k)
        m[static_cast<std::size_t>(b)][static_cast<std::size_t>(k * n + i)] = (a[b * n + k] - c[b * n + k]) / (2 * h);
    }
  }
  std::vector<double> logs;
  for (const auto& j : m) logs.push_back(log_abs_det(j, n));
  return logs;
}
template <class T, class B>
void nudge(B& b, double deviation) {
  std::uint64_t seed = 70;
  for_each_parameter(b, [&](const std::string&, auto& p) {
    p.value = p.value + draw(p.value.shape(), ++seed, deviation).template as<T>();
  });
}
template <Value X>
X flattened(const Mapped<X>& m) {
  return concat({reshape(m.value, {m.value.size()}), m.log_det}, 0);
}
inline double furthest(const auto& a, const auto& b) {
  REQUIRE(a.shape() == b.shape());
  double d = 0;
  for (Index i = 0; i < a.size(); ++i) d = std::max(d, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return d;
}

}  // namespace flow_detail

/// make(T{}) makes the bijection in T, the same one every time. Second: second derivatives are claimed.
template <bool Second = false, class Make>
void check_bijection(const std::string& name, const Make& make, const Shape& shape, BijectionLaw law = {}) {
  using namespace flow_detail;
  INFO(name);
  auto b = make(0.0);
  nudge<double>(b, law.nudge);
  const D x = draw(shape, 5, law.scale, law.offset), c = law.context > 0 ? draw({shape[0], law.context}, 6) : D();
  const auto there = b.forward(x, c);
  const auto back = b.inverse(there.value, c);
  REQUIRE(there.log_det.shape() == Shape{shape[0]});
  REQUIRE(furthest(back.value, x) < 1e-9);
  REQUIRE(furthest(back.log_det, -there.log_det) < 1e-8);
  const std::vector<double> exact = jacobians([&](const D& v) { return b.forward(v, c).value; }, x);
  for (std::size_t i = 0; i < exact.size(); ++i)
    REQUIRE(there.log_det[static_cast<Index>(i)] == Approx(exact[i]).margin(1e-6));

  auto f = make(0.0f);
  nudge<float>(f, law.nudge);
  const Tensor<float> xf = x.as<float>(), cf = c ? c.as<float>() : Tensor<float>();
  const auto there_f = f.forward(xf, cf);
  REQUIRE(furthest(f.inverse(there_f.value, cf).value, xf) < law.float_tolerance);
  for (Index i = 0; i < shape[0]; ++i) {
    const auto one = f.forward(slice(xf, 0, i, i + 1), cf ? slice(cf, 0, i, i + 1) : cf);
    REQUIRE(same_bytes(one.value, slice(there_f.value, 0, i, i + 1)));
    REQUIRE(one.log_det[0] == there_f.log_det[i]);
  }

  const auto recorded = [](const D& v, const auto& like) {
    return v ? lift(like, v) : std::remove_cvref_t<decltype(like)>();
  };
  for (const bool ahead : {true, false}) {
    INFO((ahead ? "forward" : "inverse"));
    const D at = ahead ? x : there.value;
    const auto run = [&](const auto& v) {
      return flattened(ahead ? b.forward(v, recorded(c, v)) : b.inverse(v, recorded(c, v)));
    };
    // Of the data. Second derivatives take long to compile, so they are checked only where asked for.
    if constexpr (Second) {
      check_gradient([&](const auto& d) { return run(d + at); }, {at.shape()}, {.scale = 1e-2});
    } else {
      Tape<D> tape;
      const Var<D> v = tape.input(at);
      tape.backward(weigh(run(v), 7));
      const D numeric = differences([&](const D& d) { return weigh(run(d), 7).item(); }, at);
      check_close(tape.gradient(v), numeric, "data", 1e-4);
    }
    // Of the parameters.
    bool any = false;
    for_each_parameter(b, [&](const std::string&, auto&) { any = true; });
    if (!any) continue;
    auto copy = make(0.0);
    nudge<double>(copy, law.nudge / 2);
    const D from = ahead ? x : copy.forward(x, c).value;
    check_module(copy, [&](const auto& m, Tape<D>& t) {
      const Var<D> v = t.constant(from), context = c ? t.constant(c) : Var<D>();
      return flattened(ahead ? m.forward(v, context) : m.inverse(v, context));
    });
  }
}

}  // namespace tessera::testing

/// make(T{}): a bijection from a config and the same seed every time.
#define MADE(...)                \
  [](auto t) {                   \
    using T = decltype(t);       \
    [[maybe_unused]] Rng rng(3); \
    return __VA_ARGS__;          \
  }
