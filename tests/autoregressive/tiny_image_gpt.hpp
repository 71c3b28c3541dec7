// An image GPT of random weights, small enough for laws: pictures of 5 x 5 in six colours.
#pragma once

#include <tessera/autoregressive/image_gpt_run.hpp>

#include "tests/support/nudge.hpp"

namespace tessera::testing {

inline ImageGpt tiny_image_gpt(Index draft = 0) {
  const ImageGptConfig c{.side = 5,
                         .colours = 6,
                         .layers = 2,
                         .heads = 2,
                         .width = 16,
                         .words = 4,
                         .reach = draft > 0 ? 2 : 1,
                         .draft = draft,
                         .map = draft,
                         .text = {.vocabulary = 300, .length = 8, .width = 16, .heads = 2, .layers = 1}};
  Rng rng(1);
  auto net = std::make_shared<ImageGptNet<float>>(c, rng);
  nudge(*net, 0.1, rng);
  return {net,
          ColourPalette({colour_of(0, 0, 0), colour_of(255, 255, 255), colour_of(255, 0, 0), colour_of(0, 0, 255),
                         colour_of(0, 160, 0), colour_of(255, 220, 0)}),
          Tokenizer()};
}

}  // namespace tessera::testing
