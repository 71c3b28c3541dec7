// Winograd's convolutions against plain loops in double, and what keeps them exact: error, kept weights, threads.
#include <tessera/kernel/winograd.hpp>

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
using testing::three_by_three;

namespace {

std::size_t inputs(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch * s.height * s.width * s.in_channels);
}
std::size_t outputs(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch * s.out_height() * s.out_width() * s.out_channels);
}

template <int M>
void check(const ConvShape& s, double limit) {
  const auto xs = static_cast<Index>(inputs(s)), ys = static_cast<Index>(outputs(s));
  const auto x = numbers<float>(xs, 1), w = numbers<float>(s.weights(), 2), dy = numbers<float>(ys, 3);
  const auto bias = numbers<float>(s.out_channels, 4);
  const auto xd = numbers<double>(xs, 1), wd = numbers<double>(s.weights(), 2), dyd = numbers<double>(ys, 3);
  const auto bd = numbers<double>(s.out_channels, 4);
  std::vector<float> y(outputs(s)), dx(inputs(s)), dw(w.size());
  std::vector<double> yd(outputs(s)), dxd(inputs(s)), dwd(w.size());
  std::vector<float> u(static_cast<std::size_t>(kernel::winograd_packed<M, float>(s, false)));
  kernel::winograd_weights<M>(s, w.data(), false, u.data());
  kernel::winograd<M>(s, false, x.data(), u.data(), bias.data(), y.data());
  kernel::conv_plain(s, xd.data(), wd.data(), bd.data(), yd.data());
  CHECK(relative_error(y, yd) <= limit);
  std::vector<float> fresh(outputs(s)), fresh_dx(inputs(s));
  const float* const none = nullptr;
  kernel::winograd<M>(s, false, x.data(), none, w.data(), kernel::ConvAddends<float>{bias.data()}, fresh.data());
  CHECK((fresh == y));
  u.resize(static_cast<std::size_t>(kernel::winograd_packed<M, float>(s, true)));
  kernel::winograd_weights<M>(s, w.data(), true, u.data());
  kernel::winograd<M, float>(s, true, dy.data(), u.data(), nullptr, dx.data());
  kernel::conv_input_adjoint_plain(s, dyd.data(), wd.data(), dxd.data());
  CHECK(relative_error(dx, dxd) <= limit);
  kernel::winograd<M>(s, true, dy.data(), none, w.data(), kernel::ConvAddends<float>{}, fresh_dx.data());
  CHECK((fresh_dx == dx));
  kernel::winograd_weight_adjoint<M>(s, x.data(), dy.data(), dw.data());
  kernel::conv_weight_adjoint_plain(s, xd.data(), dyd.data(), dwd.data());
  CHECK(relative_error(dw, dwd) <= limit);
}

}  // namespace

TEST_CASE("Winograd's errors stay far inside 1e-5", "[kernel]") {
  // Smaller than the tile, not a multiple of it, channels that fill no panel, more tiles than one block, and so many
  // channels that a few tiles take their weights part by part.
  for (const ConvShape& s :
       {three_by_three(1, 1, 1, 1, 1), three_by_three(2, 3, 5, 3, 2), three_by_three(1, 9, 6, 17, 37),
        three_by_three(2, 8, 8, 64, 64), three_by_three(1, 7, 7, 33, 31, 0), three_by_three(1, 4, 4, 16, 50, 2),
        three_by_three(4, 22, 21, 48, 40), three_by_three(1, 5, 6, 320, 310)}) {
    check<2>(s, 2e-6);
    check<4>(s, 5e-6);
  }
}

TEST_CASE("kept weights give the same bits as fresh ones, for every batch", "[kernel]") {
  for (ConvShape s :
       {three_by_three(1, 16, 16, 40, 36), three_by_three(1, 4, 4, 64, 32), three_by_three(1, 5, 5, 64, 32),
        three_by_three(1, 8, 8, 16, 64), three_by_three(1, 9, 9, 64, 3),
        ConvShape{.width = 50, .in_channels = 24, .out_channels = 24, .kernel_w = 3, .groups = 2},
        ConvShape{.height = 6, .width = 5, .in_channels = 24, .out_channels = 24, .kernel_w = 3, .groups = 24}}) {
    const auto w = numbers<float>(s.weights(), 2), bias = numbers<float>(s.out_channels, 4);
    const kernel::ConvWeights<float> kept(s, w.data());
    for (const Index batch : {1, 2, 13}) {
      s.batch = batch;
      REQUIRE(kept.fits(s));
      const auto x = numbers<float>(static_cast<Index>(inputs(s)), 1);
      std::vector<float> fresh(outputs(s)), again(outputs(s));
      kernel::conv(s, x.data(), w.data(), bias.data(), fresh.data());
      kernel::conv(s, x.data(), kept, bias.data(), again.data());
      CHECK(fresh == again);
    }
  }
  const kernel::ConvWeights<float> kept(three_by_three(1, 16, 16, 64, 64), numbers<float>(9 * 64 * 64, 2).data());
  CHECK(!kept.fits(three_by_three(1, 16, 16, 64, 32)));
  CHECK(!kept.fits(three_by_three(1, 2, 2, 64, 64)));
}

