#include <tessera/autoregressive/wavenet_decoder.hpp>
#include <tessera/generate/sequence.hpp>
#include <tessera/unit/companding.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/generator.hpp"

using namespace tessera;

namespace {

WaveNet<float> small_net() {
  Rng rng(11);
  return WaveNet<float>({.residual = 8, .skip = 16, .cycles = 2, .depth = 3, .condition = 3, .hop = 4}, rng);
}

Tensor<float> some_frames(std::uint64_t seed) { return Noise{seed}.normal<float>({5, 3}); }

}  // namespace

TEST_CASE("wavenet: its run keeps the laws of generation", "[autoregressive][wavenet]") {
  const WaveNetDecoder model(small_net());
  testing::check_generator(writer(model, {.length = 20}), some_frames(1), Noise{3});
  testing::check_generator(writer(model, {.length = 9, .choice = {.temperature = 0.7, .top_k = 20}}), some_frames(2),
                           Noise{4});
}

TEST_CASE("wavenet: sounds made side by side are what each is alone, whatever their weights are stored in",
          "[autoregressive][wavenet]") {
  for (const bool half : {false, true}) {
    const WaveNetDecoder model(small_net(), {.half = half});
    const std::vector<Tensor<float>> frames = {some_frames(1), some_frames(2), some_frames(3)};
    const std::vector<Noise> noises = {Noise{5}, Noise{6}, Noise{7}};
    SequenceRun<WaveNetDecoder> together(model, frames, noises, {.length = 18});
    const Tensor<Unit> all = together.finish();
    for (std::size_t i = 0; i < 3; ++i) {
      const Tensor<Unit> alone = begin_sequence(model, frames[i], noises[i], {.length = 18}).finish();
      for (Index t = 0; t < 18; ++t) CHECK(all[static_cast<Index>(i) * 18 + t] == alone[t]);
    }
  }
}

TEST_CASE("wavenet: a preview is sound", "[autoregressive][wavenet]") {
  const WaveNetDecoder model(small_net());
  auto run = begin_sequence(model, some_frames(1), Noise{3}, {.length = 20});
  for (int t = 0; t < 7; ++t) run.step();
  const Compander code;
  const auto sound = code.decode(run.preview());
  REQUIRE(sound.shape() == Shape{7});
  CHECK(same_bytes(code.encode(sound), run.preview()));
}
