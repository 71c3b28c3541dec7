// The laws of generation with a PixelCNN: number by number it is the network's forward pass; runs, batches, forks.
#include <tessera/autoregressive/pixel_cnn_run.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/generator.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;

namespace {

PixelCnn<float> network(Index channels, Index components, Index condition, Index map = 0, Index embed = 0) {
  Rng rng(5);
  PixelCnn<float> net({.channels = channels,
                       .levels = 6,
                       .width = 8,
                       .layers = 3,
                       .first = 5,
                       .kernel = 3,
                       .head = 8,
                       .condition = condition,
                       .components = components,
                       .map = map,
                       .map_height = 6,
                       .map_width = 5,
                       .embed = embed},
                      rng);
  testing::nudge(net, 0.2, rng);
  return net;
}

}  // namespace

TEST_CASE("PixelCNN: number by number, the levels' probabilities are those of the forward pass",
          "[autoregressive][pixel_cnn]") {
  const Index height = 6, width = 5;
  struct Reading {
    Index channels, components, embed;
  };
  for (const auto& [channels, components, embed] : {Reading{1, 0, 0}, {1, 0, 3}, {1, 3, 0}, {3, 0, 0}, {3, 3, 0}}) {
    for (const auto& [condition, map] : {std::pair<Index, Index>{0, 0}, {4, 0}, {4, 2}}) {
      const auto net = network(channels, components, condition, map, embed);
      const PixelCnnDecoder model(net, height, width);
      Tensor<std::uint8_t> picture(Shape{1, height, width, channels});
      for (Index i = 0; i < picture.size(); ++i)
        picture.data()[i] = static_cast<std::uint8_t>(Noise{9}.below(6, static_cast<std::uint64_t>(i)));
      const Tensor<float> told = condition > 0 ? Noise{2}.normal<float>({1, condition}) : Tensor<float>();
      const Tensor<float> said = net.predict(net.read(picture), told);
      auto state = model.begin(condition > 0 ? told.reshaped({condition}) : told);
      double log_p = 0, worst = 0;
      for (Index i = 0; i < picture.size(); ++i) {
        const auto logits = state.logits();
        const auto alone = log_softmax(Tensor<float>::from({6}, logits));
        log_p += static_cast<double>(alone[picture[i]]);
        if (components == 0) {
          for (Index k = 0; k < 6; ++k)
            worst =
                std::max(worst, static_cast<double>(std::fabs(logits[static_cast<std::size_t>(k)] - said[i * 6 + k])));
        }
        if (i + 1 < picture.size()) model.next(state, picture[i]);
      }
      INFO(components << " components, " << channels << " channels, condition " << condition << ", embed " << embed);
      CHECK(worst < 1e-4);
      CHECK(-log_p / static_cast<double>(picture.size()) ==
            Approx(static_cast<double>(net.loss(picture, told).item())).epsilon(1e-4));
      CHECK_THROWS_AS(model.next(state, 0), argument_error);
    }
  }
}

TEST_CASE("PixelCNN: its run keeps the laws of generation", "[autoregressive][pixel_cnn]") {
  const auto condition = Noise{2}.normal<float>({1, 4});
  testing::check_generator(PixelCnnPainter{PixelCnnDecoder(network(3, 2, 4), 2, 3)}, condition, Noise{3});
  testing::check_generator(PixelCnnPainter{PixelCnnDecoder(network(1, 0, 4, 0, 3), 2, 3)}, condition, Noise{3});
}

TEST_CASE("PixelCNN: pictures painted side by side are what each is alone", "[autoregressive][pixel_cnn]") {
  const PixelCnnPainter painter{PixelCnnDecoder(network(1, 0, 4), 5, 4), {.temperature = 0.8}};
  const Tensor<float> conditions = Noise{2}.normal<float>({3, 4});
  const std::vector<Noise> noises = {Noise{1}, Noise{2}, Noise{3}};
  const auto all = painter.begin(conditions, noises).finish();
  REQUIRE(all.shape() == Shape{3, 5, 4, 1});
  for (Index i = 0; i < 3; ++i) {
    const Noise& mine = noises[static_cast<std::size_t>(i)];
    CHECK(same_bytes(slice(all, 0, i, i + 1), painter.begin(slice(conditions, 0, i, i + 1), mine).finish()));
  }
}

TEST_CASE("PixelCNN: what generation cannot do is refused", "[autoregressive][pixel_cnn]") {
  const PixelCnnDecoder model(network(1, 0, 4), 5, 4);
  CHECK_THROWS_AS(model.begin(Tensor<float>({3}, 0.f)), shape_error);
  CHECK_THROWS_AS(PixelCnnDecoder(network(1, 0, 4, 2), 5, 4), argument_error);  // the map is of 6 x 5
  auto state = model.begin(Tensor<float>({4}, 0.f));
  CHECK_THROWS_AS(model.next(state, 6), argument_error);
  CHECK_THROWS_AS(PixelCnnPainter{model}.begin(Tensor<float>({2, 4}, 0.f), Noise{1}), shape_error);
}