TEST_CASE("convolutions have the same bits on one thread and on many", "[kernel]") {
  for (const ConvShape& s :
       {three_by_three(5, 16, 16, 40, 36), three_by_three(1, 16, 16, 40, 36), three_by_three(9, 4, 4, 64, 64),
        three_by_three(4, 12, 12, 5, 20), three_by_three(4, 12, 12, 64, 3)}) {
    const auto x = numbers<float>(static_cast<Index>(inputs(s)), 1), w = numbers<float>(s.weights(), 2);
    const auto dy = numbers<float>(static_cast<Index>(outputs(s)), 3);
    std::vector<float> y[3], dx[3], dw[3];
    const auto run = [&](std::size_t i) {
      y[i].resize(dy.size()), dx[i].resize(x.size()), dw[i].resize(w.size());
      kernel::conv(s, x.data(), w.data(), nullptr, y[i].data());
      kernel::conv_input_adjoint(s, dy.data(), w.data(), dx[i].data());
      kernel::conv_weight_adjoint(s, x.data(), dy.data(), dw[i].data());
    };
    run(0);
    kernel::parallel_for(2, 1,
                         [&](Index i, Index) { run(static_cast<std::size_t>(i) + 1); });  // nested: one thread each
    CHECK((y[0] == y[1] && dx[0] == dx[1] && dw[0] == dw[1]));
    CHECK((y[0] == y[2] && dx[0] == dx[2] && dw[0] == dw[2]));
  }
}

TEST_CASE("residuals and a bias a picture give the bits of sums made afterwards, whatever the way", "[kernel]") {
  for (const ConvShape& s :
       {three_by_three(3, 16, 16, 40, 36), three_by_three(2, 5, 5, 64, 40), three_by_three(9, 16, 16, 32, 32),
        three_by_three(3, 8, 8, 16, 64), three_by_three(2, 9, 9, 64, 3),
        ConvShape{.batch = 2, .height = 4, .width = 5, .in_channels = 24, .out_channels = 20},
        ConvShape{.batch = 2, .width = 50, .in_channels = 24, .out_channels = 24, .kernel_w = 3, .groups = 2},
        ConvShape{.height = 6, .width = 5, .in_channels = 24, .out_channels = 24, .kernel_w = 3, .groups = 24}}) {
    const auto x = numbers<float>(static_cast<Index>(inputs(s)), 1), w = numbers<float>(s.weights(), 2);
    const auto residual = numbers<float>(static_cast<Index>(outputs(s)), 3);
    const auto bias = numbers<float>(s.batch * s.out_channels, 4);
    ConvShape one = s;
    one.batch = 1;
    std::vector<float> wanted(outputs(s)), plain(outputs(s)), seen(outputs(s)), in_place = residual;
    const auto n = static_cast<Index>(outputs(one)), xs = static_cast<Index>(inputs(one));
    for (Index b = 0; b < s.batch; ++b)
      kernel::conv(one, x.data() + b * xs, w.data(), bias.data() + b * s.out_channels, wanted.data() + b * n);
    kernel::conv(s, x.data(), w.data(), kernel::ConvAddends<float>{bias.data(), s.out_channels}, plain.data());
    CHECK(plain == wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] += residual[i];
    kernel::conv(s, x.data(), w.data(), kernel::ConvAddends<float>{bias.data(), s.out_channels, residual.data()},
                 seen.data());
    kernel::conv(s, x.data(), w.data(), kernel::ConvAddends<float>{bias.data(), s.out_channels, in_place.data()},
                 in_place.data());
    CHECK(seen == wanted);
    CHECK(in_place == wanted);
  }
}
