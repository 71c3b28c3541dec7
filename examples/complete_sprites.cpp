// The classic of recurrent networks on pictures: an LSTM learns small sprites pixel by pixel, and then completes those
// whose lower half is hidden. Here the sprites are the emoji that install from Debian at 20 x 20 and 64 colours. The
// sheet shows, a row each, the true picture, what the network is given, and three completions. Stops with Ctrl-C, goes
// on where it stopped.
//
//   build/examples/complete_sprites --folder run --output pixel_rnn.safetensors --curve loss.png --sheet completed.png
//   build/examples/complete_sprites --folder run --steps 0 --sheet more.png --rows 12 --seed 2        no more training
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <tessera/autoregressive/pixel_rnn_decoder.hpp>
#include <tessera/generate/sequence.hpp>
#include <tessera/io/png.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/unit/colour_palette.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "complete_sprites";
constexpr Index side = 20, colours = 64, pixels = side * side, given = pixels / 2;

struct Options : TrainingOptions {
  Options() : TrainingOptions{.steps = 3000, .rate = 3e-3} {}
  Index hidden = 192, layers = 1, rows = 8, evaluate_every = 250;
  double temperature = 0.8;
  std::string twin, sheet;
};

struct Data {
  EmojiSet set = read_emoji({.side = static_cast<int>(side), .flags = false});
  Split split = split_emoji(set.items);
  ColourPalette palette = learn_palette(set.pictures, colours, Noise{1});
  Tensor<std::int32_t> units = palette.encode(set.pictures);  // [N, pixels]
};

/// Bits a pixel of the held-out pictures.
double evaluate(const PixelRnn<float>& net, const Data& data) {
  const Tensor<std::int32_t> held_out = rows_of(data.units, data.split.held_out);
  return static_cast<double>(cross_entropy(net(held_out), held_out).item()) / std::log(2.0);
}

/// True, given, three completions: five pictures for each of some held-out emoji.
void write_sheet(const Options& o, const PixelRnn<float>& net, const Data& data) {
  const PixelRnnDecoder model(net);
  const auto names = static_cast<Index>(data.split.held_out.size());
  const Tensor<Index> order = Noise{o.seed}.fork(5).permutation(names);
  std::vector<Tensor<std::uint8_t>> pictures;
  std::vector<std::string> captions;
  for (Index r = 0; r < std::min(o.rows, names); ++r) {
    const int item = data.split.held_out[static_cast<std::size_t>(order[r])];
    const Tensor<std::int32_t> truth = rows_of(data.units, std::span(&item, 1)).reshaped({pixels});
    const Tensor<std::uint8_t> whole = data.palette.decode(truth, side, side);
    Tensor<std::uint8_t> hidden(whole.shape(), 200);  // grey
    std::memcpy(hidden.data(), whole.data(), static_cast<std::size_t>(given) * 3);
    pictures.insert(pictures.end(), {whole, hidden});
    captions.insert(captions.end(), {data.set.items[static_cast<std::size_t>(item)].name(Language::english), "given"});
    const std::vector<Unit> upper(truth.data(), truth.data() + given);
    for (std::uint64_t k = 0; k < 3; ++k) {
      const Noise noise = Noise{o.seed}.fork(static_cast<std::uint64_t>(r)).fork(k);
      auto run = begin_sequence(model, {}, noise,
                                {.length = pixels, .choice = {.temperature = o.temperature}, .forced = upper});
      pictures.push_back(data.palette.decode(run.finish(), side, side));
      captions.emplace_back(k == 0 ? "completed" : "");
    }
  }
  Tensor<std::uint8_t> all(Shape{static_cast<Index>(pictures.size()), side, side, 3});
  for (std::size_t i = 0; i < pictures.size(); ++i)
    std::memcpy(all.data() + static_cast<Index>(i) * pixels * 3, pictures[i].data(),
                static_cast<std::size_t>(pixels) * 3);
  write_png(o.sheet, contact_sheet(all, captions, {.columns = 10, .upscale = 4}));
}

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.rate = "learning rate; it falls to 0 along a cosine",
            .seed_of = "weights, order and completions",
            .least_steps = 0});
  cli.number("--hidden", o.hidden, "width of the LSTM", 1, 4096);
  cli.number("--layers", o.layers, "LSTMs one upon the other", 1, 8);
  cli.number("--temperature", o.temperature, "of the completions", 0, 100);
  cli.option("--twin", o.twin, TwinFile::help);
  cli.option("--sheet", o.sheet, "a PNG of completed pictures, none of which was learned from");
  cli.number("--rows", o.rows, "how many of them", 1, 1000);
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at what is held out; 0: at the end only", 0,
             most);
}

int complete_sprites(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains an LSTM on small sprites, and completes half-hidden ones.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Data data;
  Rng rng(o.seed);
  PixelRnn<float> net({.side = side, .colours = colours, .hidden = o.hidden, .layers = o.layers}, rng);
  Trainer<PixelRnn<float>> trainer(net, {.rate = o.rate, .beta2 = 0.99, .decay = 0.02},
                                   o.config({.decay = Decay::cosine, .warmup = 100, .total = o.steps + 1}));
  go_on(program, trainer);
  TwinFile twin(o.twin, "pixel_rnn", trainer);
  std::fprintf(stderr, "%zu pictures to learn, %zu held out, %lld parameters\n", data.split.train.size(),
               data.split.held_out.size(), static_cast<long long>(parameter_count(net)));

  EpochSampler sampler(static_cast<Index>(data.split.train.size()), o.batch, o.seed);
  LearningCurve curve({.path = o.curve,
                       .every = o.evaluate_every,
                       .plot = {.title = "An LSTM on sprites",
                                .x_label = "step",
                                .y_label = "bits a pixel",
                                .log_y = true,
                                .smoothing = 0.97},
                       .nats = std::log(2.0)},
                      trainer.extras());
  const auto look = [&] { return evaluate(net, data); };
  const TrainEnd end = run_with_looks(
      trainer, curve,
      [&](auto& tape, auto& module, const TrainStep& at) {
        const Tensor<Index> places = sampler(at.batch);
        std::vector<int> items;
        for (Index i = 0; i < o.batch; ++i) items.push_back(data.split.train[static_cast<std::size_t>(places[i])]);
        const Tensor<std::int32_t> some = rows_of(data.units, items);
        twin.see(at, "pixels", some);
        return cross_entropy(module(tape.ids(some)), some);
      },
      look);
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  if (!o.output.empty()) save(o.output, net, {{"model", "pixel_rnn"}}, DType::f16);
  curve.add(look());
  if (o.steps > 0) curve.write(trainer.history());
  std::printf("held out %.4f bits a pixel after %lld steps; training took %.0f s\n", curve.last(),
              static_cast<long long>(trainer.steps_done()), trainer.seconds());
  if (!o.sheet.empty()) write_sheet(o, net, data);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, complete_sprites, argc, argv); }
