// Layers that make relu(x) in their last step, and layers that gate its gradient in theirs: the bits of relus between the
// layers, and their derivatives, the second ones too.
#include <tessera/nn/conv.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/gradient.hpp"

using namespace tessera;
using testing::check_gradient;

namespace {

template <class T>
struct Net {
  Conv2d<T> first, middle;
  ConvTranspose2d<T> up, last;
  explicit Net(Rng& rng)
      : first({.in = 8, .out = 64}, rng),
        middle({.in = 64, .out = 64, .kernel = 1}, rng),
        up({.in = 64, .out = 32}, rng),
        last({.in = 32, .out = 3, .bias = false}, rng) {
    for (auto* bias : {&*first.bias, &*middle.bias, &*up.bias})
      bias->value = init::normal<T>(bias->value.shape(), 1, rng);
  }
  static void members(auto& self, auto&& see) {
    see("first", self.first);
    see("middle", self.middle);
    see("up", self.up);
    see("last", self.last);
  }
};

}  // namespace

TEST_CASE("rectified layers have the values and gradients of relus between layers, bit for bit", "[nn]") {
  Rng rng{1};
  const Net<float> net(rng);
  const auto x = Noise{2}.normal<float>({3, 8, 8, 8});
  const auto fused = [&](const auto& v) {
    const auto h = net.middle.rectified(net.first.rectified(v));
    return net.last(net.up.rectified(h)) + sum(h.open());  // two users of one relu
  };
  const auto apart = [&](const auto& v) {
    const auto h = relu(net.middle(relu(net.first(v))));
    return net.last(relu(net.up(h))) + sum(h);
  };
  const auto seed = Noise{3}.normal<float>({3, 32, 32, 3});
  CHECK(same_bytes(fused(x), apart(x)));
  Tape<Tensor<float>> a, b;
  const auto xa = a.input(x), xb = b.input(x);
  a.backward(fused(xa), seed);
  b.backward(apart(xb), seed);
  const auto same = [](const Tensor<float>& p, const Tensor<float>& q) {  // but for the sign of zeros
    bool equal = p.shape() == q.shape();
    for (Index i = 0; equal && i < p.size(); ++i) equal = p[i] == q[i];
    return equal;
  };
  CHECK(same(a.gradient(xa), b.gradient(xb)));
  for_each_parameter(net, [&](const std::string& name, const auto& p) {
    INFO(name);
    CHECK(same(a.gradient(p), b.gradient(p)));
  });
}

TEST_CASE("gradients through rectified convolutions", "[nn]") {
  const Stride2d same{1, 1, 1, 1, 1, 1}, half{2, 2, 1, 1, 1, 1};
  check_gradient(
      [=](const auto& x, const auto& w, const auto& b, const auto& v) {
        return detail::conv2d_between(detail::conv2d_between(x, false, w, &b, same, true), true, v, &b, same, false);
      },
      {{2, 3, 3, 2}, {3, 3, 2, 2}, {2}, {3, 3, 2, 2}});
  check_gradient(
      [=](const auto& x, const auto& w, const auto& b) {
        const Shape middle{1, 4, 4, 2}, to{1, 8, 8, 2};
        return detail::conv2d_transposed_between(detail::conv2d_transposed_between(x, false, w, &b, half, middle, true),
                                                 true, w, &b, half, to, false);
      },
      {{1, 2, 2, 2}, {4, 4, 2, 2}, {2}});
}
