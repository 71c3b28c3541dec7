// Ops work in the buffers of temporaries, keep slopes instead of operands and add gradients where others already lie. None of
// that may show: values equal those of kept operands bit for bit, what others hold stays, gradients are the derivatives.
#include <tessera/autodiff/op/conv.hpp>
#include <tessera/autodiff/op/exp.hpp>
#include <tessera/autodiff/op/gated.hpp>
#include <tessera/autodiff/op/gelu.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/autodiff/op/silu.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {

using F = Tensor<float>;

/// Value and gradient by x of f, applied to a temporary copy and to a value that someone keeps.
template <class Op>
void check_temporary(const Op& f) {
  const F x = Noise{5}.normal<float>({3, 7, 34}) * 3.f;
  F value[2], gradient[2];
  for (const bool kept : {false, true}) {
    Tape<F> tape;
    const Var<F> in = tape.input(x);
    Var<F> own = in * 1.f;  // a buffer of its own
    const F before = own.value().clone();
    const Var<F> keeper = kept ? own : in;
    const Var<F> y = f(std::move(own));
    if (kept) CHECK(same_bytes(keeper.value(), before));
    value[kept] = y.value().clone();
    tape.backward(sum(y * Noise{6}.normal<float>(y.shape())));
    gradient[kept] = tape.gradient(in);
    CHECK(same_bytes(in.value(), x));
  }
  CHECK(same_bytes(value[0], value[1]));
  CHECK(same_bytes(gradient[0], gradient[1]));
  CHECK(same_bytes(value[0], f(F(x))));  // with a tape and without
}

}  // namespace

TEST_CASE("ops on temporaries equal ops on kept values", "[autodiff]") {
  check_temporary([](auto x) { return relu(std::move(x)); });
  check_temporary([](auto x) { return leaky_relu(std::move(x), 0.2f); });
  check_temporary([](auto x) { return leaky_relu(std::move(x), -0.5f); });
  check_temporary([](auto x) { return silu(std::move(x)); });
  check_temporary([](auto x) { return gelu(std::move(x)); });
  check_temporary([](auto x) { return gelu_tanh(std::move(x)); });
  check_temporary([](auto x) { return gated(std::move(x)); });
  check_temporary([](auto x) { return exp(tanh(sigmoid(std::move(x)))); });
  check_temporary([](auto x) { return reshape(std::move(x), {21, 34}) + 2.f; });
  const F other = Noise{7}.normal<float>({3, 7, 34}), row = Noise{8}.normal<float>({34});
  check_temporary([&](auto x) { return std::move(x) + other; });
  check_temporary([&](auto x) { return std::move(x) - other; });
  check_temporary([&](auto x) { return std::move(x) + row; });
  const F w = Noise{9}.normal<float>({34, 34}), b = Noise{10}.normal<float>({34});
  check_temporary([&](auto x) {
    const auto weight = lift(x, w), bias = lift(x, b), in = lift(x, other);
    return linear_added(std::move(x), in, weight, bias);
  });
}

TEST_CASE("activations that keep their slope have it right, far out too", "[autodiff]") {
  const auto check = [](const auto& f) {
    F x(Shape{401});
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i - 200) * 0.6f;
    Tape<F> tape;
    Tape<Tensor<double>> exact;
    const auto in = tape.input(x);
    const auto wide = exact.input(x.as<double>());
    tape.backward(sum(f(in)));
    exact.backward(sum(f(wide)));
    const F& seen = tape.gradient(in);
    const Tensor<double>& wanted = exact.gradient(wide);
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i) {
      const double off = std::abs(static_cast<double>(seen[i]) - wanted[i]);
      worst = off > worst || off != off ? off : worst;
    }
    CHECK(worst < 1e-6);
  };
  check([](const auto& x) { return silu(x); });
  check([](const auto& x) { return gelu(x); });
  check([](const auto& x) { return gelu_tanh(x); });
}

TEST_CASE("linear_added has the gradients of its parts", "[autodiff]") {
  check_gradient(
      [](const auto& y, const auto& x, const auto& w, const auto& b) { return linear_added(y, tanh(x), w, b); },
      {{2, 3, 5}, {2, 3, 4}, {5, 4}, {5}});
  CHECK_THROWS_AS(linear_added(F(Shape{2, 3}), F(Shape{2, 4}), F(Shape{5, 4}), F(Shape{5})), shape_error);
}

TEST_CASE("several linear maps of one value add their gradients up", "[autodiff]") {
  check_gradient(
      [](const auto& x, const auto& v, const auto& w) {
        const auto h = tanh(x);
        return linear(h, v) * linear(h, w) + sum(h, {-1}, true);
      },
      {{2, 3, 4}, {5, 4}, {5, 4}});
}

TEST_CASE("a convolution of one tap is a product, with the same gradients", "[autodiff]") {
  check_gradient([](const auto& x, const auto& w, const auto& b) { return conv2d(x, w, b); },
                 {{2, 3, 4, 5}, {1, 1, 5, 6}, {6}});
  const F x = Noise{1}.normal<float>({2, 3, 4, 5}), w = Noise{2}.normal<float>({1, 1, 5, 6});
  CHECK(same_bytes(conv2d(x, w), matmul(x, w.reshaped({5, 6}))));
}

TEST_CASE("a convolution between many channels and few in floats has the gradients of doubles", "[autodiff]") {
  const auto gradients = []<class T>(T) {
    const auto x = Noise{1}.normal<double>({2, 9, 8, 6}).template as<T>();
    const auto v = Noise{2}.normal<double>({3, 3, 6, 48}).template as<T>();
    const auto w = Noise{3}.normal<double>({3, 3, 48, 12}).template as<T>();
    Tape<Tensor<T>> tape;
    const auto tx = tape.input(x), tv = tape.input(v), tw = tape.input(w);
    const Stride2d same{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
    tape.backward(mean(tanh(conv2d(relu(conv2d(tx, tv, same) * T(0.1)), tw, same) * T(0.1))));
    return std::vector<Tensor<double>>{tape.gradient(tx).template as<double>(), tape.gradient(tv).template as<double>(),
                                       tape.gradient(tw).template as<double>()};
  };
  const auto seen = gradients(0.f), wanted = gradients(0.);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto off = seen[i] - wanted[i];
    CHECK(sum(off * off).item() <= 1e-10 * sum(wanted[i] * wanted[i]).item());
  }
}
