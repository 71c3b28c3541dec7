// Trains the picture model of examples/paint on the emoji that install from Debian: flow matching, a U-Net, a text
// encoder, names in English and Chinese. Stops with Ctrl-C, goes on where it stopped; a run that was stopped ends with
// the same bytes as one that was not.
//
//   build/examples/train_paint --folder run --output paint.safetensors --curve loss.png
//   build/examples/train_paint --folder run --output paint.safetensors --export    what there is so far
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>
#include <tessera/io/png.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/emoji.hpp"
#include "examples/support/plot.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/sample_sheet.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_paint";

struct Options : TrainingOptions {
  Options()
      : TrainingOptions{.steps = 10000,
                        .batch = 64,
                        .save_every = 500,
                        .rate = 1.5e-3,
                        .folder = "run",
                        .output = "paint.safetensors"} {}
  Index hold = 7500, even = 2850, focus = 6800, finish = 10000, sample_every = 500;
  double balance = 0.5;
  std::string from;
};

constexpr double unconditional = 0.1;  // share of the captions left empty, for classifier-free guidance
// What the picture is of is decided near the noise: once the model can clean pictures up, after o.focus steps, most of the
// training goes there; from o.finish on, to clean pictures again.
TimeDraw times_drawn(const Options& o, Index step) {
  return {.mean = step < o.focus ? 0.5 : step < o.finish ? 1.5 : 0.0, .deviation = 1.2};
}
constexpr Index side = 32, vocabulary = 2048;

using Net = TextUNet<float>;

/// After the first `even` steps a picture is drawn with weight (pictures of the same base name)^-balance: what comes in
/// one form only (a pizza) needs to be seen more often than the fifth skin tone of a runner.
class BalancedDraw {
 public:
  BalancedDraw(const std::vector<Emoji>& items, const std::vector<int>& train, double balance, std::uint64_t seed)
      : noise_(Noise{seed}.fork(78)) {
    std::map<std::string, int> forms;
    for (const int i : train) ++forms[items[static_cast<std::size_t>(i)].base];
    double sum = 0;
    for (const int i : train)
      up_to_.push_back(sum += std::pow(forms[items[static_cast<std::size_t>(i)].base], -balance));
  }
  Tensor<Index> operator()(Index step, Index batch) const {
    Tensor<Index> items(Shape{batch});
    for (Index k = 0; k < batch; ++k) {
      const double at = noise_.unit(static_cast<std::uint64_t>(step * batch + k)) * up_to_.back();
      const auto found = std::upper_bound(up_to_.begin(), up_to_.end(), at);
      items.data()[k] = std::min(static_cast<Index>(found - up_to_.begin()), static_cast<Index>(up_to_.size()) - 1);
    }
    return items;
  }

 private:
  Noise noise_;
  std::vector<double> up_to_;
};

/// Without the columns that are padding in every row.
Tensor<std::int32_t> trimmed(const Tensor<std::int32_t>& ids) {
  Index used = 2;
  for (Index i = 0; i < ids.size(); ++i) {
    if (ids[i] != 0) used = std::max(used, i % ids.cols() + 1);
  }
  return slice(ids, 1, 0, used);
}

struct Data {
  EmojiSet set = read_emoji({.side = static_cast<int>(side), .flags = false});
  Split split = split_emoji(set.items);
  Captions captions{set.items};
  Tokenizer tokenizer = learn_tokens(captions.corpus(), vocabulary);
  Tensor<float> pictures = in_unit_range(set.pictures);

  Data() = default;
  Data(const Data&) = delete;  // the captions refer to the items

  static Tensor<float> in_unit_range(const Tensor<std::uint8_t>& levels) {
    Tensor<float> pictures(levels.shape());
    float* to = pictures.data();
    for (Index i = 0; i < levels.size(); ++i) to[i] = static_cast<float>(levels[i]) / 127.5f - 1;
    return pictures;
  }
};

TextUNetConfig network() {
  TextUNetConfig config;
  config.text.vocabulary = vocabulary;
  return config;
}

TextToImage model_of(const Data& data, const Net& net) {
  return {network(), data.tokenizer, std::make_shared<Net>(net)};
}

/// As these weights paint now.
void write_sample(const std::string& path, const Data& data, const Net& net) {
  write_sample_sheet(path, [&](const auto& prompts, const auto& noises) {
    return model_of(data, net).begin(prompts, noises, {.steps = 20}).finish();
  });
}

