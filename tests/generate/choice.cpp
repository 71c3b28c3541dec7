// Every rule of choice against a distribution worked out by hand. Most use p = (0.4, 0.3, 0.2, 0.1), given as logits log p.
#include <algorithm>
#include <tessera/generate/choice.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

namespace {

std::vector<float> logs(const std::vector<double>& p) {
  std::vector<float> x;
  for (const double v : p) x.push_back(v > 0 ? static_cast<float>(std::log(v)) : -INFINITY);
  return x;
}
const std::vector<float> four = logs({0.4, 0.3, 0.2, 0.1});

std::vector<Unit> left(const Candidates& c) { return {c.units().begin(), c.units().end()}; }
void check_probabilities(Candidates& c, const std::vector<double>& wanted) {
  const auto p = c.probabilities();
  REQUIRE(p.size() == wanted.size());
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(static_cast<double>(p[i]) == Approx(wanted[i]).margin(1e-6));
}
using Units = std::vector<Unit>;

}  // namespace

TEST_CASE("candidates leave out units that may not come and refuse what is no number", "[generate]") {
  Candidates c(logs({0, 0.5, 0, 0.5}));
  CHECK(left(c) == Units{1, 3});
  check_probabilities(c, {0.5, 0.5});
  CHECK_THROWS_AS(c.reset(logs({0, 0})), number_error);
  const std::vector<float> bad = {0, NAN};
  CHECK_THROWS_AS(c.reset(bad), number_error);
  const std::vector<float> infinite = {0, INFINITY};
  CHECK_THROWS_AS(c.reset(infinite), number_error);
}

TEST_CASE("temperature divides logits", "[generate]") {
  Candidates c(four);
  choice::temperature(c, 0.5);  // squares: 16, 9, 4, 1 of 30
  check_probabilities(c, {16 / 30.0, 9 / 30.0, 4 / 30.0, 1 / 30.0});
  c.reset(four);
  choice::temperature(c, 1e-30);
  check_probabilities(c, {1, 0, 0, 0});
}

TEST_CASE("dynamic temperature follows the entropy", "[generate]") {
  Candidates c(logs({0.25, 0.25, 0.25, 0.25}));  // the most there is: the highest temperature
  choice::dynamic_temperature(c, 0.5, 2);
  check_probabilities(c, {0.25, 0.25, 0.25, 0.25});
  c.reset(four);
  const double h = -(0.4 * std::log(0.4) + 0.3 * std::log(0.3) + 0.2 * std::log(0.2) + 0.1 * std::log(0.1));
  CHECK(choice::entropy(c) == Approx(h));
  const double t = 0.5 + 1.5 * std::pow(h / std::log(4.0), 2);
  choice::dynamic_temperature(c, 0.5, 2, 2);
  const double sum = std::pow(0.4, 1 / t) + std::pow(0.3, 1 / t) + std::pow(0.2, 1 / t) + std::pow(0.1, 1 / t);
  check_probabilities(c, {std::pow(0.4, 1 / t) / sum, std::pow(0.3, 1 / t) / sum, std::pow(0.2, 1 / t) / sum,
                          std::pow(0.1, 1 / t) / sum});
}

TEST_CASE("top-k keeps the k greatest, of equals the first", "[generate]") {
  Candidates c(four);
  choice::top_k(c, 2);
  CHECK(left(c) == Units{0, 1});
  check_probabilities(c, {4 / 7.0, 3 / 7.0});
  c.reset(logs({0.1, 0.3, 0.3, 0.3}));
  choice::top_k(c, 2);
  CHECK(left(c) == Units{1, 2});
  c.reset(four);
  choice::top_k(c, 0);
  CHECK(c.size() == 4);
}

TEST_CASE("top-k over a large vocabulary is what sorting gives", "[generate]") {
  std::vector<float> x(5000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(Noise{5}.below(900, i)) * 0.01f;  // many equals
  for (const Index k : {1, 7, 40, 100, 1000, 4999}) {
    std::vector<Unit> order(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) order[i] = static_cast<Unit>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](Unit a, Unit b) { return x[static_cast<std::size_t>(a)] > x[static_cast<std::size_t>(b)]; });
    order.resize(static_cast<std::size_t>(k));
    std::sort(order.begin(), order.end());
    Candidates c(x);
    choice::top_k(c, k);
    REQUIRE(left(c) == order);
  }
}

TEST_CASE("top-p keeps the fewest that reach the mass", "[generate]") {
  const auto kept = [](double p) {
    Candidates c(four);
    choice::top_p(c, p);
    return left(c);
  };
  CHECK(kept(0.39) == Units{0});
  CHECK(kept(0.41) == Units{0, 1});
  CHECK(kept(0.69) == Units{0, 1});
  CHECK(kept(0.71) == Units{0, 1, 2});
  CHECK(kept(0.95) == Units{0, 1, 2, 3});
  CHECK(kept(0) == Units{0});
  CHECK(kept(1) == Units{0, 1, 2, 3});
  Candidates c(logs({0.25, 0.25, 0.25, 0.25}));
  choice::top_p(c, 0.5);
  CHECK(left(c) == Units{0, 1});
}

