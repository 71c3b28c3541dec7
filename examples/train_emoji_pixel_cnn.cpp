// Trains a PixelCNN on the emoji that train_image_gpt learns: the same pictures, palette, captions and split, and the
// same text encoder, taken over unchanged from train_paint. Bits a pixel of the two compare. Stops with Ctrl-C, goes on
// where it stopped; a run that was stopped ends with the same bytes as one that was not.
//
//   build/examples/train_emoji_pixel_cnn --folder run --output emoji_pixel_cnn.safetensors --sheet drawn.png
//   build/examples/train_emoji_pixel_cnn --score emoji_pixel_cnn.safetensors --sheet drawn.png
//   build/examples/train_image_gpt --score examples/weights/image_gpt.safetensors       what it is compared with
//
// A pixel is read as a learned vector of its colour. What the caption means comes to every layer as a map of the
// picture's size, drawn of the text encoder's vector; all but the text encoder learns together.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/autoregressive/pixel_cnn_run.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/nn/save.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/emoji_pixels.hpp"
#include "examples/support/sample_sheet.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_emoji_pixel_cnn";
constexpr Index side = EmojiPixels::side, colours = 256, words = 23;

struct Options : TrainingOptions {
  Options() : TrainingOptions{.steps = 6500, .rate = 3e-3} {}
  Index hold = 4700, width = 32, layers = 8, kernel = 3, embed = 16, condition = 256, map = 16, warmup = 200,
        evaluate_every = 500;
  double decay = 0.05;
  std::string twin, sheet, score, text = TESSERA_WEIGHTS_DIR "/paint.safetensors";
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o, {.seed_of = "weights, palette, order and captions", .most_batch = 1024});
  cli.number("--hold", o.hold, "steps before the learning rate falls, in a line, to 0", 0, most);
  cli.number("--width", o.width, "channels of each stack", 1, 4096);
  cli.number("--layers", o.layers, "gated layers", 1, 256);
  cli.number("--kernel", o.kernel, "their kernel but the first one's, which is 7", 3, 63);
  cli.number("--embed", o.embed, "width of a colour's vector; 0: its index is read as a number", 0, 4096);
  cli.number("--condition", o.condition, "width of what is made of the caption", 1, 4096);
  cli.number("--map", o.map, "channels of the caption's map; 0: it says the same at every pixel", 0, 1024);
  cli.number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  cli.number("--decay", o.decay, "weight decay", 0, 10);
  cli.option("--text", o.text, "a model of train_paint whose text encoder is taken over");
  cli.option("--twin", o.twin, TwinFile::help);
  cli.option("--sheet", o.sheet, "a PNG of 16 drawn pictures");
  cli.option("--score", o.score, "instead of training: weights of --output, made with the same --width ... --map");
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at what is held out; 0: at the end only", 0,
             most);
}

/// Colours [B, side^2] as a PixelCnn's levels, [B, side, side, 1].
Tensor<std::uint8_t> levels(const Tensor<std::int32_t>& pixels) {
  Tensor<std::uint8_t> all(Shape{pixels.extent(0), side, side, 1});
  std::uint8_t* to = all.data();
  for (Index i = 0; i < pixels.size(); ++i) to[i] = static_cast<std::uint8_t>(pixels[i]);
  return all;
}

/// A PixelCNN that is told what a caption means.
template <class T>
struct CaptionedPixelCnn {
  TextEncoder<T> text;
  Linear<T> caption;
  PixelCnn<T> pixels;

  CaptionedPixelCnn(const TextEncoderConfig& c, const PixelCnnConfig& p, Rng& rng)
      : text(c, rng), caption({.in = c.width, .out = p.condition}, rng), pixels(p, rng) {}

  /// Tokens [B, words] -> [B, condition].
  template <Ids I>
  auto condition(const I& tokens) const {
    return silu(caption(text(tokens).pooled));
  }

  static void members(auto& self, auto&& see) {
    see("text", self.text);
    see("caption", self.caption);
    see("pixels", self.pixels);
  }
};

/// [B, side^2, colours]
Tensor<float> logits(const CaptionedPixelCnn<float>& net, const Tensor<std::int32_t>& tokens,
                     const Tensor<std::int32_t>& pixels) {
  return net.pixels.predict(net.pixels.read(levels(pixels)), net.condition(tokens))
      .reshaped({pixels.extent(0), side * side, colours});
}

