// The small parts of training: schedules, gradients, the moving average, batches, progress.
#include <tessera/train/ema.hpp>
#include <tessera/train/gradients.hpp>
#include <tessera/train/progress.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/train/schedule.hpp>
#include "tests/support/catch.hpp"
#include "tests/train/support.hpp"

using namespace tessera;
using Catch::Matchers::Contains;

TEST_CASE("schedules take the values worked out by hand", "[train]") {
  const Schedule flat{};
  CHECK(flat(0) == 1);
  CHECK(flat(1000000) == 1);

  const Schedule warm{.warmup = 4};
  CHECK(warm(0) == 0.25);
  CHECK(warm(1) == 0.5);
  CHECK(warm(3) == 1);
  CHECK(warm(4) == 1);

  const Schedule line{.decay = Decay::linear, .warmup = 10, .total = 110, .floor = 0.1};
  CHECK(line(10) == 1);
  CHECK(line(60) == Approx(0.55));
  CHECK(line(109) == Approx(0.109));
  CHECK(line(110) == Approx(0.1));
  CHECK(line(5000) == Approx(0.1));

  const Schedule wave{.decay = Decay::cosine, .total = 100};
  CHECK(wave(0) == 1);
  CHECK(wave(25) == Approx(0.5 + 0.25 * std::sqrt(2.0)));  // (1 + cos 45 degrees) / 2
  CHECK(wave(50) == Approx(0.5));
  CHECK(wave(75) == Approx(0.5 - 0.25 * std::sqrt(2.0)));
  CHECK(wave(100) == Approx(0).margin(1e-15));

  const Schedule stairs{.decay = Decay::step, .warmup = 5, .every = 10, .gamma = 0.5};
  CHECK(stairs(14) == 1);
  CHECK(stairs(15) == 0.5);
  CHECK(stairs(24) == 0.5);
  CHECK(stairs(25) == 0.25);

  const Schedule trapezoid{.decay = Decay::linear, .warmup = 10, .hold = 80, .total = 100};
  CHECK(trapezoid(79) == 1);
  CHECK(trapezoid(80) == 1);
  CHECK(trapezoid(90) == Approx(0.5));
  CHECK(trapezoid(100) == Approx(0).margin(1e-15));

  const Schedule endless{.decay = Decay::cosine, .warmup = 3};
  CHECK_THROWS_WITH(endless(3), Contains("total 0"));
}

namespace {

Gradients<double> gradients_of(const test::Net<double>& net, const Tensor<double>& x) {
  Tape<Tensor<double>> tape;
  tape.backward(mean(square(net(tape.constant(x)))));
  Gradients<double> g;
  g.add(net, tape);
  return g;
}
test::Net<double> small() {
  Rng rng(1);
  return test::Net<double>(3, 5, rng);
}
double norm_by_hand(const Gradients<double>& g) {
  double s = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    for (Index j = 0; j < g[i].size(); ++j) s += g[i][j] * g[i][j];
  }
  return std::sqrt(s);
}

}  // namespace

TEST_CASE("steps every none are refused", "[train]") {
  const Schedule s{.decay = Decay::step, .warmup = 2, .every = 0};
  REQUIRE_THROWS_AS(s(2), argument_error);
}

TEST_CASE("clipping by norm keeps the direction, by value the elements' bounds", "[train]") {
  const auto net = small();
  Gradients<double> g = gradients_of(net, Noise{2}.normal<double>({4, 3}));
  const Gradients<double> before = g;
  const double n = norm_by_hand(g);
  CHECK(g.norm() == Approx(n));
  CHECK(g.clip_norm(2 * n) == Approx(n));  // short enough: nothing changes
  CHECK(same_bytes(g[0], before[0]));
  CHECK(g.clip_norm(n / 4) == Approx(n));
  CHECK(norm_by_hand(g) == Approx(n / 4));
  for (Index j = 0; j < g[0].size(); ++j) CHECK(g[0][j] == Approx(before[0][j] / 4));

  Gradients<double> cut = before;
  const double limit = 0.01;
  cut.clip_value(limit);
  for (std::size_t i = 0; i < cut.size(); ++i) {
    for (Index j = 0; j < cut[i].size(); ++j)
      CHECK(cut[i][j] == (before[i][j] > limit ? limit : before[i][j] < -limit ? -limit : before[i][j]));
  }
}

