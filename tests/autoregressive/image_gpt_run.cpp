// The laws of painting with an image GPT: pixel by pixel it is the network's forward pass, bit for bit; runs, batches,
// guidance, given rows; its file. With a draft and without.
#include <tessera/autoregressive/image_gpt_file.hpp>
#include <tessera/generate/sequence_file.hpp>

#include "tests/autoregressive/tiny_image_gpt.hpp"
#include "tests/io/scratch.hpp"
#include "tests/support/generator.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;

TEST_CASE("image GPT: painting pixel by pixel has the bits of the forward pass", "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt(GENERATE(0, 3));
  const std::vector<std::string> texts = {"red", "a dog"};
  const std::vector<PixelCondition> conditions = model.conditions(texts);
  const PixelWriter writer(model.net());
  Tensor<std::int32_t> pixels(Shape{2, 25});
  for (Index i = 0; i < 50; ++i)
    pixels.data()[i] = static_cast<std::int32_t>(Noise{3}.below(6, static_cast<std::uint64_t>(i)));
  std::vector<std::string> normal = {normalise(texts[0]), normalise(texts[1])};
  const Tensor<float> all =
      model.net()(model.net().text(model.tokenizer().encode(std::span<const std::string>(normal), 4)), pixels);
  for (Index item = 0; item < 2; ++item) {
    auto state = writer.begin(conditions[static_cast<std::size_t>(item)]);
    for (Index i = 0; i < 25; ++i) {
      if (i > 0) writer.next(state, pixels[item * 25 + i - 1]);
      CHECK(std::memcmp(state.logits().data(), all.data() + (item * 25 + i) * 6, 6 * sizeof(float)) == 0);
    }
    CHECK_THROWS_AS((writer.next(state, 0), writer.next(state, 0)), argument_error);  // the picture is full
  }
}

TEST_CASE("image GPT: many pixels at once, and some taken back, have the bits of one after the other",
          "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt(3);
  const std::string text = "red";
  const PixelCondition condition = model.conditions({&text, 1})[0];
  GptDecoderWeights weights = decoder_weights(model.net().gpt);
  weights.positions = model.net().places(Tensor<float>());
  const GptDecoder decoder(std::move(weights));
  const std::vector<Unit> units = {0, 5, 2, 3, 1, 4, 4, 0, 2};
  auto one = decoder.begin(condition.prefix, condition.draft), many = one;
  decoder.extend(many, std::span(units).first(2));
  decoder.rewind(many, 1);
  const Tensor<float> logits = decoder.extend(many, std::span(units).subspan(1));
  for (std::size_t i = 0; i < units.size(); ++i) {
    decoder.next(one, units[i]);
    if (i > 0) CHECK(std::memcmp(one.logits().data(), logits.data() + (i - 1) * 6, 6 * sizeof(float)) == 0);
  }
  CHECK(std::memcmp(one.logits().data(), many.logits().data(), 6 * sizeof(float)) == 0);
  GptHints few = condition.draft;
  few.logits = slice(few.logits, 0, 0, 24);
  CHECK_THROWS_AS(decoder.begin(condition.prefix, few), shape_error);
}

TEST_CASE("image GPT: a run goes on from its file", "[autoregressive][image_gpt]") {
  const test::Scratch folder;
  const ImageGpt model = testing::tiny_image_gpt(GENERATE(0, 3));
  const PixelWriter writer(model.net());
  const std::vector<std::string> texts = {"red", "a dog"};
  const std::vector<PixelCondition> conditions = model.conditions(texts);
  const std::vector<Noise> noises = {Noise{1}, Noise{2}};
  SequenceRun<PixelWriter> run(writer, conditions, noises, {.length = 25});
  for (int i = 0; i < 9; ++i) run.step();
  write_sequence(folder / "run.safetensors", run);
  auto again = read_sequence(folder / "run.safetensors", writer, std::span(conditions));
  CHECK(same_bytes(again.finish(), run.finish()));
}

TEST_CASE("image GPT: its run keeps the laws of generation", "[autoregressive][image_gpt]") {
  testing::check_generator(testing::tiny_image_gpt(GENERATE(0, 3)), std::string("a red heart"), Noise{5});
}

TEST_CASE("image GPT: pictures painted side by side are what each is alone", "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt(GENERATE(0, 3));
  const std::vector<std::string> texts = {"red", "", "a dog that is longer than the model reads"};
  const std::vector<Noise> noises = {Noise{1}, Noise{2}, Noise{3}};
  for (const double guidance : {1.0, 3.0}) {
    const ImageGptOptions o{.guidance = guidance, .choice = {.temperature = 0.9, .top_p = 0.95}};
    const Tensor<float> all = model.begin(texts, noises, o).finish();
    REQUIRE(all.shape() == Shape{3, 5, 5, 3});
    for (std::size_t i = 0; i < 3; ++i) {
      const Tensor<float> alone = model.begin(texts[i], noises[i], o).finish();
      const auto at = static_cast<Index>(i);
      CHECK(same_bytes(slice(all, 0, at, at + 1).reshaped({5, 5, 3}), alone));
    }
  }
}

TEST_CASE("image GPT: a preview is the picture so far, and grey below", "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt();
  auto run = model.begin("red", Noise{7});
  for (int i = 0; i < 8; ++i) run.step();
  const Tensor<float> early = run.preview();
  const Tensor<float> late = run.finish();
  REQUIRE(run.units().size() == 25);
  CHECK(std::memcmp(early.data(), late.data(), 8 * 3 * sizeof(float)) == 0);
  for (Index i = 8 * 3; i < early.size(); ++i) CHECK(early[i] == 0.f);
  for (Index i = 0; i < late.size(); ++i) CHECK(std::fabs(late[i]) <= 1.f);
}

