// The laws of an image GPT's draft: gradients, shapes at every side, each caption by itself.
#include <tessera/autoregressive/image_draft.hpp>

#include "tests/support/gradient.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;

namespace {

ImageDraftConfig tiny(Index side, Index map = 0) {
  return {.side = side, .colours = 5, .channels = 3, .text = 4, .width = 6, .map = map};
}

}  // namespace

TEST_CASE("image draft: every parameter has the gradient of finite differences", "[autoregressive][image_draft]") {
  Rng rng(1);
  ImageDraft<double> net(tiny(6, GENERATE(0, 2)), rng);
  REQUIRE(net.blocks.size() == 2);
  testing::check_module(net, [](const auto& draft, auto& tape) {
    const auto drafted = draft(tape.constant(testing::draw({2, 4}, 3)));
    return concat({drafted.vectors, drafted.logits}, 2);
  });
}

TEST_CASE("image draft: a vector and logits for each pixel, whatever the side", "[autoregressive][image_draft]") {
  for (const Index side : {2, 5, 8, 12, 32}) {
    Rng rng(2);
    ImageDraft<float> net(tiny(side, side % 3), rng);  // without a map and with one
    testing::nudge(net, 0.2, rng);
    const Tensor<float> captions = Tensor<float>::from({2, 4}, {1, -2, 0.5f, 3, -1, 0.25f, 2, 1});
    const auto both = net(captions);
    REQUIRE(both.vectors.shape() == Shape{2, side * side, 6});
    REQUIRE(both.logits.shape() == Shape{2, side * side, 5});
    const auto second = net(slice(captions, 0, 1, 2));
    CHECK(same_bytes(slice(both.vectors, 0, 1, 2), second.vectors));
    CHECK(same_bytes(slice(both.logits, 0, 1, 2), second.logits));
    CHECK_FALSE(same_bytes(slice(both.logits, 0, 0, 1), second.logits));
  }
}

TEST_CASE("image draft: it grows from 4 x 4 by doubling, and from a side that does not halve as it is",
          "[autoregressive][image_draft]") {
  CHECK(tiny(32).doublings() == 3);
  CHECK(tiny(4).doublings() == 0);
  CHECK(tiny(5).doublings() == 0);
  CHECK(tiny(12).doublings() == 2);
  CHECK(tiny(32).channels_at(3) == 12);
  CHECK(tiny(32).channels_at(1) == 6);
}

TEST_CASE("image draft: what does not fit is refused", "[autoregressive][image_draft]") {
  Rng rng(4);
  const ImageDraft<float> net(tiny(4), rng);
  CHECK_THROWS_AS(net(Tensor<float>({2, 5}, 0)), shape_error);
  CHECK_THROWS_AS(net(Tensor<float>({4}, 0)), shape_error);
  ImageDraftConfig c = tiny(4);
  c.channels = 0;
  CHECK_THROWS_AS(ImageDraft<float>(c, rng), argument_error);
  CHECK_THROWS_AS(ImageDraft<float>(tiny(4, -1), rng), argument_error);
}
