// Trains a PixelCNN on Fashion-MNIST, conditioned on the class, 8 bits a pixel: bits a dimension on the test pictures,
// and a sheet of drawn ones. Stops with Ctrl-C, goes on where it stopped.
//
//   build/examples/train_pixel_cnn --folder run --output pixel_cnn.safetensors --curve loss.png --sheet drawn.png
//   build/examples/train_pixel_cnn --mixture 0                                a softmax for a mixture of logistics
//   build/examples/train_pixel_cnn --score examples/weights/pixel_cnn.safetensors --sheet drawn.png
//       --classifier classifier.safetensors                                   does a classifier see the class asked for?
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/autoregressive/pixel_cnn_run.hpp>
#include <tessera/io/png.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/sampler.hpp>

#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/fashion.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/training.hpp"
#include "examples/support/training_options.hpp"
#include "examples/support/twin_file.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_pixel_cnn";
constexpr Index classes = 10, side = 28, shown = 40;

struct Options : TrainingOptions {
  Options() : TrainingOptions{.steps = 9000, .save_every = 500, .rate = 2e-3} {}
  Index width = 32, layers = 6, kernel = 3, map = 16, mixture = 5, tested = 10000, evaluate_every = 500, drawn = 100;
  std::string twin, sheet, classifier, score;
};

void describe(Cli& cli, Options& o) {
  constexpr Index most = 10'000'000;
  describe(cli, o,
           {.rate = "Adam's learning rate; it falls to 0 along a cosine",
            .seed_of = "weights, order and drawing",
            .most_batch = 60000});
  cli.number("--width", o.width, "channels of each stack", 1, 4096);
  cli.number("--layers", o.layers, "gated layers", 1, 256);
  cli.number("--kernel", o.kernel, "their kernel but the first one's, which is 7", 3, 63);
  cli.number("--map", o.map, "channels of each class's map; 0: the class says the same at every pixel", 0, 1024);
  cli.number("--mixture", o.mixture, "logistics in the mixture; 0: a softmax of 256 levels", 0, 1024);
  cli.option("--twin", o.twin, TwinFile::help);
  cli.option("--sheet", o.sheet, "a PNG of drawn pictures, a column a class");
  cli.option("--classifier", o.classifier, "weights of train_classifier: looks at the drawn pictures");
  cli.option("--score", o.score, "instead of training: weights of --output, made with the same --width ... --mixture");
  cli.number("--drawn", o.drawn, "pictures drawn at the end", 0, 10000);
  cli.number("--tested", o.tested, "test pictures that the last figure is taken over; those before it take 500", 1,
             10000);
  cli.number("--evaluate-every", o.evaluate_every, "steps between looks at the test pictures; 0: at the end only", 0,
             most);
}

/// Bits a dimension of the first `count` pictures.
double evaluate(const PixelCnn<float>& net, const Fashion& data, Index count) {
  constexpr Index together = 50;
  double nats = 0;
  for (Index i = 0; i < count; i += together) {
    const Index end = std::min(i + together, count);
    nats +=
        static_cast<double>(net.loss(slice(data.pictures, 0, i, end), one_hot(slice(data.labels, 0, i, end))).item()) *
        static_cast<double>(end - i);
  }
  return nats / static_cast<double>(count) / std::log(2.0);
}

/// Pictures of all classes in turn, [count, 28, 28, 1].
Tensor<std::uint8_t> draw(const PixelCnn<float>& net, const Tensor<std::int32_t>& labels, std::uint64_t seed) {
  const PixelCnnPainter painter{PixelCnnDecoder(net, side, side)};
  std::vector<Noise> noises;
  for (Index i = 0; i < labels.size(); ++i) noises.push_back(Noise{seed}.fork(900).fork(static_cast<std::uint64_t>(i)));
  return painter.begin(one_hot(labels), noises).finish();
}

void write_sheet(const std::string& path, const Tensor<std::uint8_t>& all) {
  const Tensor<std::uint8_t> pictures = slice(all, 0, 0, std::min(shown, all.extent(0)));
  Tensor<std::uint8_t> rgb(pictures.shape().with(-1, 3));
  std::uint8_t* to = rgb.data();
  for (Index i = 0; i < pictures.size(); ++i)
    for (int c = 0; c < 3; ++c) *to++ = pictures[i];
  std::vector<std::string> names;
  for (Index i = 0; i < pictures.extent(0); ++i)
    names.emplace_back(i < classes ? fashion_classes[static_cast<std::size_t>(i)] : "");
  write_png(path, contact_sheet(rgb, names, {.columns = classes, .upscale = 2, .padding = 4}));
}

