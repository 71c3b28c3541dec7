// Convolutions along one axis as products of shifted rows, against plain loops in double.
#include <tessera/kernel/conv_line.hpp>

#include <vector>

#include <tessera/kernel/conv_plain.hpp>

#include "tests/kernel/conv_cases.hpp"
#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ConvShape;
using testing::numbers;
using testing::relative_error;

namespace {

ConvShape line(Index batch, Index length, Index in, Index out, Index taps, Index dilation, Index before, Index after) {
  return {.batch = batch,
          .width = length,
          .in_channels = in,
          .out_channels = out,
          .kernel_w = taps,
          .pad_left = before,
          .pad_right = after,
          .dilation_w = dilation};
}

struct Results {
  std::vector<float> y, dx, dw;
};
Results run(const ConvShape& s) {
  const auto x = numbers<float>(s.batch * s.width * s.in_channels, 1), w = numbers<float>(s.weights(), 2);
  const auto dy = numbers<float>(s.batch * s.out_width() * s.out_channels, 3), bias = numbers<float>(s.out_channels, 4);
  Results r{std::vector<float>(dy.size()), std::vector<float>(x.size()), std::vector<float>(w.size())};
  kernel::conv_line_forward(s, x.data(), w.data(), bias.data(), r.y.data());
  kernel::conv_line_input_adjoint<float>(s, dy.data(), w.data(), r.dx.data());
  kernel::conv_line_weight_adjoint(s, x.data(), dy.data(), r.dw.data());
  return r;
}

}  // namespace

TEST_CASE("convolution along a line equals the plain loops", "[kernel]") {
  // Causal, centred and without padding; dilated past a block and past the line; lines of no whole block; 2 to 4 taps.
  for (const ConvShape& s :
       {line(2, 300, 33, 40, 2, 1, 1, 0), line(1, 600, 32, 64, 2, 260, 260, 0), line(1, 70, 32, 32, 2, 100, 100, 0),
        line(3, 90, 48, 35, 3, 2, 2, 2), line(1, 700, 32, 33, 4, 5, 0, 0), line(2, 64, 40, 32, 3, 1, 0, 7)}) {
    const auto x = numbers<float>(s.batch * s.width * s.in_channels, 1), w = numbers<float>(s.weights(), 2);
    const auto dy = numbers<float>(s.batch * s.out_width() * s.out_channels, 3);
    const auto bias = numbers<float>(s.out_channels, 4);
    const auto wide = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    const auto xd = wide(x), wd = wide(w), dyd = wide(dy), bd = wide(bias);
    std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
    kernel::conv_plain(s, xd.data(), wd.data(), bd.data(), y.data());
    kernel::conv_input_adjoint_plain(s, dyd.data(), wd.data(), dx.data());
    kernel::conv_weight_adjoint_plain(s, xd.data(), dyd.data(), dw.data());
    const Results r = run(s);
    CHECK(relative_error(r.y, y) <= 1e-6);
    CHECK(relative_error(r.dx, dx) <= 1e-6);
    CHECK(relative_error(r.dw, dw) <= 1e-6);
  }
}

TEST_CASE("convolution along a line has the same bits on one thread and on many", "[kernel]") {
  const ConvShape s = line(2, 700, 32, 48, 2, 3, 3, 0);
  Results r[3] = {run(s), {}, {}};
  kernel::parallel_for(2, 1, [&](Index i, Index) { r[i + 1] = run(s); });  // nested: one thread each
  for (int i : {1, 2}) CHECK((r[0].y == r[i].y && r[0].dx == r[i].dx && r[0].dw == r[i].dw));
}

TEST_CASE("a row convolved along a line has the same bits wherever it lies", "[kernel]") {
  const ConvShape all = line(1, 700, 32, 48, 2, 3, 0, 0), later = line(1, 500, 32, 48, 2, 3, 0, 0);
  const auto x = numbers<float>(700 * 32, 1), w = numbers<float>(all.weights(), 2), bias = numbers<float>(48, 4);
  std::vector<float> y(697 * 48), part(497 * 48);
  kernel::conv_line_forward(all, x.data(), w.data(), bias.data(), y.data());
  kernel::conv_line_forward(later, x.data() + 200 * 32, w.data(), bias.data(), part.data());
  CHECK(std::vector<float>(y.begin() + 200 * 48, y.end()) == part);
}
