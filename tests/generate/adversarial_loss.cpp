// Losses, penalties, augmentation: values by hand, gradients against finite differences, second derivatives included.
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/tanh.hpp>
#include <tessera/generate/adversarial_loss.hpp>
#include <tessera/generate/augment.hpp>
#include <tessera/generate/gradient_penalty.hpp>
#include <tessera/nn/linear.hpp>

#include "tests/support/gradient.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {
constexpr AdversarialLoss losses[] = {AdversarialLoss::non_saturating, AdversarialLoss::hinge,
                                      AdversarialLoss::least_squares, AdversarialLoss::wasserstein};

/// A smooth critic of objects [B, 3].
struct Critic2 {
  Linear<double> in, out;
  explicit Critic2(Rng& rng) : in({.in = 3, .out = 4}, rng), out({.in = 4, .out = 1}, rng) {}
  template <Value X>
  X operator()(const X& x) const {
    return reshape(out(tanh(in(x))), {x.extent(0)});
  }
  static void members(auto& self, auto&& see) {
    see("in", self.in);
    see("out", self.out);
  }
};

/// What of it moves the slope: all but the last bias.
struct Free {
  Critic2& c;
  static void members(auto& self, auto&& see) {
    see("in.weight", self.c.in.weight);
    see("in.bias", *self.c.in.bias);
    see("out.weight", self.c.out.weight);
  }
};
}  // namespace

TEST_CASE("adversarial losses have the values of their formulas", "[generate]") {
  const D s = D::from({1}, {2.0});
  const auto log1pexp = [](double x) { return std::log1p(std::exp(x)); };
  REQUIRE(accept(AdversarialLoss::non_saturating, s).item() == Approx(log1pexp(-2)));
  REQUIRE(reject(AdversarialLoss::non_saturating, s).item() == Approx(log1pexp(2)));
  REQUIRE(persuade(AdversarialLoss::non_saturating, s).item() == Approx(log1pexp(-2)));
  REQUIRE(accept(AdversarialLoss::hinge, s).item() == 0);
  REQUIRE(reject(AdversarialLoss::hinge, s).item() == 3);
  REQUIRE(persuade(AdversarialLoss::hinge, s).item() == -2);
  REQUIRE(accept(AdversarialLoss::least_squares, s).item() == 0.5);
  REQUIRE(reject(AdversarialLoss::least_squares, s).item() == 2);
  REQUIRE(persuade(AdversarialLoss::least_squares, s).item() == 0.5);
  REQUIRE(accept(AdversarialLoss::wasserstein, s).item() == -2);
  REQUIRE(reject(AdversarialLoss::wasserstein, s).item() == 2);
  REQUIRE(persuade(AdversarialLoss::wasserstein, s).item() == -2);
}

TEST_CASE("adversarial losses have the gradients of finite differences, second ones too", "[generate]") {
  for (const AdversarialLoss loss : losses) {
    check_gradient([loss](const auto& s) { return accept(loss, s); }, {{5}});
    check_gradient([loss](const auto& s) { return reject(loss, s); }, {{5}});
    check_gradient([loss](const auto& s) { return persuade(loss, s); }, {{5}});
  }
}

TEST_CASE("the slope of a linear critic is its weight", "[generate]") {
  Rng rng(1);
  Linear<double> line({.in = 2, .out = 1}, rng);
  line.weight.value = D::from({1, 2}, {3.0, 4.0});
  const D x = draw({6, 2}, 1);
  const auto score = [&](const auto& at) { return reshape(line(at), {at.extent(0)}); };
  Tape<D> tape;
  const auto slopes = squared_slope(tape, x, score);
  for (Index i = 0; i < 6; ++i) REQUIRE(slopes.value()[i] == Approx(25));
  REQUIRE(r1_penalty(tape, x, score, 2).value().item() == Approx(25));
  const auto penalty = gradient_penalty(tape, x, score, 10);
  REQUIRE(penalty.value().item() == Approx(160));  // 10 (5 - 1)^2
  tape.backward(penalty);
  // d/dw 10 (|w| - 1)^2 = 20 (|w| - 1) w / |w|
  REQUIRE(tape.gradient(line.weight)[0] == Approx(80 * 3 / 5.0));
  REQUIRE(tape.gradient(line.weight)[1] == Approx(80 * 4 / 5.0));
}

