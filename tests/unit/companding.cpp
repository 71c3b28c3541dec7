#include <tessera/unit/companding.hpp>

#include "tests/support/catch.hpp"

using namespace tessera;

TEST_CASE("companding: every level decodes to a sample that encodes to it", "[unit][sound]") {
  for (const Companding law : {Companding::linear, Companding::mu_law}) {
    for (int bits = 8; bits <= 16; ++bits) {
      const Compander code(law, bits);
      REQUIRE(code.levels() == 1 << bits);
      int wrong = 0, falls = 0;
      for (std::int32_t level = 0; level < code.levels(); ++level) {
        wrong += code.encode(code.decode(level)) != level;
        falls += level > 0 && !(code.decode(level) > code.decode(level - 1));
      }
      INFO("bits " << bits << ", law " << static_cast<int>(law));
      CHECK(wrong == 0);
      CHECK(falls == 0);
      CHECK(code.decode(0) == -1.0F);
      CHECK(code.decode(code.levels() - 1) == 1.0F);
    }
  }
}

TEST_CASE("companding: the 8-bit mu-law levels are WaveNet's", "[unit][sound]") {
  // Worked by hand from sign(x) ln(1 + 255 |x|) / ln 256, then round((F + 1) / 2 * 255).
  const Compander code;
  CHECK(code.encode(0.0F) == 128);
  CHECK(code.encode(1.0F) == 255);
  CHECK(code.encode(-1.0F) == 0);
  CHECK(code.encode(0.5F) == 239);
  CHECK(code.encode(0.01F) == 157);
  CHECK(code.encode(-0.01F) == 98);
  CHECK(code.decode(192) == Approx(0.0609039).margin(1e-6));
  CHECK(code.silence() == 128);
}

TEST_CASE("companding: the error is at most half a step", "[unit][sound]") {
  const Compander linear(Companding::linear, 12), mu(Companding::mu_law, 12);
  float worst = 0, worst_relative = 0;
  for (int i = -2000; i <= 2000; ++i) {
    const float x = static_cast<float>(i) / 2000.0F;
    worst = std::max(worst, std::fabs(linear.decode(linear.encode(x)) - x));
    if (i != 0) worst_relative = std::max(worst_relative, std::fabs(mu.decode(mu.encode(x)) / x - 1));
  }
  CHECK(worst <= 1.0F / 4095 + 1e-7F);
  CHECK(worst > 0.9F / 4095);
  // A step of F is 2 / mu, so that of ln(1 + mu x) is 2 ln(1 + mu) / mu: half of it, relative to x + 1 / mu.
  CHECK(worst_relative <= 1.5F * std::log(4096.0F) / 4095);
}

TEST_CASE("companding: what is outside is clamped, and bad levels are named", "[unit][sound]") {
  const Compander code;
  CHECK(code.encode(7.0F) == 255);
  CHECK(code.encode(-INFINITY) == 0);
  CHECK(code.encode(NAN) == code.silence());
  CHECK_THROWS_WITH(code.decode(256), "Compander: level 256 is not in [0, 256)");
  CHECK_THROWS_AS(code.decode(-1), argument_error);
  CHECK_THROWS_AS(Compander(Companding::linear, 7), argument_error);
  CHECK_THROWS_AS(Compander(Companding::mu_law, 17), argument_error);
}

TEST_CASE("companding: tensors keep their shape", "[unit][sound]") {
  const Compander code(Companding::mu_law, 10);
  const auto sound = Tensor<float>::from({2, 2}, {-1.0F, -0.25F, 0.25F, 1.0F});
  const auto levels = code.encode(sound);
  REQUIRE(levels.shape() == sound.shape());
  CHECK(levels[0] == 0);
  CHECK(levels[1] == 1023 - levels[2]);
  CHECK(code.decode(levels)[2] == Approx(0.25).epsilon(0.01));
}
