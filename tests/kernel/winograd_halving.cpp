// 4x4 convolutions of stride 2 by Winograd, against plain loops in double.
#include <tessera/kernel/winograd_halving.hpp>

#include <vector>

#include <tessera/kernel/conv.hpp>
#include <tessera/kernel/conv_plain.hpp>

#include "tests/kernel/conv_cases.hpp"
#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ConvShape;
using testing::numbers;
using testing::relative_error;

namespace {

ConvShape halving(Index batch, Index height, Index width, Index in, Index out, Index pad = 1) {
  return {.batch = batch,
          .height = height,
          .width = width,
          .in_channels = in,
          .out_channels = out,
          .kernel_h = 4,
          .kernel_w = 4,
          .stride_h = 2,
          .stride_w = 2,
          .pad_top = pad,
          .pad_left = pad,
          .pad_bottom = pad,
          .pad_right = pad};
}

template <class T>
struct Results {
  std::vector<T> y, dx, dw;
};

struct Case {
  ConvShape s;
  std::vector<float> x, w, dy, bias, bias_in;

  explicit Case(const ConvShape& shape)
      : s(shape),
        x(numbers<float>(s.batch * s.height * s.width * s.in_channels, 1)),
        w(numbers<float>(s.weights(), 2)),
        dy(numbers<float>(s.batch * s.out_height() * s.out_width() * s.out_channels, 3)),
        bias(numbers<float>(s.out_channels, 4)),
        bias_in(numbers<float>(s.in_channels, 5)) {}

  Results<float> halved() const {
    Results<float> r{std::vector<float>(dy.size()), std::vector<float>(x.size()), std::vector<float>(w.size())};
    const float* const none = nullptr;
    kernel::conv_winograd_halving(s, x.data(), none, w.data(), kernel::ConvAddends<float>{bias.data()}, r.y.data());
    kernel::conv_winograd_halving_input_adjoint(s, dy.data(), w.data(), kernel::ConvAddends<float>{bias_in.data()},
                                                r.dx.data());
    kernel::conv_winograd_halving_weight_adjoint(s, x.data(), dy.data(), r.dw.data());
    return r;
  }
  Results<double> plain() const {
    const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    const auto xd = wide(x), wd = wide(w), dyd = wide(dy), bd = wide(bias), bid = wide(bias_in);
    Results<double> r{std::vector<double>(dy.size()), std::vector<double>(x.size()), std::vector<double>(w.size())};
    kernel::conv_plain(s, xd.data(), wd.data(), bd.data(), r.y.data());
    kernel::conv_input_adjoint_plain(s, dyd.data(), wd.data(), r.dx.data(), bid.data());
    kernel::conv_weight_adjoint_plain(s, xd.data(), dyd.data(), r.dw.data());
    return r;
  }
};

ConvShape uneven() {
  ConvShape s = halving(3, 11, 14, 16, 33, 0);
  s.pad_top = 3;
  s.pad_left = 2;
  s.pad_right = 1;
  return s;
}

}  // namespace

TEST_CASE("halving by Winograd equals the plain loops", "[kernel]") {
  // Whole tiles; tiles that hang over the border; odd pictures, whose phases differ in size; every padding; channels that
  // fill no panel; more tiles than a block.
  for (const ConvShape& s :
       {halving(2, 8, 8, 32, 48), halving(1, 14, 14, 32, 64), halving(2, 9, 7, 16, 37), halving(1, 8, 10, 48, 17, 0),
        halving(1, 6, 7, 16, 20, 3), halving(1, 4, 4, 16, 16, 2), halving(1, 1, 1, 16, 5, 2), uneven(),
        halving(9, 32, 24, 16, 40), halving(26, 16, 16, 32, 32)}) {
    const Case c(s);
    const auto seen = c.halved();
    const auto wanted = c.plain();
    CHECK(relative_error(seen.y, wanted.y) <= 3e-6);
    CHECK(relative_error(seen.dx, wanted.dx) <= 3e-6);
    CHECK(relative_error(seen.dw, wanted.dw) <= 3e-6);
  }
}

TEST_CASE("halving has the same bits through conv(), from kept weights, and for an item alone and in a batch",
          "[kernel]") {
  for (const ConvShape& s : {halving(27, 16, 16, 64, 48), halving(5, 14, 14, 64, 33), halving(2, 8, 8, 448, 256)}) {
    REQUIRE((kernel::conv_way<float>(s) == kernel::ConvWay::halving &&
             kernel::conv_way<float>(s, true) == kernel::ConvWay::halving));
    const Case c(s);
    const auto whole = c.halved();
    std::vector<float> y(c.dy.size()), dx(c.x.size()), dw(c.w.size());
    kernel::conv(s, c.x.data(), c.w.data(), c.bias.data(), y.data());
    CHECK((y == whole.y));
    kernel::conv(s, c.x.data(), kernel::ConvWeights<float>(s, c.w.data()), c.bias.data(), y.data());
    CHECK((y == whole.y));
    kernel::conv_input_adjoint(s, c.dy.data(), c.w.data(), dx.data(), c.bias_in.data());
    CHECK((dx == whole.dx));
    kernel::conv_weight_adjoint(s, c.x.data(), c.dy.data(), dw.data());
    CHECK((dw == whole.dw));

    ConvShape one = s;
    one.batch = 1;
    const auto inputs = c.x.size() / static_cast<std::size_t>(s.batch),
               outputs = c.dy.size() / static_cast<std::size_t>(s.batch);
    for (std::size_t i = 0; i < static_cast<std::size_t>(s.batch); ++i) {
      kernel::conv(one, c.x.data() + i * inputs, c.w.data(), c.bias.data(), y.data() + i * outputs);
      kernel::conv_input_adjoint(one, c.dy.data() + i * outputs, c.w.data(), dx.data() + i * inputs, c.bias_in.data());
    }
    CHECK((y == whole.y));
    CHECK((dx == whole.dx));
  }
}

TEST_CASE("halving has the same bits on one thread and on many", "[kernel]") {
  for (const ConvShape& s : {halving(27, 16, 16, 32, 48), halving(5, 14, 14, 32, 40)}) {
    const Case c(s);
    Results<float> r[3] = {c.halved(), {}, {}};
    kernel::parallel_for(2, 1, [&](Index i, Index) { r[i + 1] = c.halved(); });  // nested: one thread each
    for (int i : {1, 2}) CHECK((r[0].y == r[i].y && r[0].dx == r[i].dx && r[0].dw == r[i].dw));
  }
}