double held_out(const CaptionedPixelCnn<float>& net, const EmojiPixels& data) {
  return data.bits(data.split.held_out,
                   [&](const auto& tokens, const auto& pixels) { return logits(net, tokens, pixels); });
}

void write_sheet(const std::string& path, const CaptionedPixelCnn<float>& net, const EmojiPixels& data) {
  const PixelCnnPainter painter{PixelCnnDecoder(net.pixels, side, side)};
  write_sample_sheet(path, [&](const std::vector<std::string>& prompts, const std::vector<Noise>& noises) {
    const Tensor<std::uint8_t> drawn = painter.begin(net.condition(data.tokens(prompts)), noises).finish();
    Tensor<std::int32_t> pixels(Shape{drawn.size()});
    for (Index i = 0; i < drawn.size(); ++i) pixels.data()[i] = drawn[i];
    return from_8bit(data.palette.decode(pixels, drawn.extent(0) * side, side).reshaped(drawn.shape().with(-1, 3)));
  });
}

/// Trains and evaluates; what the program ends with, unless it is exit_done, when there is more to do.
int learn(CaptionedPixelCnn<float>& net, const EmojiPixels& data, const Options& o) {
  freeze(net, "text.*");
  Trainer<CaptionedPixelCnn<float>> trainer(
      net, {.rate = o.rate, .beta2 = 0.98, .decay = o.decay},
      o.config({.decay = Decay::linear, .warmup = o.warmup, .hold = o.hold, .total = o.steps}));
  go_on(program, trainer);
  std::fprintf(stderr, "%zu pictures to learn, %zu held out, %lld parameters, %lld of them the text encoder's\n",
               data.split.train.size(), data.split.held_out.size(), static_cast<long long>(parameter_count(net)),
               static_cast<long long>(parameter_count(net.text)));

  EpochSampler sampler(static_cast<Index>(data.split.train.size()), o.batch, o.seed);
  LearningCurve curve({.path = o.curve,
                       .every = o.evaluate_every,
                       .plot = {.title = "PixelCNN on emoji",
                                .x_label = "step",
                                .y_label = "bits a pixel",
                                .log_y = true,
                                .smoothing = 0.98},
                       .nats = std::log(2.0)},
                      trainer.extras());
  TwinFile twin(o.twin, "emoji_pixel_cnn", trainer,
                {{"text_heads", net.text.blocks.front().attention.options.heads}, {"colours", colours}});
  const auto look = [&] { return held_out(net, data); };
  const TrainEnd end = run_with_looks(
      trainer, curve,
      [&](auto& tape, auto& module, const TrainStep& at) {
        const CaptionedPixels batch = data.draw(sampler, at);
        const Tensor<std::uint8_t> pictures = levels(batch.pixels);
        twin.see(at, "tokens", batch.tokens);
        twin.see(at, "pixels", batch.pixels.reshaped({batch.pixels.extent(0), side, side}));
        return module.pixels.loss(module.pixels.read(tape, pictures), pictures,
                                  module.condition(tape.ids(batch.tokens)));
      },
      look);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  if (!o.output.empty()) save(o.output, net, {{"model", "emoji_pixel_cnn"}}, DType::f16);
  curve.add(look());
  curve.write(trainer.history());
  std::printf("held out %.4f bits a pixel after %lld steps; training took %.1f s\n", curve.last(),
              static_cast<long long>(trainer.steps_done()), trainer.seconds());
  return exit_done;
}

int train_emoji_pixel_cnn(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a PixelCNN on the emoji that install from Debian, after their captions.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const TextToImage teacher = load<TextToImage>(o.text);
  EmojiPixels data;
  data.read_with(learn_palette(data.set.pictures, colours, Noise{o.seed}), teacher.tokenizer, words);
  Rng rng(o.seed);
  CaptionedPixelCnn<float> net(teacher.config.text,
                               {.levels = colours,
                                .width = o.width,
                                .layers = o.layers,
                                .kernel = o.kernel,
                                .head = 2 * o.width,
                                .condition = o.condition,
                                .map = o.map,
                                .map_height = side,
                                .map_width = side,
                                .embed = o.embed},
                               rng);
  net.text = teacher.net->text;
  if (o.score.empty()) {
    if (const int end = learn(net, data, o); end != exit_done) return end;
  } else {
    load(o.score, net);
    std::printf("held out %.4f bits a pixel over %zu pictures\n", held_out(net, data), data.split.held_out.size());
  }
  if (!o.sheet.empty()) write_sheet(o.sheet, net, data);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_emoji_pixel_cnn, argc, argv); }
