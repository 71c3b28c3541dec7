// Runs of pictures on disk: they go on bit for bit, and files that are of no such run are refused by name.
#include <tessera/autoregressive/picture_run_file.hpp>

#include "tests/autoregressive/tiny_image_gpt.hpp"
#include "tests/io/hostile.hpp"
#include "tests/io/scratch.hpp"

using namespace tessera;

namespace {

PixelCnnDecoder tiny_decoder(Index condition) {
  Rng rng(5);
  PixelCnn<float> net(
      {.channels = 1, .levels = 6, .width = 8, .layers = 2, .first = 3, .kernel = 3, .head = 8, .condition = condition},
      rng);
  testing::nudge(net, 0.2, rng);
  return {net, 3, 4};
}

/// What read_run says of a file changed by `change`.
template <class Model, class Change>
std::string refusal(const std::string& path, const Model& model, const Change& change) {
  Safetensors file = Safetensors::read(path);
  change(file);
  const std::string bent = path + ".bent";
  file.write(bent);
  return test::io_error_of([&] { read_run(bent, model); });
}

}  // namespace

TEST_CASE("a run of an image GPT goes on from its file, at every step, guided or not",
          "[autoregressive][picture_run]") {
  const test::Scratch folder;
  const ImageGpt model = testing::tiny_image_gpt(3);
  const std::vector<std::string> texts = {"red", "a \"dog\"\n狗"};
  const std::vector<Noise> noises = {Noise{1}, Noise{2}};
  for (const double guidance : {1.0, 2.5}) {
    const ImageGptOptions options{.guidance = guidance, .choice = {.temperature = 0.8}};
    for (const int steps : {0, 1, 11, 25}) {
      auto run = model.begin(texts, noises, options);
      for (int i = 0; i < steps; ++i) run.step();
      write_run(folder / "run.safetensors", run);
      auto again = read_run(folder / "run.safetensors", model);
      CHECK(again.texts() == texts);
      CHECK(again.at() == steps);
      CHECK(same_bytes(again.preview(), run.preview()));
      CHECK(same_bytes(again.finish(), run.finish()));
      CHECK(again.log_probability(1) == run.log_probability(1));
    }
  }
  auto one = model.begin("red", Noise{7});
  one.step();
  write_run(folder / "one.safetensors", one);
  CHECK(read_run(folder / "one.safetensors", model).finish().shape() == Shape{5, 5, 3});
}

TEST_CASE("a run of a PixelCNN goes on from its file", "[autoregressive][picture_run]") {
  const test::Scratch folder;
  for (const Index condition : {0, 4}) {
    const PixelCnnPainter painter{tiny_decoder(condition), {.temperature = 0.8}};
    const Tensor<float> conditions = Noise{2}.normal<float>({2, condition});
    const std::vector<Noise> noises = {Noise{1}, Noise{2}};
    auto run = painter.begin(conditions, noises);
    for (int i = 0; i < 5; ++i) run.step();
    write_run(folder / "run.safetensors", run);
    auto again = read_run(folder / "run.safetensors", painter.model);
    CHECK(again.at() == 5);
    CHECK(same_bytes(again.finish(), run.finish()));
  }
}

TEST_CASE("files that are no run of the model are refused", "[autoregressive][picture_run]") {
  const test::Scratch folder;
  const ImageGpt model = testing::tiny_image_gpt();
  auto run = model.begin("red", Noise{7});
  for (int i = 0; i < 3; ++i) run.step();
  const std::string path = folder / "run.safetensors";
  write_run(path, run);
  const auto says = [&](const char* words, auto change) {
    CHECK_THAT(refusal(path, model, change), Catch::Matchers::Contains(words));
  };
  says("texts", [](Safetensors& f) { f.metadata.erase("texts"); });
  says("texts", [](Safetensors& f) { f.metadata["texts"] = "[\"a\", \"b\"]"; });
  says("texts", [](Safetensors& f) { f.metadata["texts"] = "[1]"; });
  says("noises", [](Safetensors& f) { f.put("noises", Tensor<std::int64_t>(Shape{0})); });
  says("noises", [](Safetensors& f) { f.put("noises", Tensor<std::int64_t>(Shape{5000}, 1)); });
  says("units.0", [](Safetensors& f) { f.put("units.0", Tensor<Unit>::from({3}, {0, 6, 0})); });
  says("at", [](Safetensors& f) { f.metadata["at"] = "26"; });
  says("a picture of 25 units", [](Safetensors& f) {
    std::string& options = f.metadata["options"];
    options.replace(options.find("25"), 2, "30");
  });
  const PixelCnnDecoder other = tiny_decoder(4);
  CHECK_THAT(test::io_error_of([&] { read_run(path, other); }), Catch::Matchers::Contains("conditions"));
  const PixelCnnPainter painter{other};
  auto drawn = painter.begin(Noise{2}.normal<float>({1, 4}), Noise{1});
  write_run(folder / "cnn.safetensors", drawn);
  CHECK_THAT(refusal(folder / "cnn.safetensors", other,
                     [](Safetensors& f) {
                       f.put("conditions", Tensor<float>(Shape{1, 3}, 0.f));
                     }),
             Catch::Matchers::Contains("[1, 4]"));
}
