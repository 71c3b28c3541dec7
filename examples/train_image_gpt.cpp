// Trains the autoregressive painter of examples/paint (`--model image_gpt`) on the emoji that install from Debian: 32 x
// 32 pixels of 256 colours, one after the other, after a caption in English or Chinese. Stops with Ctrl-C, goes on
// where it stopped; a run that was stopped ends with the same bytes as one that was not.
//
//   build/examples/train_image_gpt --folder run --output image_gpt.safetensors --curve loss.png
//   build/examples/train_image_gpt --folder run --output image_gpt.safetensors --export    what there is so far
//   build/examples/train_image_gpt --from image_gpt.safetensors --steps 5000        goes on from finished weights
//   build/examples/train_image_gpt --score image_gpt.safetensors                    their bits a pixel, held out
//
// Before the transformer's steps its convolutional draft learns by itself (--draft-steps): what a caption looks like is
// a matter of seeing it often, and the draft sees many times as many pictures a second as the transformer.
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
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_image_gpt";
constexpr Index vocabulary = 2048;  // of a tokenizer learned here

struct Options {
  Index steps = 18000, hold = 11000, batch = 4, layers = 3, heads = 4, width = 128, warmup = 200, evaluate_every = 1000,
        sample_every = 2000, save_every = 250, threads = 0;
  Index draft = 32, draft_steps = 12000, draft_batch = 16;
  double draft_rate = 2e-3;
  double rate = 1.5e-3, decay = 0.05, dropout = 0;
  std::uint64_t seed = 1;
  std::string folder = "run", output = "image_gpt.safetensors", curve, twin, from, score;
  std::string text = TESSERA_WEIGHTS_DIR "/paint.safetensors";
  bool only_export = false;
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  const auto number = [&](const char* name, Index& value, const std::string& help, Index low, Index high) {
    cli.option(name, value, help + " (default " + std::to_string(value) + ")", low, high);
  };
  number("--steps", o.steps, "training steps in all, those of earlier runs included", 1, most);
  number("--hold", o.hold, "steps before the learning rate falls, in a line, to 0", 0, most);
  number("--batch", o.batch, "pictures a step", 1, 1024);
  number("--layers", o.layers, "blocks of the transformer", 1, 64);
  number("--heads", o.heads, "attention heads", 1, 64);
  number("--width", o.width, "numbers a pixel, a multiple of the heads", 8, 4096);
  number("--draft", o.draft, "channels of the draft; 0: none", 0, 1024);
  number("--draft-steps", o.draft_steps, "steps in which it learns alone, before all others; 0: with all others", 0,
         most);
  number("--draft-batch", o.draft_batch, "pictures in each of them", 1, 1024);
  cli.option("--draft-rate", o.draft_rate, "greatest learning rate in them (default 0.002)", 0, 1);
  cli.option("--rate", o.rate, "greatest learning rate (default 0.0015)", 0, 1);
  number("--warmup", o.warmup, "steps in which it rises", 0, most);
  cli.option("--decay", o.decay, "weight decay (default 0.05)", 0, 10);
  cli.option("--dropout", o.dropout, "share of numbers dropped in training (default 0)", 0, 0.9);
  cli.option("--seed", o.seed, "of weights, order and captions (default 1)");
  cli.option("--text", o.text, "a model of train_paint whose text encoder is taken over; none: one is learned");
  cli.option("--from", o.from, "weights to start from, as --output writes them");
  cli.option("--score", o.score, "instead of training: weights of --output, looked at with what is held out");
  cli.option("--folder", o.folder, "where checkpoints and samples go, and a run goes on from (default run)");
  cli.option("--output", o.output, "the finished model, in half precision (default image_gpt.safetensors)");
  cli.option("--curve", o.curve, "a PNG of the losses, with every evaluation");
  cli.option("--twin", o.twin, TwinFile::help + std::string("; the draft's own steps: in FILE.draft"));
  number("--evaluate-every", o.evaluate_every, "steps between looks at what is held out; 0: at the end only", 0, most);
  number("--sample-every", o.sample_every, "steps between sheets of 16 pictures; 0: none", 0, most);
  number("--save-every", o.save_every, "steps between checkpoints", 1, most);
  number("--threads", o.threads, "threads; 0 is as many as there are CPUs", 0, 256);
  cli.flag("--export", o.only_export, "no training: the newest checkpoint's weights to --output");
}

/// The start of a run: from finished weights, from another model's text encoder, or from nothing.
ImageGpt start(const Options& o, EmojiPixels& data) {
  Rng rng(o.seed);
  if (!o.from.empty()) {
    ImageGpt model = load_image_gpt(o.from);
    data.read_with(model.palette(), model.tokenizer(), model.config().words);
    return model;
  }
  ImageGptConfig config{.layers = o.layers, .heads = o.heads, .width = o.width, .draft = o.draft};
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
  return {{"heads", model.config().heads}, {"text_heads", model.config().text.heads}, {"dropout", o.dropout}};
}

ImageGpt with_weights(const ImageGpt& model, const ImageGptNet<float>& net) {
  return {std::make_shared<const ImageGptNet<float>>(net), model.palette(), model.tokenizer()};
}