TEST_CASE("top-p over a large vocabulary is what sorting gives", "[generate]") {
  std::vector<float> x(3000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 6 * static_cast<float>(Noise{6}.unit(i));
  for (const double mass : {0.1, 0.5, 0.9, 0.99}) {
    Candidates c(x);
    const auto p = c.probabilities();
    std::vector<Unit> order(x.size()), wanted;
    for (std::size_t i = 0; i < x.size(); ++i) order[i] = static_cast<Unit>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](Unit a, Unit b) { return p[static_cast<std::size_t>(a)] > p[static_cast<std::size_t>(b)]; });
    double sum = 0;
    for (std::size_t i = 0; sum < mass; ++i) {
      wanted.push_back(order[i]);
      sum += static_cast<double>(p[static_cast<std::size_t>(order[i])]);
    }
    choice::top_p(c, mass);
    // at the edge the sums' order may decide
    CHECK(std::abs(static_cast<double>(c.size()) - static_cast<double>(wanted.size())) <= 1);
  }
}

TEST_CASE("min-p keeps what has a share of the greatest probability", "[generate]") {
  Candidates c(four);
  choice::min_p(c, 0.45);  // 0.18
  CHECK(left(c) == Units{0, 1, 2});
  choice::min_p(c, 0.6);
  CHECK(left(c) == Units{0, 1});
}

TEST_CASE("typical keeps what surprises as much as is to be expected", "[generate]") {
  // H = 1.2799; |-log p - H|: 0.3636, 0.0759, 0.3296, 1.0227. So 1, then 2, then 0, then 3.
  const auto kept = [](double mass) {
    Candidates c(four);
    choice::typical(c, mass);
    return left(c);
  };
  CHECK(kept(0.2) == Units{1});
  CHECK(kept(0.4) == Units{1, 2});
  CHECK(kept(0.6) == Units{0, 1, 2});
  CHECK(kept(0.95) == Units{0, 1, 2, 3});
}

TEST_CASE("top-n-sigma keeps logits near the greatest", "[generate]") {
  const std::vector<float> x = {4, 3, 0, -1, -1};  // mean 1, deviation 2
  Candidates c(x);
  choice::top_n_sigma(c, 0.5);
  CHECK(left(c) == Units{0, 1});
  c.reset(x);
  choice::top_n_sigma(c, 2);
  CHECK(left(c) == Units{0, 1, 2});
}

TEST_CASE("xtc drops the top choices but the least of them", "[generate]") {
  Candidates c(four);
  choice::xtc(c, 0.5, 0.15, 0.4);  // 0, 1, 2 are over: 2 stays
  CHECK(left(c) == Units{2, 3});
  check_probabilities(c, {2 / 3.0, 1 / 3.0});
  c.reset(four);
  choice::xtc(c, 0.5, 0.15, 0.6);  // the coin says no
  CHECK(c.size() == 4);
  choice::xtc(c, 1, 0.35, 0.0);  // one alone stays
  CHECK(c.size() == 4);
}

TEST_CASE("mirostat cuts by surprise and learns from what was drawn", "[generate]") {
  Candidates c(four);
  choice::mirostat(c, 2);  // p >= 1/4
  CHECK(left(c) == Units{0, 1});
  c.reset(four);
  choice::mirostat(c, -5);  // nothing would be left: the best stays
  CHECK(left(c) == Units{0});

  Chooser choose({.mirostat = 1.0, .mirostat_rate = 0.5});
  CHECK(choose.mu() == 2.0);
  const Chosen got = choose(four, {}, Noise{3});
  const double p = got.unit == 0 ? 4 / 7.0 : 3 / 7.0;
  CHECK(got.log_probability == Approx(std::log(p)));
  CHECK(choose.mu() == Approx(2.0 - 0.5 * (-std::log2(p) - 1.0)));
}

TEST_CASE("repetition, frequency and presence look at what came", "[generate]") {
  std::vector<float> x = {2, -2, 1, 0.5f};
  std::vector<std::int32_t> room;
  const Units history = {0, 1, 1, 9, -1};  // 9 and -1 are none of these units
  choice::repeat(x, history, 2, 0, 0, room);
  CHECK(x == std::vector<float>{1, -4, 1, 0.5f});
  x = {2, -2, 1, 0.5f};
  choice::repeat(x, history, 1, 0.25, 1, room);
  CHECK(x == std::vector<float>{0.75f, -3.5f, 1, 0.5f});
  CHECK(choice::recent(history, 2).size() == 2);
  CHECK(choice::recent(history, 0).size() == 5);
}