TEST_CASE("penalties have the gradients of finite differences by every parameter", "[generate]") {
  Rng rng(2);
  Critic2 critic(rng);
  const D x = draw({5, 3}, 3);
  const auto r1 = [&](Critic2& c, Tape<D>& tape) {
    return r1_penalty(
        tape, x, [&](const auto& at) { return c(at); }, 3);
  };
  const auto wgan = [&](Critic2& c, Tape<D>& tape) {
    return gradient_penalty(
        tape, x, [&](const auto& at) { return c(at); }, 10);
  };
  Free all{critic};
  check_module(all, [&](Free& f, Tape<D>& tape) { return r1(f.c, tape); });
  check_module(all, [&](Free& f, Tape<D>& tape) { return wgan(f.c, tape); });
}

TEST_CASE("points between real and made lie between them, one share an item", "[generate]") {
  const D real({4, 2, 2}, 1.0), made({4, 2, 2}, 3.0);
  const D x = between(real, made, Noise{1});
  for (Index i = 0; i < 4; ++i) {
    REQUIRE(x[4 * i] > 1);
    REQUIRE(x[4 * i] <= 3);
    for (Index k = 1; k < 4; ++k) REQUIRE(x[4 * i + k] == x[4 * i]);
  }
  REQUIRE(x[0] != x[4]);
  REQUIRE_THROWS_AS(between(real, D({4, 2}, 1.0), Noise{1}), shape_error);
}

TEST_CASE("augmentation has the gradients of finite differences, second ones too", "[generate]") {
  const Augment policies[] = {{.colour = true}, {.translation = true}, {.cutout = true}, {true, true, true}};
  for (const Augment& p : policies)
    check_gradient([p](const auto& x) { return augment(x, p, Noise{4}); }, {{2, 8, 9, 3}}, {.second = p.colour});
  check_gradient([](const auto& x) { return augment(x, {true, true, true}, Noise{5}); }, {{2, 4, 4, 1}});
}

TEST_CASE("augmentation moves, cuts and is the same for the same noise and place", "[generate]") {
  const D x = draw({3, 16, 16, 3}, 1);
  REQUIRE(same_bytes(augment(x, {}, Noise{1}), x));
  const Augment all{true, true, true};
  const D y = augment(x, all, Noise{1});
  REQUIRE(same_bytes(y, augment(x, all, Noise{1})));
  REQUIRE_FALSE(same_bytes(y, augment(x, all, Noise{2})));
  const D alone = augment(slice(x, 0, 0, 1), all, Noise{1});
  REQUIRE(same_bytes(alone, slice(y, 0, 0, 1)));
  // A translation by (dy, dx) is a copy with zeros coming in.
  const D moved = augment(x, {.translation = true}, Noise{1});
  for (Index i = 0; i < 3; ++i) {
    int fits = 0;
    for (Index dy = -2; dy <= 2; ++dy) {
      for (Index dx = -2; dx <= 2; ++dx) {
        bool same = true;
        for (Index r = 0; r < 16 && same; ++r) {
          for (Index c = 0; c < 16 && same; ++c) {
            const Index fr = r - dy, fc = c - dx;
            const bool inside = fr >= 0 && fr < 16 && fc >= 0 && fc < 16;
            const double want = inside ? x[((i * 16 + fr) * 16 + fc) * 3] : 0;
            same = moved[((i * 16 + r) * 16 + c) * 3] == want;
          }
        }
        fits += same;
      }
    }
    REQUIRE(fits == 1);
  }
  // A hole of at most 8 x 8, at least a quarter of it inside.
  const D holed = augment(x, {.cutout = true}, Noise{1});
  for (Index i = 0; i < 3; ++i) {
    Index zeros = 0;
    for (Index k = 0; k < 256; ++k) zeros += holed[(i * 256 + k) * 3] == 0;
    REQUIRE(zeros >= 16);
    REQUIRE(zeros <= 64);
  }
  REQUIRE_THROWS_AS(augment(D({2, 3}, 0.0), all, Noise{1}), shape_error);
}
