#include <tessera/autodiff/op/attention.hpp>
#include <tessera/autodiff/op/checkpoint.hpp>
#include <tessera/autodiff/op/conv.hpp>
#include <tessera/autodiff/op/dropout.hpp>
#include <tessera/autodiff/op/loss.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/norm.hpp>
#include <tessera/autodiff/op/rotary.hpp>
#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autodiff/op/tanh.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

TEST_CASE("convolutions have the gradients of finite differences, second ones too", "[autodiff]") {
  const Stride2d same{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  check_gradient([same](const auto& x, const auto& w, const auto& b) { return conv2d(x, w, b, same); },
                 {{1, 3, 4, 2}, {3, 3, 2, 2}, {2}});
  check_gradient([same](const auto& x, const auto& w, const auto& b) { return conv2d(x, w, b, same); },
                 {{2, 3, 2, 2}, {3, 3, 2, 2}, {2, 2}});  // each picture its own bias
  check_gradient(
      [same](const auto& r, const auto& x, const auto& w, const auto& b) { return conv2d_added(r, x, w, &b, same); },
      {{2, 3, 2, 2}, {2, 3, 2, 2}, {3, 3, 2, 2}, {2}});
  const Stride2d strided{
      .stride_h = 2, .stride_w = 1, .pad_top = 1, .pad_left = 0, .pad_bottom = 0, .pad_right = 2, .dilation_w = 2};
  check_gradient([strided](const auto& x, const auto& w) { return conv2d(x, w, strided); },
                 {{2, 4, 5, 1}, {2, 2, 1, 2}});
  check_gradient([](const auto& x, const auto& w) { return conv2d(x, w, Stride2d{.groups = 2}); },
                 {{1, 3, 3, 4}, {2, 2, 2, 4}});
  check_gradient(
      [](const auto& y, const auto& w) {
        const Stride2d o{.stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
        using X = std::remove_cvref_t<decltype(y)>;
        return conv2d_transposed(y, w, detail::no_bias<X>(), o, transposed_shape(y.shape(), w.shape(), o));
      },
      {{1, 2, 2, 3}, {4, 4, 2, 3}});
  check_gradient(
      [](const auto& x, const auto& w) {
        using X = std::remove_cvref_t<decltype(x)>;
        return conv1d(x, w, detail::no_bias<X>(), {.pad_before = 2, .dilation = 2});
      },
      {{2, 5, 2}, {2, 2, 3}});
}

TEST_CASE("norms have the gradients of finite differences, second ones too", "[autodiff]") {
  check_gradient([](const auto& x, const auto& g, const auto& b) { return layer_norm(x, g, b); }, {{3, 5}, {5}, {5}});
  check_gradient([](const auto& x) { return layer_norm(x); }, {{2, 2, 5}});
  check_gradient([](const auto& x, const auto& g) { return rms_norm(x, g); }, {{3, 5}, {5}});
  check_gradient([](const auto& x, const auto& g, const auto& b) { return group_norm(x, g, b, 2); },
                 {{2, 2, 2, 4}, {4}, {4}});
  check_gradient([](const auto& x, const auto& g, const auto& b) { return group_norm(x, g, b, 2, 1e-5, true); },
                 {{2, 3, 4}, {4}, {4}});
  check_gradient([](const auto& x, const auto& g, const auto& b) { return batch_norm(x, g, b); },
                 {{2, 2, 3, 4}, {4}, {4}});
}

TEST_CASE("batch norm tells what it saw", "[autodiff]") {
  const auto x = Tensor<double>::from({4, 2}, {1, 10, 2, 10, 3, 14, 6, 14});
  BatchMoments<double> seen;
  batch_norm(x, Tensor<double>(Shape{2}, 1.0), Tensor<double>(Shape{2}, 0.0), 1e-5, &seen);
  CHECK(seen.mean[0] == Approx(3));
  CHECK(seen.mean[1] == Approx(12));
  CHECK(seen.variance[0] == Approx(3.5));
  CHECK(seen.variance[1] == Approx(4));
  CHECK_THROWS_AS(batch_norm(x, Tensor<double>(Shape{3}, 1.0), Tensor<double>(Shape{2}, 0.0)), shape_error);
}

TEST_CASE("softmax and its kin have the gradients of finite differences", "[autodiff]") {
  check_gradient([](const auto& x) { return softmax(x); }, {{3, 4}});
  check_gradient([](const auto& x) { return log_softmax(x); }, {{3, 4}});
  check_gradient([](const auto& x) { return logsumexp(x); }, {{3, 4}});
  const auto targets = Tensor<std::int32_t>::from({3}, {2, -1, 0});
  check_gradient([targets](const auto& x) { return cross_entropy(x, targets); }, {{3, 4}});
  check_gradient([targets](const auto& x) { return cross_entropy(x, targets, {.smoothing = 0.1}); }, {{3, 4}});
}

TEST_CASE("losses have the gradients of finite differences", "[autodiff]") {
  const D y = draw({3, 4}, 50);
  check_gradient([y](const auto& x) { return mse(x, y); }, {{3, 4}});
  check_gradient([y](const auto& x) { return l1(x, y); }, {{3, 4}});
  check_gradient([y](const auto& x) { return huber(x, y, 0.7); }, {{3, 4}});
  check_gradient([y](const auto& x) { return bce_logits(x, y); }, {{3, 4}});
  check_gradient([y](const auto& m, const auto& v) { return gaussian_nll(m, v, y); }, {{3, 4}, {3, 4}});
  check_gradient([](const auto& m, const auto& v) { return gaussian_kl(m, v); }, {{3, 4}, {3, 4}});
}

TEST_CASE("losses have the values of their formulas", "[autodiff]") {
  const D x = D::from({2}, {1.0, -2.0}), y = D::from({2}, {0.0, 1.0});
  REQUIRE(mse(x, y).item() == Approx(5));
  REQUIRE(l1(x, y).item() == Approx(2));
  REQUIRE(huber(x, y, 1).item() == Approx((0.5 + 2.5) / 2));
  REQUIRE(bce_logits(x, y).item() == Approx((std::log1p(std::exp(1.0)) + std::log1p(std::exp(2.0))) / 2));
  REQUIRE(gaussian_nll(x, D({2}, 0.0), y).item() == Approx((1 + 9) / 4.0 + 0.5 * std::log(2 * 3.14159265358979)));
  REQUIRE(gaussian_kl(D({1, 2}, 0.0), D({1, 2}, 0.0)).item() == Approx(0).margin(1e-12));
  const auto t = Tensor<std::int32_t>::from({1}, {1});
  REQUIRE(cross_entropy(D::from({1, 2}, {0.0, 0.0}), t).item() == Approx(std::log(2.0)));
  REQUIRE_THROWS_AS(cross_entropy(D({1, 2}, 0.0), Tensor<std::int32_t>::from({1}, {2})), argument_error);
}

TEST_CASE("attention has the gradients of finite differences", "[autodiff]") {
  for (const bool causal : {false, true}) {
    check_gradient([causal](const auto& q, const auto& k,
                            const auto& v) { return attention(q, k, v, {.heads = 2, .causal = causal}); },
                   {{2, 3, 4}, {2, 3, 4}, {2, 3, 4}}, {.second = false});
  }
  check_gradient([](const auto& q, const auto& k,
                    const auto& v) { return attention(q, k, v, {.heads = 4, .kv_heads = 2, .scale = 0.8}); },
                 {{1, 3, 8}, {1, 5, 4}, {1, 5, 4}}, {.second = false});
  D bias = draw({2, 1, 3, 5}, 8);  // a batch of two, one for all heads
  bias.data()[4] = -INFINITY;
  check_gradient([bias](const auto& q, const auto& k, const auto& v) { return attention(q, k, v, {.heads = 2}, bias); },
                 {{2, 3, 4}, {2, 5, 4}, {2, 5, 4}}, {.second = false});
  AttentionOptions o{.heads = 4, .kv_heads = 2};
  o.keep = Tensor<std::uint8_t>::from({1, 5}, {1, 1, 0, 1, 1});
  Tape<D> tape;  // hidden keys get no gradient, so this one is compared by its value only
  const D q = draw({1, 2, 8}, 1), k = draw({1, 5, 4}, 2), v = draw({1, 5, 4}, 3);
  const auto vk = tape.input(k);
  tape.backward(sum(attention(tape.constant(q), vk, tape.constant(v), o)));
  for (Index i = 0; i < 4; ++i) REQUIRE(tape.gradient(vk)[2 * 4 + i] == 0);
  check_gradient([](const auto& x) { return rotate(x, 2, 100); }, {{1, 3, 8}});
  check_gradient([](const auto& x) { return rotate(x, 2, 100, 5); }, {{1, 3, 8}});
}

TEST_CASE("attention says that it has no second derivative", "[autodiff]") {
  Tape<D> outer;
  Tape<Var<D>> inner;
  const auto x = inner.input(outer.input(draw({1, 2, 4}, 1)));
  REQUIRE_THROWS_WITH(inner.backward(sum(attention(x, x, x, {.heads = 1}))),
                      Catch::Matchers::Contains("second derivative"));
}

TEST_CASE("a checkpointed block has the gradients of the plain one", "[autodiff]") {
  const Parameter<double> w{draw({3, 3}, 4)};
  const auto block = [&w](const auto& x, const auto& y) { return tanh(matmul(x, lift(x, w))) * y; };
  const D x0 = draw({2, 3}, 5), y0 = draw({2, 3}, 6);
  D first[3], second[3];
  for (D* out : {first, second}) {
    Tape<D> tape;
    const auto x = tape.input(x0), y = tape.input(y0);
    const auto z = out == first ? block(x, y) : checkpoint(block, x, y);
    tape.backward(sum(square(z)));
    out[0] = tape.gradient(x);
    out[1] = tape.gradient(y);
    out[2] = tape.gradient(w);
  }
  for (int i = 0; i < 3; ++i) check_close(second[i], first[i], "checkpoint", 1e-12);
}

TEST_CASE("dropout drops the same elements for the same noise and scales the rest", "[autodiff]") {
  check_gradient([](const auto& x) { return dropout(x, 0.4, Noise{3}); }, {{20}});
  const D x({10000}, 1.0);
  const D y = dropout(x, 0.25, Noise{1});
  REQUIRE(same_bytes(y, dropout(x, 0.25, Noise{1})));
  REQUIRE(mean(y).item() == Approx(1).margin(0.03));
  REQUIRE_THROWS_AS(dropout(x, 1.0, Noise{1}), argument_error);
}

TEST_CASE("a transposed convolution's bias and a weight adjoint's output are checked", "[autodiff]") {
  const D y = draw({1, 6, 6, 4}, 1), w = draw({3, 3, 8, 4}, 2), bias = draw({4}, 3);
  REQUIRE_THROWS_AS(conv2d_transposed(y, w, &bias, Stride2d{}, Shape{1, 8, 8, 8}), shape_error);
  REQUIRE_THROWS_AS(conv2d_weight_adjoint(draw({1, 8, 8, 4}, 1), draw({1, 2, 2, 4}, 2), Stride2d{}, Shape{3, 3, 4, 4}),
                    shape_error);
}

TEST_CASE("group norm of nothing has gradients of nothing, second ones too", "[autodiff]") {
  using V = Var<D>;
  Tape<D> inner;
  Tape<V> outer;
  const auto x = outer.input(inner.input(D(Shape{0, 4, 4, 8})));
  const auto gain = outer.input(inner.input(D({8}, 1.0))), bias = outer.input(inner.input(D({8}, 0.0)));
  outer.backward(sum(group_norm(x, gain, bias, 2)));
  CHECK(outer.take_gradient(x).shape() == Shape{0, 4, 4, 8});
  CHECK(outer.take_gradient(gain).shape() == Shape{8});
}
