// Convolution against plain loops in double, at shapes that divide nothing.
#include <tessera/kernel/conv.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <tessera/kernel/conv_direct.hpp>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using kernel::ConvShape;
using testing::numbers;

namespace {

template <class T>
std::vector<double> in_double(const std::vector<T>& v) {
  std::vector<double> d(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) d[i] = static_cast<double>(v[i]);
  return d;
}
/// Norm of the difference over norm of the reference.
template <class T>
double relative_error(const std::vector<T>& seen, const std::vector<double>& wanted) {
  double difference = 0, size = 1e-30;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    difference += (static_cast<double>(seen[i]) - wanted[i]) * (static_cast<double>(seen[i]) - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / size);
}
template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return total;
}

Index inputs(const ConvShape& s) { return s.batch * s.height * s.width * s.in_channels; }
Index outputs(const ConvShape& s) { return s.batch * s.out_height() * s.out_width() * s.out_channels; }

struct Case {
  const char* name;
  ConvShape shape;
};
const Case cases[] = {
    {"1x1", {.batch = 2, .height = 5, .width = 7, .in_channels = 19, .out_channels = 37}},
    {"one number", {}},
    {"3x3 to few",
     {.batch = 3,
      .height = 8,
      .width = 9,
      .in_channels = 40,
      .out_channels = 12,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"3x3 from few",
     {.batch = 2,
      .height = 70,
      .width = 61,
      .in_channels = 6,
      .out_channels = 35,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"2x4 to few, dilated, padded to one side",
     {.batch = 2,
      .height = 7,
      .width = 5,
      .in_channels = 33,
      .out_channels = 5,
      .kernel_h = 2,
      .kernel_w = 4,
      .pad_top = 3,
      .pad_bottom = 1,
      .pad_right = 6,
      .dilation_h = 3,
      .dilation_w = 2}},
    {"2x3", {.batch = 2, .height = 6, .width = 9, .in_channels = 13, .out_channels = 21, .kernel_h = 2, .kernel_w = 3}},
    {"3x3",
     {.batch = 3,
      .height = 8,
      .width = 8,
      .in_channels = 32,
      .out_channels = 48,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"3x3, odd picture",
     {.batch = 2,
      .height = 7,
      .width = 11,
      .in_channels = 35,
      .out_channels = 33,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"3x3, no padding",
     {.batch = 1, .height = 9, .width = 10, .in_channels = 40, .out_channels = 34, .kernel_h = 3, .kernel_w = 3}},
    {"3x3, padding 2",
     {.batch = 1,
      .height = 4,
      .width = 5,
      .in_channels = 33,
      .out_channels = 32,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 2,
      .pad_left = 2,
      .pad_bottom = 2,
      .pad_right = 2}},
    {"stride 2",
     {.batch = 2,
      .height = 8,
      .width = 9,
      .in_channels = 24,
      .out_channels = 40,
      .kernel_h = 3,
      .kernel_w = 3,
      .stride_h = 2,
      .stride_w = 2,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"4x4 stride 2",
     {.batch = 2,
      .height = 8,
      .width = 8,
      .in_channels = 16,
      .out_channels = 32,
      .kernel_h = 4,
      .kernel_w = 4,
      .stride_h = 2,
      .stride_w = 2,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"strides 3 and 1, gaps",
     {.batch = 1,
      .height = 11,
      .width = 5,
      .in_channels = 14,
      .out_channels = 9,
      .kernel_h = 2,
      .kernel_w = 2,
      .stride_h = 3}},
    {"uneven padding",
     {.batch = 2,
      .height = 5,
      .width = 6,
      .in_channels = 17,
      .out_channels = 18,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 2,
      .pad_bottom = 1,
      .pad_right = 2}},
    {"dilation",
     {.batch = 1,
      .height = 9,
      .width = 12,
      .in_channels = 15,
      .out_channels = 20,
      .kernel_h = 3,
      .kernel_w = 2,
      .pad_top = 2,
      .pad_left = 1,
      .pad_bottom = 2,
      .pad_right = 2,
      .dilation_h = 2,
      .dilation_w = 3}},
    {"dilation and stride",
     {.batch = 1,
      .height = 13,
      .width = 12,
      .in_channels = 12,
      .out_channels = 16,
      .kernel_h = 3,
      .kernel_w = 3,
      .stride_h = 2,
      .stride_w = 3,
      .pad_top = 2,
      .pad_left = 2,
      .pad_bottom = 2,
      .pad_right = 2,
      .dilation_h = 2,
      .dilation_w = 2}},
    {"groups",
     {.batch = 2,
      .height = 6,
      .width = 5,
      .in_channels = 24,
      .out_channels = 30,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .groups = 3}},
    {"depthwise",
     {.batch = 2,
      .height = 6,
      .width = 7,
      .in_channels = 37,
      .out_channels = 37,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .groups = 37}},
    {"depthwise, stride 2",
     {.batch = 1,
      .height = 9,
      .width = 7,
      .in_channels = 18,
      .out_channels = 18,
      .kernel_h = 5,
      .kernel_w = 3,
      .stride_h = 2,
      .stride_w = 2,
      .pad_top = 2,
      .pad_left = 1,
      .pad_bottom = 2,
      .pad_right = 1,
      .groups = 18}},
    {"depthwise, two outputs each",
     {.batch = 1,
      .height = 5,
      .width = 5,
      .in_channels = 6,
      .out_channels = 12,
      .kernel_h = 3,
      .kernel_w = 3,
      .groups = 6}},
    {"causal in one dimension",
     {.batch = 2, .width = 40, .in_channels = 20, .out_channels = 24, .kernel_w = 2, .pad_left = 8, .dilation_w = 8}},
    {"long kernel",
     {.batch = 1,
      .width = 300,
      .in_channels = 1,
      .out_channels = 17,
      .kernel_w = 31,
      .stride_w = 5,
      .pad_left = 15,
      .pad_right = 15}},
    {"3 to 64 channels",
     {.batch = 2,
      .height = 10,
      .width = 9,
      .in_channels = 3,
      .out_channels = 64,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"64 to 3 channels",
     {.batch = 2,
      .height = 10,
      .width = 9,
      .in_channels = 64,
      .out_channels = 3,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"1 to 32 channels, 4x4, stride 2",
     {.batch = 3,
      .height = 15,
      .width = 28,
      .in_channels = 1,
      .out_channels = 32,
      .kernel_h = 4,
      .kernel_w = 4,
      .stride_h = 2,
      .stride_w = 2,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1}},
    {"3 to 48 channels, 7x7, more padding than picture on one side",
     {.batch = 2,
      .height = 9,
      .width = 5,
      .in_channels = 3,
      .out_channels = 48,
      .kernel_h = 7,
      .kernel_w = 7,
      .stride_w = 3,
      .pad_top = 4,
      .pad_left = 8,
      .pad_right = 1,
      .dilation_h = 2}},
    {"2 to 16 channels, a row, wider than what is summed in registers",
     {.batch = 2, .width = 300, .in_channels = 2, .out_channels = 16, .kernel_w = 3, .pad_right = 2}},
    {"70 channels to 1",
     {.batch = 1,
      .height = 5,
      .width = 5,
      .in_channels = 70,
      .out_channels = 1,
      .kernel_h = 3,
      .kernel_w = 3,
      .stride_w = 2}},
    {"1x1, stride 2",
     {.batch = 2, .height = 7, .width = 8, .in_channels = 33, .out_channels = 65, .stride_h = 2, .stride_w = 2}},
    {"kernel larger than the picture",
     {.batch = 1, .height = 2, .width = 2, .in_channels = 4, .out_channels = 5, .kernel_h = 3, .kernel_w = 3}},
    {"more pixels than a chunk",
     {.batch = 2,
      .height = 30,
      .width = 29,
      .in_channels = 16,
      .out_channels = 20,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1}},
};

constexpr double tolerance = 1e-5;  // Winograd has 2e-6 at these sizes, the direct ways 5e-7

template <class T>
void check(const Case& c, double limit) {
  const ConvShape& s = c.shape;
  const auto x = numbers<T>(inputs(s), 1), w = numbers<T>(s.weights(), 2), dy = numbers<T>(outputs(s), 3);
  const auto bias = numbers<T>(s.out_channels, 4), bias_in = numbers<T>(s.in_channels, 5);
  const auto xd = in_double(x), wd = in_double(w), dyd = in_double(dy), bd = in_double(bias), bid = in_double(bias_in);
  std::vector<T> y(dy.size(), T(77)), dx(x.size(), T(77)), dw(w.size(), T(77));
  std::vector<double> yd(dy.size()), dxd(x.size()), dwd(w.size());

  kernel::conv(s, x.data(), w.data(), bias.data(), y.data());
  kernel::conv_plain(s, xd.data(), wd.data(), bd.data(), yd.data());
  CHECK(relative_error(y, yd) <= limit);
  kernel::conv_input_adjoint(s, dy.data(), w.data(), dx.data(), bias_in.data());
  kernel::conv_input_adjoint_plain(s, dyd.data(), wd.data(), dxd.data(), bid.data());
  CHECK(relative_error(dx, dxd) <= limit);
  kernel::conv_weight_adjoint(s, x.data(), dy.data(), dw.data());
  kernel::conv_weight_adjoint_plain(s, xd.data(), dyd.data(), dwd.data());
  CHECK(relative_error(dw, dwd) <= limit);

  // <dy, conv x> = <conv^T dy, x> = <dw, w>
  kernel::conv(s, x.data(), w.data(), nullptr, y.data());
  kernel::conv_input_adjoint(s, dy.data(), w.data(), dx.data());
  const double forward = dot(dy, y), size = std::sqrt(dot(dy, dy) * dot(y, y)) + 1e-30;
  CHECK(std::abs(dot(dx, x) - forward) <= limit * size);
  CHECK(std::abs(dot(dw, w) - forward) <= limit * size);
}

}  // namespace

TEST_CASE("convolution and its adjoints equal the plain loops", "[kernel]") {
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) { check<float>(c, tolerance); }
  }
}

TEST_CASE("convolution in double", "[kernel]") {
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) { check<double>(c, 1e-13); }
  }
}

TEST_CASE("the plain convolution adjoints are those of the plain convolution", "[kernel]") {
  // Small enough to write out: 3 pixels, kernel 2, so y = (x0 a + x1 b, x1 a + x2 b).
  const ConvShape s{.width = 3, .kernel_w = 2};
  const double x[] = {1, 2, 3}, w[] = {10, 100}, dy[] = {1, 7};
  double y[2], dx[3], dw[2];
  kernel::conv_plain<double>(s, x, w, nullptr, y);
  CHECK((y[0] == 210 && y[1] == 320));
  kernel::conv_input_adjoint_plain<double>(s, dy, w, dx);
  CHECK((dx[0] == 10 && dx[1] == 170 && dx[2] == 700));
  kernel::conv_weight_adjoint_plain<double>(s, x, dy, dw);
  CHECK((dw[0] == 15 && dw[1] == 23));
}

TEST_CASE("an item of a batch is convolved bit for bit as if alone", "[kernel]") {
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) {
      ConvShape many = c.shape, one = c.shape;
      many.batch = 7;
      one.batch = 1;
      const auto x = numbers<float>(inputs(many), 1), w = numbers<float>(many.weights(), 2),
                 dy = numbers<float>(outputs(many), 3);
      std::vector<float> y(dy.size()), dx(x.size()), y1(static_cast<std::size_t>(outputs(one))),
          dx1(static_cast<std::size_t>(inputs(one)));
      kernel::conv<float>(many, x.data(), w.data(), nullptr, y.data());
      kernel::conv_input_adjoint(many, dy.data(), w.data(), dx.data());
      bool same = true;
      for (Index b = 0; b < many.batch; ++b) {
        const Index xs = b * inputs(one), ys = b * outputs(one);
        kernel::conv<float>(one, x.data() + xs, w.data(), nullptr, y1.data());
        kernel::conv_input_adjoint(one, dy.data() + ys, w.data(), dx1.data());
        for (std::size_t i = 0; i < y1.size(); ++i) same = same && y1[i] == y[static_cast<std::size_t>(ys) + i];
        for (std::size_t i = 0; i < dx1.size(); ++i) same = same && dx1[i] == dx[static_cast<std::size_t>(xs) + i];
      }
      CHECK(same);
    }
  }
}

TEST_CASE("a batch of no items is convolved to nothing, and its weights' gradient is zero", "[kernel]") {
  for (const Case& c : cases) {
    DYNAMIC_SECTION(c.name) {
      ConvShape none = c.shape;
      none.batch = 0;
      const auto w = numbers<float>(none.weights(), 2);
      std::vector<float> dw(w.size(), 9.0f);
      const float* const x = w.data();  // of which nothing is read
      float untouched = 5;
      kernel::conv<float>(none, x, w.data(), nullptr, &untouched);
      kernel::conv<float>(none, x, kernel::ConvWeights<float>(none, w.data()), nullptr, &untouched);
      kernel::conv_input_adjoint(none, x, w.data(), &untouched);
      kernel::conv_weight_adjoint(none, x, x, dw.data());
      CHECK(untouched == 5);
      CHECK(std::count(dw.begin(), dw.end(), 0.0f) == static_cast<std::ptrdiff_t>(dw.size()));
    }
  }
}

TEST_CASE("convolution at any address, and nothing written outside", "[kernel]") {
  for (const Case& c : cases) {
    const ConvShape& s = c.shape;
    auto x = numbers<float>(inputs(s) + 1, 1), w = numbers<float>(s.weights() + 1, 2),
         dy = numbers<float>(outputs(s) + 1, 3);
    const std::vector<float> x0(x.begin() + 1, x.end()), w0(w.begin() + 1, w.end()), dy0(dy.begin() + 1, dy.end());
    auto there = [](std::size_t n) { return std::vector<float>(n + 2, 77.0f); };
    auto y = there(dy0.size()), dx = there(x0.size()), dw = there(w0.size());
    std::vector<float> y0(dy0.size()), dx0(x0.size()), dw0(w0.size());
    kernel::conv<float>(s, x.data() + 1, w.data() + 1, nullptr, y.data() + 1);
    kernel::conv<float>(s, x0.data(), w0.data(), nullptr, y0.data());
    kernel::conv_input_adjoint(s, dy.data() + 1, w.data() + 1, dx.data() + 1);
    kernel::conv_input_adjoint(s, dy0.data(), w0.data(), dx0.data());
    kernel::conv_weight_adjoint(s, x.data() + 1, dy.data() + 1, dw.data() + 1);
    kernel::conv_weight_adjoint(s, x0.data(), dy0.data(), dw0.data());
    INFO(c.name);
    CHECK((y.front() == 77 && y.back() == 77 && dx.front() == 77 && dx.back() == 77 && dw.front() == 77 &&
           dw.back() == 77));
    CHECK(std::vector<float>(y.begin() + 1, y.end() - 1) == y0);
    CHECK(std::vector<float>(dx.begin() + 1, dx.end() - 1) == dx0);
    CHECK(std::vector<float>(dw.begin() + 1, dw.end() - 1) == dw0);
  }
}
