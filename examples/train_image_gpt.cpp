// Trains the autoregressive painter of examples/paint (`--model image_gpt`) on the emoji that install from Debian: 32 x
// 32 pixels of 256 colours, one after the other, after a caption in English or Chinese. Stops with Ctrl-C, goes on
// where it stopped; a run that was stopped ends with the same bytes as one that was not.
//
//   build/examples/train_image_gpt --folder run --output image_gpt.safetensors --curve loss.png
//   build/examples/train_image_gpt --folder run --output image_gpt.safetensors --export    what there is so far
//   build/examples/train_image_gpt --from image_gpt.safetensors --steps 5000        goes on from finished weights
//   build/examples/train_image_gpt --score image_gpt.safetensors                    their bits a pixel, held out
//
// Before the transformer's blocks all else learns by itself (--sketch-steps): the draft and how near pixels follow each
// other. What a caption looks like is a matter of seeing it often, and without its blocks the network sees eight
// times as many pictures a second.
//
// What the captions mean it takes over, unchanged, from the text encoder that train_paint has learned with its own
// pictures (--text): an hour on one core is enough for 1,024 pixels a picture, not for two languages as well. `--text
// none` learns one.
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <tessera/autoregressive/image_gpt_file.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/emoji_pixels.hpp"
#include "examples/support/sample_sheet.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_image_gpt";
constexpr Index vocabulary = 2048;  // of a tokenizer learned here

struct Options : TrainingOptions {
  Options() : TrainingOptions{.steps = 8500, .batch = 8, .folder = "run", .output = "image_gpt.safetensors"} {}
  Index hold = 5500, layers = 2, heads = 4, width = 128, warmup = 200, evaluate_every = 500, sample_every = 2000;
  Index draft = 16, map = 24, reach = 2, sketch_steps = 4000, sketch_batch = 16;
  double sketch_rate = 3e-3;
  double decay = 0.05, dropout = 0, caption_dropout = 0.2, disturb = 0;
  std::string twin, from, score;
  std::string text = TESSERA_WEIGHTS_DIR "/paint.safetensors";
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.seed_of = "weights, order and captions",
            .output = "the finished model, in half precision",
            .kept = "checkpoints and samples",
            .exported = "the newest checkpoint's weights",
            .most_batch = 1024});
  cli.number("--hold", o.hold, "steps before the learning rate falls, in a line, to 0", 0, most);
  cli.number("--layers", o.layers, "blocks of the transformer", 1, 64);
  cli.number("--heads", o.heads, "attention heads", 1, 64);
  cli.number("--width", o.width, "numbers a pixel, a multiple of the heads", 8, 4096);
  cli.number("--draft", o.draft, "channels of the draft; 0: none", 0, 1024);
  cli.number("--map", o.map, "channels of its linear map; 0: none", 0, 1024);
  cli.number("--reach", o.reach, "rows above a pixel, and columns beside it, that are read at once", 1, 16);
  cli.number("--sketch-steps", o.sketch_steps, "steps in which all but the blocks learns alone, before all others", 0,
             most);
  cli.number("--sketch-batch", o.sketch_batch, "pictures in each of them", 1, 1024);
  cli.number("--sketch-rate", o.sketch_rate, "greatest learning rate in them", 0, 1);
  cli.number("--caption-dropout", o.caption_dropout, "share of the caption's numbers that the draft does not see", 0,
             0.9);
  cli.number("--disturb", o.disturb, "share of the pixels read that are others than they should be", 0, 0.9);
  cli.number("--warmup", o.warmup, "steps in which the rate rises", 0, most);
  cli.number("--decay", o.decay, "weight decay", 0, 10);
  cli.number("--dropout", o.dropout, "share of numbers dropped in training", 0, 0.9);
  cli.option("--text", o.text, "a model of train_paint whose text encoder is taken over; none: one is learned");
  cli.option("--from", o.from, "weights to start from, as --output writes them");
  cli.option("--score", o.score, "instead of training: weights of --output, looked at with what is held out");
  cli.option("--twin", o.twin, TwinFile::help + std::string("; the sketch's steps: in FILE.sketch"));
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at what is held out; 0: at the end only", 0,
             most);
  cli.number("--sample-every", o.sample_every, "steps between sheets of 16 pictures; 0: none", 0, most);
}

