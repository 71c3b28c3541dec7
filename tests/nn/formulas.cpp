// Values, where a gradient that fits a wrong formula as well says nothing: layers against their formulas as plain loops, and
// conditioned blocks against the plain ones that they are under a condition that does nothing.
#include <tessera/nn/recurrent.hpp>
#include <tessera/nn/residual.hpp>
#include <tessera/nn/transformer.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

double logistic(double v) { return 1 / (1 + std::exp(-v)); }
/// Row i of W x + b, b where there is one.
double row_of(const Linear<double>& layer, Index i, const double* x) {
  const Index in = layer.weight.value.extent(1);
  double sum = layer.bias ? layer.bias->value[i] : 0;
  for (Index k = 0; k < in; ++k) sum += layer.weight.value[i * in + k] * x[k];
  return sum;
}
/// The same numbers in both, where both have them.
template <class M>
void copy_weights(const M& from, M& to) {
  for_each_parameter(to, [&](const std::string& path, auto& p) {
    for_each_parameter(from, [&](const std::string& other, const auto& q) {
      if (path == other) p.value = q.value.clone();
    });
  });
}
template <class M>
void randomise(M& module) {
  std::uint64_t seed = 60;
  for_each_parameter(module,
                     [&](const std::string&, auto& p) { p.value = p.value + draw(p.value.shape(), ++seed, 0.3); });
}
void require_near(const D& a, const D& b) {
  REQUIRE(a.shape() == b.shape());
  for (Index i = 0; i < a.size(); ++i) REQUIRE(a[i] == Approx(b[i]).margin(1e-10));
}

}  // namespace

TEST_CASE("an LSTM's steps are its formula's", "[nn]") {
  constexpr Index in = 3, n = 2, steps = 4;
  Rng rng(1);
  Lstm<double> lstm({.in = in, .hidden = n}, rng);
  randomise(lstm);
  const D x = draw({1, steps, in}, 1), y = lstm(x);
  double h[n] = {}, c[n] = {};
  for (Index t = 0; t < steps; ++t) {
    double next[n];
    for (Index j = 0; j < n; ++j) {
      double a[4];
      for (Index gate = 0; gate < 4; ++gate)
        a[gate] = row_of(lstm.input, gate * n + j, x.data() + t * in) + row_of(lstm.recurrent, gate * n + j, h);
      c[j] = logistic(a[1]) * c[j] + logistic(a[0]) * std::tanh(a[2]);
      next[j] = logistic(a[3]) * std::tanh(c[j]);
    }
    for (Index j = 0; j < n; ++j) REQUIRE(y[t * n + j] == Approx(h[j] = next[j]).margin(1e-10));
  }
}

TEST_CASE("a GRU's steps are its formula's", "[nn]") {
  constexpr Index in = 3, n = 2, steps = 4;
  Rng rng(2);
  Gru<double> gru({.in = in, .hidden = n}, rng);
  randomise(gru);
  const D x = draw({1, steps, in}, 1), y = gru(x);
  double h[n] = {};
  for (Index t = 0; t < steps; ++t) {
    double next[n];
    for (Index j = 0; j < n; ++j) {
      const auto from_x = [&](Index gate) { return row_of(gru.input, gate * n + j, x.data() + t * in); };
      const auto from_h = [&](Index gate) { return row_of(gru.recurrent, gate * n + j, h); };
      const double r = logistic(from_x(0) + from_h(0)), z = logistic(from_x(1) + from_h(1));
      next[j] = (1 - z) * std::tanh(from_x(2) + r * from_h(2)) + z * h[j];
    }
    for (Index j = 0; j < n; ++j) REQUIRE(y[t * n + j] == Approx(h[j] = next[j]).margin(1e-10));
  }
}

TEST_CASE("an Mlp is its formula with the activation that was asked for", "[nn]") {
  constexpr Index width = 3, hidden = 5;
  const auto value = [](Activation a, double v) {
    if (a == Activation::silu) return v * logistic(v);
    if (a == Activation::gelu) return v * (1 + std::erf(v / std::sqrt(2.0))) / 2;
    return v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979324) * (v + 0.044715 * v * v * v))) / 2;
  };
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::silu}) {
    Rng rng(6);
    Mlp<double> mlp({.width = width, .hidden = hidden, .activation = activation}, rng);
    randomise(mlp);
    const D x = draw({1, width}, 1, 2), y = mlp(x);
    double h[hidden];
    for (Index j = 0; j < hidden; ++j) h[j] = value(activation, row_of(mlp.up, j, x.data()));
    for (Index i = 0; i < width; ++i) REQUIRE(y[i] == Approx(row_of(mlp.down, i, h)).margin(1e-10));
  }
}

TEST_CASE("attention is its formula, with grouped keys, rotary positions and a mask", "[nn]") {
  constexpr Index rows = 5, heads = 4, groups = 2, width = 4, d = heads * width;
  Rng rng(3);
  const Attention<double> layer({.width = d, .heads = heads, .kv_heads = groups, .rotary = 100}, rng);
  const D x = draw({1, rows, d}, 1);
  const auto keep = Tensor<std::uint8_t>::from({1, rows}, {1, 1, 0, 1, 1});
  const D q = rotate(layer.query(x), heads, 100), k = rotate(layer.key(x), groups, 100), v = layer.value(x);
  D mixed({1, rows, d}, 0.0);
  for (Index h = 0; h < heads; ++h) {
    const Index g = h * groups / heads;
    for (Index i = 0; i < rows; ++i) {
      double weight[rows], sum = 0;
      for (Index j = 0; j < rows; ++j) {
        double score = 0;
        for (Index e = 0; e < width; ++e) score += q[i * d + h * width + e] * k[(j * groups + g) * width + e];
        sum += weight[j] = keep[j] ? std::exp(score / std::sqrt(static_cast<double>(width))) : 0;
      }
      for (Index j = 0; j < rows; ++j)
        for (Index e = 0; e < width; ++e)
          mixed.data()[i * d + h * width + e] += weight[j] / sum * v[(j * groups + g) * width + e];
    }
  }
  require_near(layer(x, keep), layer.output(mixed));
}

TEST_CASE("a transformer block under a condition that opens its gates and does no more is the plain block", "[nn]") {
  constexpr Index width = 4;
  Rng rng(4);
  TransformerBlock<double> block({.width = width, .heads = 2, .condition = 3}, rng);
  randomise(block);
  Linear<double>& m = *block.modulation;
  m.weight.value = D(m.weight.value.shape(), 0.0);
  m.bias->value = D(m.bias->value.shape(), 0.0);
  for (const Index gate : {2, 5})
    for (Index i = 0; i < width; ++i) m.bias->value.data()[gate * width + i] = 1;
  const D x = draw({2, 3, width}, 1), c = draw({2, 3}, 2);
  require_near(block.conditioned(x, c), block(x));
}

TEST_CASE("a residual block under an embedding that says nothing is the plain block", "[nn]") {
  Rng rng(5);
  ResidualBlock<double> plain({.in = 8, .out = 16}, rng), block({.in = 8, .out = 16, .embedding = 3}, rng);
  randomise(plain);
  copy_weights(plain, block);
  Linear<double>& m = *block.modulation;
  m.weight.value = D(m.weight.value.shape(), 0.0);
  m.bias->value = D(m.bias->value.shape(), 0.0);
  const D x = draw({2, 4, 4, 8}, 1), e = draw({2, 3}, 2);
  require_near(block(x, e), plain(x));
}
