// Plots: where a value lands, what ticks are round, what does not crash.
#include "examples/support/plot.hpp"

#include <cmath>

#include <tessera/core/error.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

/// How many pixels in a box are blue: the first line's colour, at full strength.
int blue(const Tensor<std::uint8_t>& p, Index y0, Index y1, Index x0, Index x1) {
  int n = 0;
  for (Index y = y0; y < y1; ++y) {
    for (Index x = x0; x < x1; ++x) {
      const std::uint8_t* c = p.data() + (y * p.extent(1) + x) * 3;
      n += c[2] > 150 && c[0] < 60;
    }
  }
  return n;
}

}  // namespace

TEST_CASE("a rising line goes from the lower left to the upper right", "[examples]") {
  Tensor<float> losses(Shape{500});
  for (Index i = 0; i < 500; ++i) losses.data()[i] = static_cast<float>(i);
  const Tensor<std::uint8_t> p = plot_losses(losses, {.width = 400, .height = 300, .smoothing = 0});
  REQUIRE(p.shape() == Shape{300, 400, 3});
  CHECK(blue(p, 200, 260, 60, 150) > 50);
  CHECK(blue(p, 10, 80, 300, 400) > 50);
  CHECK(blue(p, 10, 120, 60, 150) == 0);
  CHECK(blue(p, 200, 260, 300, 400) == 0);
}

TEST_CASE("a decay by a constant factor is a straight line on a log axis", "[examples]") {
  PlotLine line;
  for (int i = 0; i < 400; ++i) line.y.push_back(std::pow(10.0, -i / 100.0));
  const Tensor<std::uint8_t> p = plot({&line, 1}, {.width = 400, .height = 300, .log_y = true, .smoothing = 0});
  // The middle of the frame: 72 + (400 - 24 - 72) / 2, 18 + (300 - 46 - 18) / 2.
  CHECK(blue(p, 136 - 4, 136 + 4, 224 - 4, 224 + 4) > 5);
}

TEST_CASE("looks in between: the last may come early, and none is averaged away", "[examples]") {
  PlotLine line{.y = {0, 0, 10}, .first = 100, .step = 100, .last = 210, .smooth = false};
  CHECK(line.x(0) == 100);
  CHECK(line.x(1) == 200);
  CHECK(line.x(2) == 210);
  // Flat for ten elevenths of the way, then up to the corner.
  const Tensor<std::uint8_t> sharp = plot({&line, 1}, {.width = 400, .height = 300});
  CHECK(blue(sharp, 18, 60, 360, 380) > 20);
  CHECK(blue(sharp, 60, 200, 80, 300) == 0);
  line.smooth = true;  // the average of 0, 0 and 10 does not get there
  CHECK(blue(plot({&line, 1}, {.width = 400, .height = 300}), 18, 60, 360, 380) == 0);
}

TEST_CASE("ticks are round numbers", "[examples]") {
  CHECK(ticks(0, 10, 6, false) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(ticks(-1.2, 3, 5, false) == std::vector<double>{-1, 0, 1, 2, 3});
  CHECK(ticks(90, 12100, 6, false) == std::vector<double>{2000, 4000, 6000, 8000, 10000, 12000});
  CHECK(ticks(0.04, 1.5, 9, true).size() == 5);  // 0.05 0.1 0.2 0.5 1
  CHECK(ticks(1e-9, 1e9, 6, true).size() <= 7);
  CHECK(ticks(2.1, 4.9, 5, true).size() >= 4);  // within a decade
  CHECK(ticks(1, 1, 5, false).empty());
  CHECK(ticks(3, std::nextafter(3, 4), 5, false).size() < 8);  // closer than ticks can be told apart: it ends
}

TEST_CASE("plots of nothing, one point, constants and NaN are drawn", "[examples]") {
  const PlotOptions small{.width = 160, .height = 120, .title = "a title", .x_label = "x", .y_label = "y"};
  PlotOptions log = small;
  log.log_y = true;
  for (const PlotOptions& o : {small, log}) {
    CHECK(plot({}, o).shape() == Shape{120, 160, 3});
    for (const std::vector<double>& y : {std::vector<double>{},
                                         {0},
                                         {3},
                                         {3, 3, 3},
                                         {NAN, 1, NAN, 2},
                                         {NAN},
                                         {-1, -2},
                                         {1e300, 1e-300},
                                         {INFINITY, 1}}) {
      const PlotLine lines[] = {{"one", y, 0, 10}, {"", y, 5, 0.1}};
      CHECK(plot(lines, o).shape() == Shape{120, 160, 3});
    }
  }
  CHECK_THROWS_AS(plot({}, {.width = 10}), argument_error);
  CHECK_THROWS_AS(plot({}, {.smoothing = 1}), argument_error);
}
