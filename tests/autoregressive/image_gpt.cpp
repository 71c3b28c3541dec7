// The laws of an image GPT's network: gradients, and that no pixel depends on those after it.
#include <set>

#include <tessera/autoregressive/image_gpt.hpp>

#include "tests/support/gradient.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;

namespace {

/// With a draft there are also its map and a greater reach.
ImageGptConfig tiny(Index draft = 0) {
  return {.side = 4,
          .colours = 7,
          .layers = 1,
          .heads = 2,
          .width = 8,
          .words = 3,
          .reach = draft > 0 ? 2 : 1,
          .draft = draft,
          .map = draft,
          .text = {.vocabulary = 11, .length = 5, .width = 8, .heads = 2, .layers = 1}};
}
Tensor<std::int32_t> some_words() { return Tensor<std::int32_t>::from({2, 3}, {1, 9, 2, 1, 2, 0}); }
Tensor<std::int32_t> some_pixels() {
  Tensor<std::int32_t> pixels(Shape{2, 16});
  for (Index i = 0; i < 32; ++i) pixels.data()[i] = static_cast<std::int32_t>(i * 5 % 7);
  return pixels;
}

/// The network's own parameters; those of the Gpt in it, of its text encoder and its draft are tested as such.
struct AllButGpt {
  ImageGptNet<double>& net;

  static void members(auto& self, auto&& see) {
    see("words", self.net.words);
    see("summary", self.net.summary);
    see("word_places", self.net.word_places);
    see("rows", self.net.rows);
    see("columns", self.net.columns);
    see("earlier", self.net.earlier);
  }
};

/// Where a draft meets the rest.
struct EndsOfDraft {
  ImageGptNet<double>& net;

  static void members(auto& self, auto&& see) {
    see("summary", self.net.summary);
    see("places", self.net.draft->places);
    see("head", self.net.draft->head);
  }
};

}  // namespace

TEST_CASE("image GPT: every parameter has the gradient of finite differences", "[autoregressive][image_gpt]") {
  Rng rng(1);
  ImageGptNet<double> net(tiny(), rng);
  testing::check_module(net.gpt, [&](const auto& gpt, auto& tape) {
    return gpt.over(tape.constant(testing::draw({2, 5, 8}, 3)), {}, 2) +
           gpt.over(gpt.embedding(tape.ids(Tensor<std::int32_t>::from({2, 3}, {0, 1, 2, 3, 4, 5}))));
  });
  AllButGpt rest{net};
  testing::check_module(
      rest, [](const auto& r, auto& tape) { return r.net(r.net.text(tape.ids(some_words())), some_pixels()); });
}

TEST_CASE("image GPT: what it makes of its draft has the gradient of finite differences",
          "[autoregressive][image_gpt]") {
  Rng rng(1);
  ImageGptNet<double> net(tiny(2), rng);
  EndsOfDraft ends{net};
  testing::check_module(ends, [](const auto& r, auto& tape) {
    const auto caption = r.net.text(tape.ids(some_words()));
    return concat({r.net(caption, some_pixels()), r.net(caption, slice(some_pixels(), 1, 0, 3)),
                   r.net.sketch(caption, slice(some_pixels(), 1, 0, 2))},
                  1);
  });
}

TEST_CASE("image GPT: what is read with a pixel lies within reach of the one to come, each once",
          "[autoregressive][image_gpt]") {
  ImageGptConfig c = tiny();
  c.side = 8;
  CHECK(ImageGptNet<float>::back(c) == std::vector<Index>{6, 7, 8});  // right above, above, left above
  for (const Index reach : {2, 3}) {
    c.reach = reach;
    std::set<std::pair<Index, Index>> places = {{0, -1}};  // row and column from the one to come; the last pixel
    const Index target = 36;
    for (const Index back : ImageGptNet<float>::back(c)) {
      const Index place = target - 1 - back;
      CHECK(places.insert({place / 8 - target / 8, place % 8 - target % 8}).second);
    }
    for (Index row = -reach; row <= 0; ++row) {
      for (Index column = -reach; column <= (row < 0 ? reach : -1); ++column) CHECK(places.erase({row, column}) == 1);
    }
    CHECK(places.empty());
  }
}

TEST_CASE("image GPT: its sketch is what it says when its blocks add nothing", "[autoregressive][image_gpt]") {
  Rng rng(5);
  ImageGptNet<float> net(tiny(GENERATE(0, 2)), rng);
  testing::nudge(net, 0.3, rng);
  const auto caption = net.text(some_words());
  const Tensor<float> sketch = net.sketch(caption, some_pixels());
  CHECK_FALSE(same_bytes(sketch, net(caption, some_pixels())));
  for (auto& block : net.gpt.blocks) {
    for (Linear<float>* end : {&block.attention.output, &block.mlp.down})
      end->weight.value = init::zeros<float>(end->weight.value.shape());
  }
  CHECK(same_bytes(sketch, net(caption, some_pixels())));
  CHECK(same_bytes(net.sketch(caption, slice(some_pixels(), 1, 0, 5)), slice(sketch, 1, 0, 5)));
}