void write_sample(const std::string& path, const ImageGpt& model) {
  write_sample_sheet(path,
                     [&](const auto& prompts, const auto& noises) { return model.begin(prompts, noises).finish(); });
}

/// The part of the network that learns before the others.
struct DraftPart {
  ImageGptNet<float>& net;

  template <Ids I>
  auto operator()(const I& tokens) const {
    return net.draft->logits(net.text(tokens).pooled);
  }
  static void members(auto& self, auto&& see) {
    see("text", self.net.text);
    see("draft", *self.net.draft);
  }
};

/// The draft alone, by the cross-entropy of each pixel by itself. True when it was interrupted.
bool train_draft(const Options& o, const EmojiPixels& data, const ImageGpt& model, ImageGptNet<float>& net) {
  DraftPart part{net};
  const std::string folder = o.folder + "/draft";
  Trainer<DraftPart> trainer(
      part, {.rate = o.draft_rate, .beta2 = 0.98, .decay = o.decay},
      {.steps = o.draft_steps,
       .clip_norm = 1,
       .schedule = {.decay = Decay::linear, .warmup = o.warmup, .hold = o.draft_steps * 3 / 5, .total = o.draft_steps},
       .seed = o.seed + 177,
       .checkpoint = folder,
       .checkpoint_every = 4 * o.save_every,
       .keep = 2,
       .items = o.draft_batch});
  go_on(program, trainer, "draft step");
  std::fprintf(stderr, "the draft alone: %lld parameters\n", static_cast<long long>(parameter_count(*net.draft)));
  TwinFile twin(o.twin.empty() ? "" : o.twin + ".draft", "image_draft", trainer, twin_settings(o, model));
  EpochSampler sampler(static_cast<Index>(data.split.train.size()), o.draft_batch, o.seed + 1000);
  ProgressLine line(5, 100);
  const auto look = [&] {
    const auto logits = [&](const auto& tokens, const auto&) { return part(tokens); };
    const std::size_t some = std::min<std::size_t>(256, data.split.train.size());
    const double seen = data.bits(std::span(data.split.train).first(some), logits);
    const double held_out = data.bits(data.split.held_out, logits);
    char text[160];
    std::snprintf(text, sizeof text, "draft step %lld: seen %.4f, held out %.4f bits a pixel",
                  static_cast<long long>(trainer.steps_done()), seen, held_out);
    line.say(text);
    write_sample_sheet(folder + "/sample-" + std::to_string(trainer.steps_done()) + ".png",
                       [&](const auto& prompts, const auto&) { return with_weights(model, net).draft(prompts); });
  };
  const Interrupt interrupt;
  const TrainEnd end = trainer.run(
      [&](auto& tape, auto& module, const TrainStep& at) {
        const CaptionedPixels batch = data.draw(sampler, at);
        see(twin, at, batch);
        return cross_entropy(module(tape.ids(batch.tokens)), batch.pixels);
      },
      [&](const TrainProgress& p) {
        line(p);
        if (p.step % 1000 == 0 || p.step == p.steps) look();
      },
      interrupt);
  line.finish();
  twin.write(trainer);
  if (end != TrainEnd::interrupted) return false;
  say_interrupted(program, trainer, "draft step");
  return true;
}

int score(const std::string& weights) {
  const ImageGpt model = load_image_gpt(weights);
  EmojiPixels data;
  data.read_with(model.palette(), model.tokenizer(), model.config().words);
  const ImageGptNet<float>& net = model.net();
  std::printf("held out %.4f bits a pixel over %zu pictures\n",
              data.bits(data.split.held_out,
                        [&](const auto& tokens, const auto& pixels) { return net(net.text(tokens), pixels); }),
              data.split.held_out.size());
  if (net.draft)
    std::printf("its draft alone: %.4f\n", data.bits(data.split.held_out, [&](const auto& tokens, const auto&) {
      return net.draft->logits(net.text(tokens).pooled);
    }));
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
      {.steps = o.steps,
       .clip_norm = 1,
       .schedule = {.decay = Decay::linear, .warmup = o.warmup, .hold = o.hold, .total = o.steps},
       .seed = o.seed + 77,
       .checkpoint = o.folder,
       .checkpoint_every = o.save_every,
       .keep = 2,
       .items = o.batch});
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
    if (resumed.step == 0) throw io_error(o.folder + ": no checkpoint to export; train first, without --export");
    to_file(with_weights(model, net)).write(o.output);
    curve.write(trainer.history());
    std::fprintf(stderr, "wrote %s: the weights of step %lld\n", printable(o.output).c_str(),
                 static_cast<long long>(resumed.step));
    return exit_done;
  }
  std::fprintf(stderr, "%zu pictures to learn, %zu held out, %lld parameters\n", data.split.train.size(),
               data.split.held_out.size(), static_cast<long long>(parameter_count(net)));

  if (net.draft && o.draft_steps > 0 && o.from.empty() && resumed.step == 0 && train_draft(o, data, model, net))
    return exit_interrupted;
  if (net.draft && o.draft_steps > 0) {  // it has learned; the few pictures a step from here on would only unsettle it
    freeze(net, "draft.*");
    freeze(net, "draft.places.*", false);
  }
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
    return cross_entropy(module(caption, batch.pixels, {.share = o.dropout, .noise = at.noise.fork(1)}), batch.pixels);
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