void write_curve(const std::string& path, const Tensor<float>& losses) {
  if (path.empty()) return;
  write_png(path,
            plot_losses(losses,
                        {.title = "Training loss", .x_label = "step", .y_label = "mean squared error", .log_y = true}));
}

/// Pictures of a step and what they are called: one of their names or, now and then, none.
struct Batch {
  Tensor<float> pictures;
  Tensor<std::int32_t> captions;
};
Batch batch_of(const Data& data, const Tensor<Index>& places, const Noise& noise) {
  std::vector<int> emoji;
  std::vector<std::string> texts;
  for (Index i = 0; i < places.size(); ++i) {
    emoji.push_back(data.split.train[static_cast<std::size_t>(places[i])]);
    const auto word = static_cast<std::uint64_t>(i);
    texts.push_back(noise.unit(word) < unconditional ? "" : data.captions.draw(emoji.back(), noise.bits(word)));
  }
  return {rows_of(data.pictures, emoji),
          trimmed(data.tokenizer.encode(std::span<const std::string>(texts), network().text.length))};
}

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.seed_of = "weights, order and noise",
            .output = "the finished model, in half precision",
            .kept = "checkpoints and samples",
            .exported = "the newest checkpoint's averaged weights"});
  cli.number("--hold", o.hold, "steps before the learning rate falls, in a line, to its end", 0, most);
  cli.number("--even", o.even, "steps in which all pictures are seen equally often; then rare ones more", 0, most);
  cli.number("--balance", o.balance, "rare ones by how much: 0 not at all, 1 every base name equally often", 0, 1);
  cli.number("--focus", o.focus, "steps after which most training is done near the noise", 0, most);
  cli.number("--finish", o.finish, "steps after which most training is done near the picture", 0, most);
  cli.option("--from", o.from, "weights to start from, as --output writes them, instead of random ones");
  cli.number("--sample-every", o.sample_every, "steps between sheets of 16 pictures; 0: none", 0, most);
}

int train_paint(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains the model of examples/paint on the emoji that install from Debian.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Data data;
  Rng rng(o.seed);
  Net net(network(), rng);
  if (!o.from.empty()) get(Safetensors::read(o.from), net);  // its tokenizer is learned again, from the same names
  TrainConfig config =
      o.config({.decay = Decay::linear, .warmup = 300, .hold = o.hold, .total = o.steps, .floor = 0.02});
  config.ema_decay = 0.999;
  Trainer<Net> trainer(net, {.rate = o.rate, .beta2 = 0.99, .decay = 0.01}, config);
  const Resumed resumed = go_on(program, trainer);
  const auto write_model = [&] { to_file(model_of(data, *trainer.average())).write(o.output); };
  if (o.only_export) {
    o.check_export(resumed);
    write_model();
    write_curve(o.curve, trainer.history());
    std::fprintf(stderr, "wrote %s: the weights of step %lld\n", printable(o.output).c_str(),
                 static_cast<long long>(resumed.step));
    return exit_done;
  }
  std::fprintf(stderr, "%zu pictures to learn, %zu held out, %lld parameters\n", data.split.train.size(),
               data.split.held_out.size(), static_cast<long long>(parameter_count(net)));

  EpochSampler in_turn(static_cast<Index>(data.split.train.size()), o.batch, o.seed);
  const BalancedDraw balanced(data.set.items, data.split.train, o.balance, o.seed);
  ProgressLine line(5, 50);
  const Interrupt interrupt;
  const TrainEnd end = trainer.run(
      [&](auto& tape, auto& module, const TrainStep& at) {
        const Batch b = batch_of(data, at.step < o.even ? in_turn(at.step) : balanced(at.step, o.batch), at.noise);
        const auto noised = flow_matching_batch(b.pictures, at.noise, times_drawn(o, at.step));
        const auto caption = module.text(tape.ids(b.captions));
        return mse(module(tape.constant(noised.x), noised.t, caption), noised.velocity);
      },
      [&](const TrainProgress& p) {
        line(p);
        if (o.sample_every > 0 && p.step % o.sample_every == 0)
          write_sample(o.folder + "/sample-" + std::to_string(p.step) + ".png", data, *trainer.average());
        if (p.saved) write_curve(o.curve, trainer.history());
      },
      interrupt);
  line.finish();
  write_curve(o.curve, trainer.history());
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  write_model();
  std::fprintf(stderr, "wrote %s\n", printable(o.output).c_str());
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_paint, argc, argv); }