TEST_CASE("image GPT: what is dropped in training comes of the noise alone", "[autoregressive][image_gpt]") {
  Rng rng(6);
  ImageGptNet<float> net(tiny(2), rng);
  testing::nudge(net, 0.3, rng);
  const auto caption = net.text(some_words());
  const auto made = [&](double blocks, double hidden, std::uint64_t seed) {
    return net(caption, some_pixels(), {.blocks = blocks, .caption = hidden, .noise = Noise{seed}});
  };
  const Tensor<float> whole = net(caption, some_pixels());
  CHECK(same_bytes(made(0, 0, 1), whole));
  for (const auto& [blocks, hidden] : {std::pair{0.5, 0.0}, {0.0, 0.5}}) {
    CHECK(same_bytes(made(blocks, hidden, 1), made(blocks, hidden, 1)));
    CHECK_FALSE(same_bytes(made(blocks, hidden, 1), made(blocks, hidden, 2)));
    CHECK_FALSE(same_bytes(made(blocks, hidden, 1), whole));
  }
  const ImageGptDropout some{.caption = 0.5, .noise = Noise{1}};  // the sketch has no blocks to drop from
  CHECK_FALSE(same_bytes(net.sketch(caption, some_pixels(), some), net.sketch(caption, some_pixels())));
}

TEST_CASE("image GPT: a pixel depends on the caption and the pixels before it, and on nothing after",
          "[autoregressive][image_gpt]") {
  Rng rng(2);
  ImageGptNet<float> net(tiny(GENERATE(0, 2)), rng);
  testing::nudge(net, 0.3, rng);
  const auto logits = [&](const Tensor<std::int32_t>& words, const Tensor<std::int32_t>& pixels) {
    return net(net.text(words), pixels);
  };
  const Tensor<float> all = logits(some_words(), some_pixels());
  REQUIRE(all.shape() == Shape{2, 16, 7});
  const auto row = [](const Tensor<float>& t, Index item, Index i) {
    return t.span().subspan(static_cast<std::size_t>((item * 16 + i) * 7), 7);
  };
  const auto same = [](std::span<const float> a, std::span<const float> b) {
    return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
  };
  for (Index changed = 0; changed < 15; ++changed) {
    Tensor<std::int32_t> pixels = some_pixels();
    pixels.data()[changed] = (pixels[changed] + 1) % 7;
    const Tensor<float> now = logits(some_words(), pixels);
    for (Index i = 0; i <= changed; ++i) CHECK(same(row(now, 0, i), row(all, 0, i)));
    for (Index i = changed + 1; i < 16; ++i) CHECK_FALSE(same(row(now, 0, i), row(all, 0, i)));
    for (Index i = 0; i < 16; ++i) CHECK(same(row(now, 1, i), row(all, 1, i)));  // the other picture
  }
  Tensor<std::int32_t> words = some_words();
  words.data()[1] = 8;
  CHECK_FALSE(same(row(logits(words, some_pixels()), 0, 0), row(all, 0, 0)));
  CHECK(same(row(logits(words, some_pixels()), 1, 0), row(all, 1, 0)));
}

TEST_CASE("image GPT: fewer pixels than a picture has are read as its beginning", "[autoregressive][image_gpt]") {
  Rng rng(3);
  const ImageGptNet<float> net(tiny(GENERATE(0, 2)), rng);
  const auto caption = net.text(some_words());
  const Tensor<float> all = net(caption, some_pixels());
  for (const Index n : {1, 2, 7}) {
    const Tensor<float> some = net(caption, slice(some_pixels(), 1, 0, n));
    CHECK(same_bytes(some, slice(all, 1, 0, n)));
  }
}

TEST_CASE("image GPT: what does not fit is refused", "[autoregressive][image_gpt]") {
  Rng rng(4);
  const ImageGptNet<float> net(tiny(), rng);
  const auto caption = net.text(some_words());
  CHECK_THROWS_AS(net(caption, Tensor<std::int32_t>({2, 17}, 0)), shape_error);
  CHECK_THROWS_AS(net(caption, Tensor<std::int32_t>({1, 16}, 0)), shape_error);
  CHECK_THROWS_AS(net(caption, Tensor<std::int32_t>({2, 16}, 7)), argument_error);
  CHECK_THROWS_AS(net(net.text(Tensor<std::int32_t>({2, 2}, 1)), some_pixels()), shape_error);
  CHECK_THROWS_AS(net.sketch(caption, Tensor<std::int32_t>({2, 17}, 0)), shape_error);
  ImageGptConfig c = tiny();
  c.words = 6;  // more than the text encoder takes
  CHECK_THROWS_AS(ImageGptNet<float>(c, rng), argument_error);
  CHECK_THROWS_AS(ImageGptNet<float>(tiny(-1), rng), argument_error);
  c = tiny();
  c.map = 2;  // of no draft
  CHECK_THROWS_AS(ImageGptNet<float>(c, rng), argument_error);
  for (const Index reach : {0, 4}) {
    c = tiny();
    c.reach = reach;
    CHECK_THROWS_AS(ImageGptNet<float>(c, rng), argument_error);
  }
  c = tiny();
  c.heads = 3;
  CHECK_THROWS_AS(ImageGptNet<float>(c, rng), argument_error);
}