TEST_CASE("no n-gram comes twice", "[generate]") {
  const Units history = {1, 2, 3, 1, 2, 0, 1, 2};
  std::vector<float> x(4, 0.0f);
  choice::no_repeat(x, history, 3);  // 1 2 was followed by 3 and by 0
  CHECK(x == std::vector<float>{-INFINITY, 0, 0, -INFINITY});
  x.assign(4, 0.0f);
  choice::no_repeat(x, history, 1);
  CHECK(x == std::vector<float>{-INFINITY, -INFINITY, -INFINITY, -INFINITY});
  x.assign(4, 0.0f);
  choice::no_repeat(x, history, 20);
  CHECK(x == std::vector<float>(4, 0.0f));
}

TEST_CASE("dry grows with the run that would be repeated", "[generate]") {
  std::vector<std::int32_t> runs, counts;
  const auto penalties = [&](const Units& history, const choice::Dry& o) {
    std::vector<float> x(8, 0.0f);
    choice::dry(x, history, o, runs, counts);
    return x;
  };
  // 1 2 3 came and was followed by 4; "3" alone also by 5: the run for 4 is 3, for 5 it is 1.
  const Units history = {1, 2, 3, 4, 3, 5, 1, 2, 3};
  auto x = penalties(history, {.multiplier = 2, .base = 3, .allowed = 1});
  CHECK(x[4] == Approx(-2 * 9));
  CHECK(x[5] == Approx(-2 * 1));
  CHECK(x[1] == 0);
  x = penalties(history, {.multiplier = 2, .base = 3, .allowed = 2});
  CHECK(x[4] == Approx(-2 * 3));
  CHECK(x[5] == 0);
  x = penalties(history, {.multiplier = 2, .base = 3, .allowed = 1, .breakers = {1}});  // runs reach back to 2 3
  CHECK(x[4] == Approx(-2 * 3));
  x = penalties(history, {.multiplier = 2, .base = 3, .allowed = 1, .breakers = {3}});
  CHECK(x == std::vector<float>(8, 0.0f));
  x = penalties({6, 6, 6, 6}, {.multiplier = 1, .base = 2, .allowed = 1});  // a run of 3 may overlap itself
  CHECK(x[6] == Approx(-4));
}

TEST_CASE("bias, bans and exclusive sets move logits", "[generate]") {
  std::vector<float> x = {1, 2, 3}, room;
  choice::bias(x, std::vector<UnitBias>{{0, 0.5f}, {2, -1.0f}});
  CHECK(x == std::vector<float>{1.5f, 2, 2});
  choice::ban(x, Units{1});
  CHECK(x == std::vector<float>{1.5f, -INFINITY, 2});
  choice::only(x, Units{2}, room);
  CHECK(x == std::vector<float>{-INFINITY, -INFINITY, 2});
  CHECK_THROWS_AS(choice::ban(x, Units{3}), argument_error);
  CHECK_THROWS_AS(choice::bias(x, std::vector<UnitBias>{{-1, 0.f}}), argument_error);
}

TEST_CASE("the chain draws from its distribution", "[generate]") {
  Chooser choose({.temperature = 0.5, .top_k = 3});  // 4, 3, 2 of 9; squared: 16, 9, 4 of 29
  double count[4] = {};
  constexpr int n = 20000;
  for (int i = 0; i < n; ++i) ++count[choose(four, {}, Noise{11}.fork(static_cast<std::uint64_t>(i))).unit];
  const double wanted[] = {16 / 29.0, 9 / 29.0, 4 / 29.0};
  double chi = 0;
  for (int u = 0; u < 3; ++u) chi += (count[u] - n * wanted[u]) * (count[u] - n * wanted[u]) / (n * wanted[u]);
  CHECK(count[3] == 0);
  CHECK(chi < 13.8);  // 2 degrees of freedom: 0.1 %

  // the other order: squares first (16, 9, 4, 1 of 30), of which two reach 0.8, then nothing more
  Chooser scaled_first({.temperature = 0.5, .temperature_first = true, .top_p = 0.8});
  CHECK(left(scaled_first.distribution(four, {}, Noise{1})) == Units{0, 1});
  Chooser cut_first({.temperature = 0.5, .top_p = 0.8});
  CHECK(left(cut_first.distribution(four, {}, Noise{1})) == Units{0, 1, 2});
}

TEST_CASE("greedy choice needs no noise, and options out of range are refused", "[generate]") {
  Chooser choose({.temperature = 0});
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(choose(four, {}, Noise{i}).unit == 0);
  Chooser banned({.temperature = 0, .banned = {0}});
  CHECK(banned(four, {}, Noise{1}).unit == 1);
  Chooser none({.banned = {0, 1, 2, 3}});
  CHECK_THROWS_AS(none(four, {}, Noise{1}), number_error);
  CHECK_THROWS_AS(Chooser({.temperature = -1}), argument_error);
  CHECK_THROWS_AS(Chooser({.top_p = 1.5}), argument_error);
  CHECK_THROWS_AS(Chooser({.repetition = 0}), argument_error);
  CHECK_THROWS_AS(Chooser({.temperature = NAN}), argument_error);
}
