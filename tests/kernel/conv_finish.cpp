// relu and gate in a convolution's last step: the bits of passes of their own, by every way of convolving.
#include <tessera/kernel/conv.hpp>

#include <vector>

#include "tests/kernel/conv_cases.hpp"
#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ConvShape;
using testing::numbers;
using testing::three_by_three;

namespace {

ConvShape four_by_four(Index batch, Index side, Index in, Index out) {
  ConvShape s = three_by_three(batch, side, side, in, out);
  s.kernel_h = s.kernel_w = 4;
  s.stride_h = s.stride_w = 2;
  return s;
}

template <class T>
std::vector<T> finished(std::vector<T> y, const std::vector<T>& gate, bool rectify) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (rectify) y[i] = T(0) > y[i] ? T(0) : y[i];
    if (!gate.empty() && !(gate[i] > T(0))) y[i] = y[i] * T(0);
  }
  return y;
}

template <class T>
void check(const ConvShape& s) {
  const auto x = numbers<T>(s.batch * s.height * s.width * s.in_channels, 1), w = numbers<T>(s.weights(), 2);
  const auto dy = numbers<T>(s.batch * s.out_height() * s.out_width() * s.out_channels, 3);
  const auto gate = numbers<T>(static_cast<Index>(dy.size()), 4), gate_in = numbers<T>(static_cast<Index>(x.size()), 5);
  const auto bias = numbers<T>(s.out_channels, 6), bias_in = numbers<T>(s.in_channels, 7);
  std::vector<T> y(dy.size()), dx(x.size()), seen(dy.size()), seen_in(x.size());
  const std::vector<T> none;
  kernel::conv(s, x.data(), w.data(), bias.data(), y.data());
  kernel::conv_input_adjoint(s, dy.data(), w.data(), dx.data(), bias_in.data());
  for (const bool rectify : {false, true}) {
    for (const bool gated : {false, true}) {
      kernel::ConvAddends<T> add{.bias = bias.data(), .rectify = rectify, .gate = gated ? gate.data() : nullptr};
      kernel::conv(s, x.data(), w.data(), add, seen.data());
      CHECK((seen == finished(y, gated ? gate : none, rectify)));
      add.bias = bias_in.data();
      add.gate = gated ? gate_in.data() : nullptr;
      kernel::conv_input_adjoint(s, dy.data(), w.data(), add, seen_in.data());
      CHECK((seen_in == finished(dx, gated ? gate_in : none, rectify)));
    }
  }
  // After a residual.
  const auto residual = numbers<T>(static_cast<Index>(dy.size()), 8);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += residual[i];
  const kernel::ConvAddends<T> add{
      .bias = bias.data(), .residual = residual.data(), .rectify = true, .gate = gate.data()};
  kernel::conv(s, x.data(), w.data(), add, seen.data());
  CHECK((seen == finished(y, gate, true)));
}

}  // namespace

TEST_CASE("relu and gate after a convolution have the bits of passes of their own, whatever the way", "[kernel]") {
  ConvShape groups = three_by_three(2, 5, 6, 24, 24), depthwise = three_by_three(2, 5, 6, 24, 24);
  groups.groups = 2;
  depthwise.groups = 24;
  for (const ConvShape& s :
       {three_by_three(3, 16, 16, 40, 36), three_by_three(2, 5, 5, 64, 40), three_by_three(9, 16, 16, 32, 33),
        three_by_three(3, 8, 8, 6, 64), three_by_three(2, 9, 9, 64, 6), three_by_three(2, 9, 9, 64, 3),
        three_by_three(2, 9, 9, 64, 1), three_by_three(2, 9, 9, 1, 20), four_by_four(2, 14, 64, 33),
        four_by_four(26, 16, 64, 64), four_by_four(2, 6, 8, 20), four_by_four(2, 6, 20, 1), groups, depthwise,
        ConvShape{.batch = 2, .height = 4, .width = 5, .in_channels = 24, .out_channels = 20},
        ConvShape{.batch = 1, .in_channels = 24, .out_channels = 20},
        ConvShape{.batch = 2, .width = 50, .in_channels = 24, .out_channels = 24, .kernel_w = 3, .groups = 2}})
    check<float>(s);
  check<double>(three_by_three(2, 5, 4, 3, 5));
}