/// The start of a run: from finished weights, from another model's text encoder, or from nothing.
ImageGpt start(const Options& o, EmojiPixels& data) {
  Rng rng(o.seed);
  if (!o.from.empty()) {
    ImageGpt model = load_image_gpt(o.from);
    data.read_with(model.palette(), model.tokenizer(), model.config().words);
    return model;
  }
  ImageGptConfig config{.layers = o.layers,
                        .heads = o.heads,
                        .width = o.width,
                        .reach = o.reach,
                        .draft = o.draft,
                        .map = o.draft > 0 ? o.map : 0};
  Tokenizer tokenizer;
  std::shared_ptr<const TextUNet<float>> teacher;
  if (o.text == "none") {
    tokenizer = learn_tokens(data.captions.corpus(), vocabulary);
    config.text.vocabulary = vocabulary;
  } else {
    const TextToImage paint = load<TextToImage>(o.text);
    tokenizer = paint.tokenizer;
    config.text = paint.config.text;
    teacher = paint.net;
  }
  auto net = std::make_shared<ImageGptNet<float>>(config, rng);
  if (teacher) net->text = teacher->text;
  data.read_with(learn_palette(data.set.pictures, 256, Noise{o.seed}), tokenizer, config.words);
  return {std::move(net), data.palette, std::move(tokenizer)};
}

void see(TwinFile& twin, const TrainStep& at, const CaptionedPixels& batch) {
  twin.see(at, "tokens", batch.tokens);
  twin.see(at, "pixels", batch.pixels);
}
TwinFile::Settings twin_settings(const Options& o, const ImageGpt& model) {
  return {{"heads", model.config().heads},
          {"text_heads", model.config().text.heads},
          {"reach", model.config().reach},
          {"dropout", o.dropout + o.caption_dropout + o.disturb}};
}

/// Some of the pixels become any others of the batch. Who reads them so learns to go on after a mistake of its own, as
/// there are some in what it draws, and to look at the caption once more.
Tensor<std::int32_t> disturbed(Tensor<std::int32_t> pixels, double share, const Noise& noise) {
  if (share == 0) return pixels;
  const Tensor<std::int32_t> right = pixels;
  const Noise whether = noise.fork(0), which = noise.fork(1);
  std::int32_t* to = pixels.data();
  for (Index i = 0; i < pixels.size(); ++i) {
    const auto word = static_cast<std::uint64_t>(i);
    if (whether.unit(word) < share) to[i] = right[which.below(right.size(), word)];
  }
  return pixels;
}

ImageGptDropout dropped(const Options& o, const TrainStep& at) {
  return {.blocks = o.dropout, .caption = o.caption_dropout, .noise = at.noise.fork(1)};
}

Tensor<std::int32_t> read_pixels(const Options& o, const TrainStep& at, const CaptionedPixels& batch) {
  return disturbed(batch.pixels, o.disturb, at.noise.fork(2));
}

ImageGpt with_weights(const ImageGpt& model, const ImageGptNet<float>& net) {
  return {std::make_shared<const ImageGptNet<float>>(net), model.palette(), model.tokenizer()};
}

void write_sample(const std::string& path, const ImageGpt& model) {
  write_sample_sheet(path,
                     [&](const auto& prompts, const auto& noises) { return model.begin(prompts, noises).finish(); });
}

/// The part of the network that learns before its blocks.
struct Sketch {
  ImageGptNet<float>& net;

  template <Ids I>
  auto operator()(const I& tokens, const Tensor<std::int32_t>& pixels, const ImageGptDropout& dropped = {}) const {
    return net.sketch(net.text(tokens), pixels, dropped);
  }
  static void members(auto& self, auto&& see) {
    see("text", self.net.text);
    see("summary", self.net.summary);
    see("rows", self.net.rows);
    see("columns", self.net.columns);
    see("earlier", self.net.earlier);
    see("embedding", self.net.gpt.embedding);
    see("norm", self.net.gpt.norm);
    see("draft", self.net.draft);
  }
};

/// The sketch alone. True when it was interrupted.
bool train_sketch(const Options& o, const EmojiPixels& data, const ImageGpt& model, ImageGptNet<float>& net) {
  Sketch part{net};
  const std::string folder = o.folder + "/sketch";
  const Index hold = o.sketch_steps * 3 / 5;
  TrainConfig config = o.config({.decay = Decay::linear, .warmup = o.warmup, .hold = hold, .total = o.sketch_steps});
  config.steps = o.sketch_steps;
  config.seed = o.seed + 177;
  config.checkpoint = folder;
  config.checkpoint_every = 4 * o.save_every;
  config.items = o.sketch_batch;
  Trainer<Sketch> trainer(part, {.rate = o.sketch_rate, .beta2 = 0.98, .decay = o.decay}, config);
  go_on(program, trainer, "sketch step");
  std::fprintf(stderr, "the sketch: %lld parameters\n", static_cast<long long>(parameter_count(part)));
  TwinFile twin(o.twin.empty() ? "" : o.twin + ".sketch", "image_sketch", trainer, twin_settings(o, model));
  EpochSampler sampler(static_cast<Index>(data.split.train.size()), o.sketch_batch, o.seed + 1000);
  ProgressLine line(5, 100);
  const auto look = [&] {
    const std::size_t some = std::min<std::size_t>(256, data.split.train.size());
    const double seen = data.bits(std::span(data.split.train).first(some), part);
    const double held_out = data.bits(data.split.held_out, part);
    char text[160];
    std::snprintf(text, sizeof text, "sketch step %lld: seen %.4f, held out %.4f bits a pixel",
                  static_cast<long long>(trainer.steps_done()), seen, held_out);
    line.say(text);
  };
  const Interrupt interrupt;
  const TrainEnd end = trainer.run(
      [&](auto& tape, auto& module, const TrainStep& at) {
        const CaptionedPixels batch = data.draw(sampler, at);
        see(twin, at, batch);
        return cross_entropy(module(tape.ids(batch.tokens), read_pixels(o, at, batch), dropped(o, at)), batch.pixels);
      },
      [&](const TrainProgress& p) {
        line(p);
        if (p.step % 1000 == 0 || p.step == p.steps) look();
      },
      interrupt);
  line.finish();
  twin.write(trainer);
  if (end != TrainEnd::interrupted) return false;
  say_interrupted(program, trainer, "sketch step");
  return true;
}