/// The share of pictures that the classifier takes for what was asked.
double agreement(const std::string& weights, const Tensor<std::uint8_t>& pictures, const Tensor<std::int32_t>& labels) {
  Rng rng(0);
  PictureClassifier<float> judge(rng);
  load(weights, judge);
  const Tensor<float> said =
      in_parts(in_symmetric_interval(pictures), [&](const Tensor<float>& x) { return judge(x); });
  Index right = 0;
  for (Index i = 0; i < labels.size(); ++i) {
    Index best = 0;
    for (Index k = 1; k < classes; ++k) best = said[i * classes + k] > said[i * classes + best] ? k : best;
    right += best == labels[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

/// Pictures [B, H, W, 1] as numbers [B, H, W] that PyTorch counts with.
Tensor<std::int32_t> as_levels(const Tensor<std::uint8_t>& pictures) {
  Tensor<std::int32_t> levels(Shape{pictures.extent(0), pictures.extent(1), pictures.extent(2)});
  for (Index i = 0; i < levels.size(); ++i) levels.data()[i] = pictures[i];
  return levels;
}

/// Trains and evaluates; what the program ends with, unless it is exit_done, when there is more to do.
int learn(PixelCnn<float>& net, const Fashion& test, const Options& o) {
  const Fashion train = read_fashion(FashionPart::train);
  Trainer<PixelCnn<float>> trainer(net, {.rate = o.rate, .beta2 = 0.99, .decay = 0.01},
                                   o.config({.decay = Decay::cosine, .warmup = 100, .total = o.steps + 1}));
  go_on(program, trainer);
  std::fprintf(stderr, "%lld parameters\n", static_cast<long long>(parameter_count(net)));

  EpochSampler sampler(train.pictures.extent(0), o.batch, o.seed);
  LearningCurve curve({.path = o.curve,
                       .every = o.evaluate_every,
                       .plot = {.title = "PixelCNN on Fashion-MNIST",
                                .x_label = "step",
                                .y_label = "bits a dimension",
                                .log_y = true,
                                .smoothing = 0.97},
                       .nats = std::log(2.0),
                       .held_out = "test"},
                      trainer.extras());
  TwinFile twin(o.twin, "pixel_cnn", trainer, {{"components", o.mixture}});
  const auto look = [&](Index count) { return evaluate(net, test, count); };
  const TrainEnd end = run_with_looks(
      trainer, curve,
      [&](auto& tape, auto& module, const TrainStep& at) {
        const Tensor<Index> items = sampler(at.batch);
        const Tensor<std::uint8_t> pictures = rows_of(train.pictures, items);
        const Tensor<float> kinds = one_hot(rows_of(train.labels, items));
        if (!o.twin.empty()) twin.see(at, "pixels", as_levels(pictures));
        twin.see(at, "condition", kinds);
        return module.loss(tape, pictures, kinds);
      },
      [&] { return look(500); });
  twin.write(trainer);
  if (end == TrainEnd::interrupted) return say_interrupted(program, trainer);
  if (!o.output.empty()) save(o.output, net, {{"model", "pixel_cnn"}}, DType::f16);
  curve.add(look(o.tested));
  curve.write(trainer.history());
  std::printf("test %.4f bits a dimension over %lld pictures after %lld steps; training took %.0f s\n", curve.last(),
              static_cast<long long>(o.tested), static_cast<long long>(trainer.steps_done()), trainer.seconds());
  return exit_done;
}

/// Draws, shows and judges.
void look_at(const PixelCnn<float>& net, const Options& o) {
  if (o.drawn == 0) return;
  Tensor<std::int32_t> labels(Shape{o.drawn});
  for (Index i = 0; i < o.drawn; ++i) labels.data()[i] = static_cast<std::int32_t>(i % classes);
  const Tensor<std::uint8_t> pictures = draw(net, labels, o.seed);
  if (!o.sheet.empty()) write_sheet(o.sheet, pictures);
  if (!o.classifier.empty())
    std::printf("the classifier sees the class asked for in %.1f %% of %lld drawn pictures\n",
                100 * agreement(o.classifier, pictures, labels), static_cast<long long>(o.drawn));
}

int train_pixel_cnn(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a class-conditional PixelCNN on Fashion-MNIST.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Fashion test = read_fashion(FashionPart::test);
  Rng rng(o.seed);
  PixelCnn<float> net({.width = o.width,
                       .layers = o.layers,
                       .kernel = o.kernel,
                       .condition = classes,
                       .components = o.mixture,
                       .map = o.map,
                       .map_height = side,
                       .map_width = side},
                      rng);
  if (o.score.empty()) {
    if (const int end = learn(net, test, o); end != exit_done) return end;
  } else {
    load(o.score, net);
    std::printf("test %.4f bits a dimension over %lld pictures\n", evaluate(net, test, o.tested),
                static_cast<long long>(o.tested));
  }
  look_at(net, o);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_pixel_cnn, argc, argv); }
