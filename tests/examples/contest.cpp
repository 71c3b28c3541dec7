// The emoji's contest, and what its contestants are told of a text.
#include <cmath>
#include <cstdio>

#include "examples/support/contestant.hpp"
#include "examples/support/contestants/context.hpp"
#include "examples/support/contestants/learn.hpp"
#include "tests/support/catch.hpp"

using Catch::Matchers::Contains;
using namespace tessera;
using namespace tessera::examples;

namespace {

const Contest& emoji() {
  static const auto contest = emoji_contest({.count = 40, .classifier = ""});
  return *contest;
}

}  // namespace

TEST_CASE("an emoji contest asks for the prompts of its sheet and for names, and true pictures are right",
          "[examples]") {
  const Contest& c = emoji();
  REQUIRE(c.text);
  REQUIRE(c.asked.extent(0) == 40);
  REQUIRE(c.captions.size() == static_cast<std::size_t>(c.shown.extent(0)));
  REQUIRE(c.shown.extent(0) < 40);
  REQUIRE_THAT(c.perfect(), Contains("100.0 %  100.0 %"));
  REQUIRE(c.tested.pictures.extent(0) == c.tested.conditions.extent(0));
  REQUIRE(c.tested.pictures.shape().without(0) == c.train.shape().without(0));
  // The same white picture for all is no answer; with the true ones for the first prompts, those alone are.
  Tensor<float> white(c.train.shape().with(0, 40), 1.f);
  char right[16];
  std::snprintf(right, sizeof right, "%.1f %%", 100 * static_cast<double>(c.shown.extent(0)) / 40);
  REQUIRE_THAT(c.score(white), !Contains(right) && !Contains("100.0 %"));
  for (Index i = 0; i < c.shown.size(); ++i) white.data()[i] = c.shown[i];
  REQUIRE_THAT(c.score(white), Contains(right));
}

TEST_CASE("an emoji contest's conditions: rows of tokens as long as the longest, the same for the same noise",
          "[examples]") {
  const Contest& c = emoji();
  const auto items = Tensor<Index>::from({3}, {5, 1000, 2000});
  const Tensor<std::int32_t> one = c.conditions_of(items, Noise{1}), again = c.conditions_of(items, Noise{1});
  REQUIRE(one.shape() == again.shape());
  bool last = false;
  for (Index i = 0; i < one.size(); ++i) {
    REQUIRE(one[i] == again[i]);
    REQUIRE((one[i] >= 0 && one[i] < c.conditions));
    last = last || (i % one.cols() == one.cols() - 1 && one[i] != 0);
  }
  REQUIRE(last);
}

TEST_CASE("a context is one-hot for plain classes, and of a text does not depend on padding", "[examples]") {
  Rng rng(1);
  ContextReader plain({}, rng);
  plain.classes = 3;
  const Tensor<float> hot = plain(Tensor<std::int32_t>::from({2}, {2, 0}));
  REQUIRE(hot.shape() == Shape{2, 3});
  REQUIRE((hot[2] == 1 && hot[3] == 1 && hot[0] == 0));

  const ContextReader text({.kind = ConditionConfig::Kind::text, .count = 9, .width = 4}, rng);
  REQUIRE(text.width() == 4);
  const Tensor<float> close = text(Tensor<std::int32_t>::from({1, 2}, {3, 5}));
  const Tensor<float> padded = text(Tensor<std::int32_t>::from({1, 4}, {3, 5, 0, 0}));
  const Tensor<float> other = text(Tensor<std::int32_t>::from({1, 2}, {3, 6}));
  double apart = 0;
  for (Index i = 0; i < 4; ++i) {
    REQUIRE(padded[i] == Approx(close[i]).margin(1e-5));
    apart += std::abs(static_cast<double>(other[i] - close[i]));
  }
  REQUIRE(apart > 1e-3);
}

TEST_CASE("bytes as units of a few levels and back are off by half a level at most", "[examples]") {
  Tensor<std::uint8_t> bytes(Shape{1, 16, 16, 1});
  for (int i = 0; i < 256; ++i) bytes.data()[i] = static_cast<std::uint8_t>(i);
  for (const std::int32_t top : {15, 255}) {
    const Tensor<float> x = pictures_of_levels(as_units(bytes, top), top);
    for (int i = 0; i < 256; ++i)
      REQUIRE(std::abs((x[i] + 1) * 127.5f - static_cast<float>(i)) <= 127.6f / static_cast<float>(top));
  }
}

TEST_CASE("a contest that is none is refused", "[examples]") {
  REQUIRE_THROWS_WITH(contest_named("letters", {.classifier = ""}), Contains("wanted fashion or emoji"));
}