int score(const std::string& weights) {
  const ImageGpt model = load_image_gpt(weights);
  EmojiPixels data;
  data.read_with(model.palette(), model.tokenizer(), model.config().words);
  const ImageGptNet<float>& net = model.net();
  const auto say = [&](const char* what, const PixelLogits& logits) {
    std::printf("%s%.4f bits a pixel\n", what, data.bits(data.split.held_out, logits));
  };
  std::printf("held out, %zu pictures\n", data.split.held_out.size());
  say("", [&](const auto& tokens, const auto& pixels) { return net(net.text(tokens), pixels); });
  say("without its blocks: ",
      [&](const auto& tokens, const auto& pixels) { return net.sketch(net.text(tokens), pixels); });
  return exit_done;
}

int train_image_gpt(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains the autoregressive painter on the emoji that install from Debian.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  if (!o.score.empty()) return score(o.score);

  EmojiPixels data;
  const ImageGpt model = start(o, data);
  ImageGptNet<float> net = model.net();
  if (o.text != "none") freeze(net, "text.*");
  Trainer<ImageGptNet<float>> trainer(
      net, {.rate = o.rate, .beta2 = 0.98, .decay = o.decay},
      o.config({.decay = Decay::linear, .warmup = o.warmup, .hold = o.hold, .total = o.steps}));
  const Resumed resumed = go_on(program, trainer);
  LearningCurve curve({.path = o.curve,
                       .every = o.evaluate_every,
                       .plot = {.title = "Image GPT on emoji",
                                .x_label = "step",
                                .y_label = "bits a pixel",
                                .log_y = true,
                                .smoothing = 0.98},
                       .nats = std::log(2.0)},
                      trainer.extras());
  if (o.only_export) {
    o.check_export(resumed);
    to_file(with_weights(model, net)).write(o.output);
    curve.write(trainer.history());
    std::fprintf(stderr, "wrote %s: the weights of step %lld\n", printable(o.output).c_str(),
                 static_cast<long long>(resumed.step));
    return exit_done;
  }
  std::fprintf(stderr, "%zu pictures to learn, %zu held out, %lld parameters\n", data.split.train.size(),
               data.split.held_out.size(), static_cast<long long>(parameter_count(net)));

  if (o.sketch_steps > 0 && o.from.empty() && resumed.step == 0 && train_sketch(o, data, model, net))
    return exit_interrupted;
  TwinFile twin(o.twin, "image_gpt", trainer, twin_settings(o, model));
  const auto look = [&] {
    return data.bits(data.split.held_out,
                     [&](const auto& tokens, const auto& pixels) { return net(net.text(tokens), pixels); });
  };
  EpochSampler sampler(static_cast<Index>(data.split.train.size()), o.batch, o.seed);
  const auto loss = [&](auto& tape, auto& module, const TrainStep& at) {
    const CaptionedPixels batch = data.draw(sampler, at);
    see(twin, at, batch);
    const auto caption = module.text(tape.ids(batch.tokens));
    return cross_entropy(module(caption, read_pixels(o, at, batch), dropped(o, at)), batch.pixels);
  };
  const TrainEnd end = run_with_looks(trainer, curve, loss, look, [&](const TrainProgress& p) {
    if (o.sample_every > 0 && p.step % o.sample_every == 0)
      write_sample(o.folder + "/sample-" + std::to_string(p.step) + ".png", with_weights(model, net));
  });
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  curve.add(look());
  curve.write(trainer.history());
  to_file(with_weights(model, net)).write(o.output);
  std::printf("held out %.4f bits a pixel after %lld steps; training took %.1f s\n", curve.last(),
              static_cast<long long>(trainer.steps_done()), trainer.seconds());
  std::fprintf(stderr, "wrote %s\n", printable(o.output).c_str());
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_image_gpt, argc, argv); }