TEST_CASE("gradients of the parts of a batch average to the gradient of the whole", "[train]") {
  const auto net = small();
  const Tensor<double> x = Noise{2}.normal<double>({6, 3});
  const Gradients<double> whole = gradients_of(net, x);
  Gradients<double> parts;
  for (Index i = 0; i < 3; ++i) {
    Tape<Tensor<double>> tape;
    tape.backward(mean(square(
        net(tape.constant(Tensor<double>::from({2, 3}, x.span().subspan(static_cast<std::size_t>(i) * 6, 6)))))));
    parts.add(net, tape);
  }
  parts.scale(1.0 / 3);
  REQUIRE(parts.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    REQUIRE(static_cast<bool>(parts[i]) == static_cast<bool>(whole[i]));
    for (Index j = 0; j < whole[i].size(); ++j) CHECK(parts[i][j] == Approx(whole[i][j]).margin(1e-15));
  }
}

TEST_CASE("a gradient that is not finite is named", "[train]") {
  const auto net = small();
  Gradients<double> g = gradients_of(net, Noise{2}.normal<double>({4, 3}));
  CHECK_NOTHROW(g.check_finite(net));
  g[2].data()[7] = std::nan("");
  CHECK_THROWS_WITH(g.check_finite(net), Contains("hidden.weight"));
  CHECK_THROWS_AS(g.check_finite(net), number_error);
}

TEST_CASE("the moving average follows its formula through warm-up and after", "[train]") {
  auto net = small();
  Ema<test::Net<double>> ema(net, 0.6);
  double expected = net.in.weight.value[0];
  for (int n = 0; n < 20; ++n) {
    for_each_tensor(net, [&](const std::string&, auto& v) {
      v = Noise{4}.fork(static_cast<std::uint64_t>(n)).normal<double>(v.shape());
    });
    ema.update(net);
    const double d = std::fmin(0.6, (1.0 + n) / (10.0 + n));
    expected = d * expected + (1 - d) * net.in.weight.value[0];
    CHECK(ema.average().in.weight.value[0] == Approx(expected).epsilon(1e-12));
  }
  CHECK(ema.updates() == 20);
  CHECK(ema.average().shift.value[0] != net.shift.value[0]);  // buffers too
  CHECK_THROWS_AS(Ema<test::Net<double>>(net, 1.0), argument_error);
  CHECK_THROWS_AS(Ema<test::Net<double>>(net, std::nan("")), argument_error);
}

TEST_CASE("an epoch holds every item once, and batch i is a function of i", "[train]") {
  EpochSampler batches(10, 4, 7);  // 10 is no multiple of 4: batches run across the ends of epochs
  std::vector<Index> row;
  for (Index i = 0; i < 10; ++i) {
    const Tensor<Index> b = batches(i);
    REQUIRE(b.shape() == Shape{4});
    row.insert(row.end(), b.span().begin(), b.span().end());
  }
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<int> seen(10, 0);
    for (std::size_t k = 0; k < 10; ++k) ++seen[static_cast<std::size_t>(row[epoch * 10 + k])];
    CHECK(seen == std::vector<int>(10, 1));
  }
  CHECK(std::vector<Index>(row.begin(), row.begin() + 10) != std::vector<Index>(row.begin() + 10, row.begin() + 20));
  EpochSampler again(10, 4, 7), other(10, 4, 8);
  CHECK(same_bytes(again(7), batches(7)));
  CHECK(same_bytes(again(2), batches(2)));  // backwards
  CHECK_FALSE(same_bytes(other(2), batches(2)));
  CHECK(batches.epoch(5) == 2.0);

  EpochSampler large(3, 8, 1);  // a batch larger than the data
  CHECK(large(0).size() == 8);
  CHECK_THROWS_AS(EpochSampler(0, 4, 1), argument_error);
  CHECK_THROWS_AS(EpochSampler(4, 0, 1), argument_error);
}

TEST_CASE("progress fits on one line", "[train]") {
  TrainProgress p;
  p.step = 1200;
  p.steps = 5000;
  p.smoothed = 0.0431;
  p.gradient_norm = 0.31;
  p.rate = 2e-4;
  p.steps_per_second = 3.2;
  p.items_per_second = 205;
  p.seconds_left = 1182;
  CHECK(to_string(p) ==
        "step 1200/5000 (24%)  loss 0.0431  |g| 0.31  rate 2.00e-04  3.2 step/s  205 item/s  19:42 left");
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(59.6) == "1:00");
  CHECK(clock_text(3723) == "1:02:03");
  CHECK_FALSE(to_string(TrainProgress{}).empty());
}
