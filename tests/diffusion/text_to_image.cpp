#include <tessera/diffusion/inversion.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/unit/token_learn.hpp>

#include "tests/support/generator.hpp"
#include "tests/support/nudge.hpp"

using namespace tessera;
using namespace tessera::testing;

namespace {
TextToImage small(std::uint64_t seed) {
  TextUNetConfig c;
  c.side = 8;
  c.patch = 2;
  c.widths = {16, 32};
  c.attention = {false, true};
  c.embedding = 24;
  c.text = {.vocabulary = 300, .length = 10, .width = 16, .heads = 2, .layers = 1};
  Rng rng(seed);
  auto net = std::make_shared<TextUNet<float>>(c, rng);
  testing::nudge(*net, 0.05, rng);
  const std::vector<std::string> lines = {"a red heart", "a blue heart", "狗"};
  return {c, learn_tokens(lines, 280), net};
}
constexpr PaintOptions few{.steps = 5};
}  // namespace

TEST_CASE("painting obeys the laws of generation", "[diffusion]") {
  const TextToImage paint = small(1);
  for (const Solver solver : {Solver::euler, Solver::heun, Solver::multistep}) {
    PaintOptions o = few;
    o.solver = solver;
    check_generator(paint, Prompt("a red heart", o), Noise{42});
  }
  check_generator(paint, Prompt("狗", {.steps = 3, .guidance = 1}), Noise{7});
}

TEST_CASE("a picture of a batch is bit for bit what it is alone", "[diffusion]") {
  const TextToImage paint = small(1);
  const std::vector<std::string> texts = {"a red heart", "", "狗"};
  const std::vector<Noise> noises = {Noise{1}, Noise{2}, Noise{3}};
  const Tensor<float> all = paint.begin(texts, noises, few).finish();
  for (std::size_t i = 0; i < 3; ++i) {
    const Tensor<float> one = generate(paint, Prompt(texts[i], few), noises[i]);
    REQUIRE(one.shape() == Shape{8, 8, 3});
    REQUIRE(std::memcmp(one.data(), all.data() + static_cast<Index>(i) * one.size(),
                        static_cast<std::size_t>(one.size()) * 4) == 0);
  }
}

TEST_CASE("any prompt is accepted: empty, long, not UTF-8, with zeros", "[diffusion]") {
  const TextToImage paint = small(1);
  for (const std::string& text : {std::string(), std::string("\xff\xfe\x80"), std::string("a\0b", 3),
                                  std::string(1 << 20, 'x'), std::string("\x1b[31m")})
    REQUIRE(generate(paint, Prompt(text, {.steps = 1}), Noise{1}).shape() == Shape{8, 8, 3});
}

TEST_CASE("options out of range are errors that say so", "[diffusion]") {
  const TextToImage paint = small(1);
  REQUIRE_THROWS_AS(paint.begin(Prompt("x", {.steps = 0}), Noise{1}), argument_error);
  REQUIRE_THROWS_AS(paint.begin(Prompt("x", {.steps = 1000000000}), Noise{1}), argument_error);
  REQUIRE_THROWS_AS(paint.begin(Prompt("x", {.guidance = std::nan("")}), Noise{1}), argument_error);
}

TEST_CASE("the sampler run backwards finds the noise that a picture comes from", "[diffusion]") {
  const TextToImage paint = small(1);
  static_assert(LatentModel<PaintLatent>);
  const std::vector<Noise> noises = {Noise{5}, Noise{6}};
  const auto apart = [&](Index steps) {
    const PaintLatent model(paint, "a red heart", steps);
    const Tensor<float> z = model.prior(noises), back = model.encode(model.decode(z));
    REQUIRE(back.shape() == Shape{2, 8, 8, 3});
    return std::sqrt(static_cast<double>(var(back - z).item()));
  };
  const double few_steps = apart(4), many = apart(16);
  REQUIRE(few_steps < 0.05);
  REQUIRE(many < few_steps / 6);  // the midpoint rule: of second order at least
  REQUIRE_THROWS_AS(PaintLatent(paint, "", 0), argument_error);
  // each picture is what it is alone
  const PaintLatent model(paint, "", 4);
  const Tensor<float> both = model.decode(model.prior(noises)), second = model.decode(model.prior({&noises[1], 1}));
  REQUIRE(same_bytes(slice(both, 0, 1, 2), second));
}

TEST_CASE("a model comes back from its file and paints the same", "[diffusion]") {
  const TextToImage paint = small(1);
  const Safetensors file = to_file(paint, DType::f32);
  const auto bytes = file.encode();
  const TextToImage again = from_file(Safetensors::parse(bytes, "paint"), std::type_identity<TextToImage>{});
  REQUIRE(same_bytes(generate(paint, Prompt("狗", few), Noise{1}), generate(again, Prompt("狗", few), Noise{1})));
}

TEST_CASE("a file of another model is refused, and the error says why", "[diffusion]") {
  const auto refused = [](Safetensors file, const std::string& part) {
    REQUIRE_THROWS_WITH(from_file(file, std::type_identity<TextToImage>{}), Catch::Matchers::Contains(part));
    REQUIRE_THROWS_AS(from_file(file, std::type_identity<TextToImage>{}), io_error);
  };
  const Safetensors good = to_file(small(1));
  Safetensors f = good;
  f.metadata.erase("format");
  refused(f, "format");
  f = good;
  f.metadata["format"] = "something";
  refused(f, "something");
  f = good;
  f.metadata["config"] = "side 99999999;";
  refused(f, "side");
  f = good;
  f.metadata["config"] = "";
  refused(f, "side");
  f = good;
  f.erase("unet.first.weight");
  refused(f, "unet.first.weight");
  f = good;
  f.erase("unet.last.weight");
  f.erase("unet.last.bias");
  refused(f, "unet.last.weight");
  f = good;
  auto& config = f.metadata["config"];
  config.replace(config.find("layers 1"), 8, "layers 9");
  refused(f, "text.blocks.1");
  f = good;
  f.metadata["tokenizer"] = "nonsense";
  REQUIRE_THROWS_AS(from_file(f, std::type_identity<TextToImage>{}), error);
}