TEST_CASE("image GPT: rows that are given stay, and the rest is painted after them", "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt();
  const Tensor<std::uint8_t> upper =
      model.palette().decode(Tensor<std::int32_t>::from({10}, {0, 1, 2, 3, 4, 5, 4, 3, 2, 1}), 2, 5);
  const Tensor<float> made = model.begin("red", Noise{7}, {.upper = upper}).finish();
  const Tensor<std::uint8_t> seen = to_8bit(made);
  CHECK(std::memcmp(seen.data(), upper.data(), 30) == 0);
  CHECK_THROWS_AS(model.begin("red", Noise{7}, {.upper = Tensor<std::uint8_t>({2, 4, 3}, 0)}), shape_error);
  CHECK_THROWS_AS(model.begin("red", Noise{7}, {.upper = Tensor<std::uint8_t>({6, 5, 3}, 0)}), shape_error);
}

TEST_CASE("image GPT: colours that the palette lacks never come", "[autoregressive][image_gpt]") {
  const ImageGpt whole = testing::tiny_image_gpt();
  const ImageGpt model(std::make_shared<const ImageGptNet<float>>(whole.net()),
                       ColourPalette({colour_of(0, 0, 0), colour_of(255, 255, 255)}), Tokenizer());
  auto run = model.begin("red", Noise{7}, {.choice = {.temperature = 3}});
  run.finish();
  for (const Unit unit : run.units()) CHECK(unit < 2);
}

TEST_CASE("image GPT: a file brings the model back", "[autoregressive][image_gpt]") {
  const test::Scratch folder;
  const ImageGpt model = testing::tiny_image_gpt(GENERATE(0, 3));
  to_file(model, DType::f32).write(folder / "m.safetensors");
  const ImageGpt again = load_image_gpt(folder / "m.safetensors");
  CHECK(same_bytes(model.begin("red", Noise{7}).finish(), again.begin("red", Noise{7}).finish()));
}

TEST_CASE("image GPT: files from before there were drafts, maps and reach are read", "[autoregressive][image_gpt]") {
  const ImageGpt model = testing::tiny_image_gpt();
  Safetensors file = to_file(model, DType::f32);
  std::string& config = file.metadata["config"];
  for (const std::string field : {"\"reach\": 1, ", "\"draft\": 0, ", "\"map\": 0, "}) {
    REQUIRE(config.find(field) != std::string::npos);
    config.erase(config.find(field), field.size());
  }
  CHECK(same_bytes(image_gpt_from_file(file).begin("red", Noise{7}).finish(), model.begin("red", Noise{7}).finish()));
}

TEST_CASE("image GPT: files of other models and broken ones are refused by name", "[autoregressive][image_gpt]") {
  const auto refused = [](const Safetensors& file, const std::string& words) {
    try {
      image_gpt_from_file(file);
    } catch (const io_error& e) {
      INFO(e.what());
      CHECK(std::string(e.what()).find(words) != std::string::npos);
      return;
    }
    FAIL_CHECK("taken, but wanted: " << words);
  };
  const auto changed = [](const auto& change) {
    Safetensors file = to_file(testing::tiny_image_gpt(), DType::f32);
    change(file);
    return file;
  };
  refused(Safetensors(), "not an image GPT");
  refused(changed([](auto& f) { f.metadata["format"] = "tessera.gpt.1"; }), "format");
  refused(changed([](auto& f) { f.metadata.erase("config"); }), "config");
  refused(changed([](auto& f) { f.erase("palette"); }), "palette");
  refused(changed([](auto& f) { f.put("palette", Tensor<std::uint8_t>({7, 3}, 0)); }), "palette");
  refused(changed([](auto& f) { f.erase("net.rows"); }), "net.rows");
  refused(changed([](auto& f) { f.erase("net.earlier.1.weight"); }), "net.earlier.1.weight");
  const auto config = [&](const char* from, const char* to) {
    return changed([&](auto& f) {
      std::string& text = f.metadata["config"];
      REQUIRE(text.find(from) != std::string::npos);
      text.replace(text.find(from), std::strlen(from), to);
    });
  };
  refused(config("\"side\": 5", "\"side\": 250"), "net.rows");
  refused(config("\"side\": 5", "\"side\": -1"), "side");
  refused(config("\"layers\": 2", "\"layers\": 200"), "net.gpt.blocks.2");
  refused(config("\"heads\": 2", "\"heads\": 3"), "heads");
  refused(config("\"words\": 4", "\"words\": 9"), "words");
  refused(config("\"draft\": 0", "\"draft\": 8"), "net.draft.head");
  refused(config("\"draft\": 0", "\"draft\": -8"), "draft");
  refused(config("\"map\": 0", "\"map\": 1"), "map");
  refused(config("\"map\": 0", "\"map\": 1025"), "map");
  refused(config("\"reach\": 1", "\"reach\": 0"), "reach");
  refused(config("\"reach\": 1", "\"reach\": 2"), "net.earlier.10");
  refused(changed([](auto& f) {
            f = to_file(testing::tiny_image_gpt(3), DType::f32);
            std::string& text = f.metadata["config"];
            text.replace(text.find("\"map\": 3"), 8, "\"map\": 1000");
          }),
          "net.draft.head");
  refused(config("{", "["), "config");
}
