// All families of the library on the same pictures, Fashion-MNIST by class, with the same time to learn: one table and
// one contact sheet.
//
//   build/examples/train_classifier --output classifier.safetensors
//   build/examples/compare --minutes 5 --classifier classifier.safetensors --sheet compare.png
//
//   bits        a pixel, over test pictures: exact, or a bound (<=), of 256 levels where nothing else is said
//   Frechet     distance of drawn pictures to the test pictures over the classifier's features: lower is better
//   asked       share that the classifier takes for the class that was asked for
//   precision, recall      how good and how varied (generate/metrics/precision_recall.hpp)
//   s a step    of processor time, evaluation left out;  ms: to draw one picture, of `--count` at once
// The line `test set` is test pictures against other test pictures: what a perfect model gets.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/generate/metrics/frechet.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/generate/metrics/precision_recall.hpp>
#include <tessera/io/png.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/budget.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/contestant.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "compare";
constexpr Index classes = 10, part = 100, shown = 20;

struct Options {
  std::vector<std::string> models;
  double minutes = 5;
  Index count = 1000, threads = 1;
  std::uint64_t seed = 1;
  std::string classifier = "classifier.safetensors", sheet;
};

/// Labels 0, 1, ... 9, 0, ...
Tensor<std::int32_t> round_robin(Index count) {
  Tensor<std::int32_t> labels(Shape{count});
  for (Index i = 0; i < count; ++i) labels.data()[i] = static_cast<std::int32_t>(i % classes);
  return labels;
}

struct Score {
  double frechet = 0, asked = 0;
  PrecisionRecall pr;
};

/// Scores pictures by a classifier's features and answers, against half of the test set; the other half is the mark
/// that a perfect model would get.
class Judge {
 public:
  Judge(const std::string& weights, const Fashion& test, Index count) {
    Rng rng(0);
    net_.emplace(rng);
    load(weights, *net_);
    const Index half = test.labels.size() / 2, n = std::min(count, half);
    real_ = features(in_symmetric_interval(slice(test.pictures, 0, 0, half)));
    perfect_ =
        of(in_symmetric_interval(slice(test.pictures, 0, half, half + n)), slice(test.labels, 0, half, half + n));
  }
  Score of(const Tensor<float>& pictures, const Tensor<std::int32_t>& labels) const {
    const Tensor<float> made = features(pictures);
    const Index n = std::min<Index>(2000, std::min(real_.extent(0), made.extent(0)));
    return {frechet_distance(real_, made), agreement(net_->out(made), labels),
            precision_recall(slice(real_, 0, 0, n), slice(made, 0, 0, n))};
  }
  const Score& perfect() const { return perfect_; }

 private:
  Tensor<float> features(const Tensor<float>& pictures) const {
    return in_parts(pictures, [&](const Tensor<float>& x) { return net_->features(x); });
  }
  std::optional<PictureClassifier<float>> net_;
  Tensor<float> real_;
  Score perfect_;
};

void print(const std::string& name, const std::string& bits, const Score& s, const std::string& rest) {
  std::printf("%-12s %12s %8.2f %6.1f %% %9.3f %7.3f  %s\n", name.c_str(), bits.c_str(), s.frechet, 100 * s.asked,
              s.pr.precision, s.pr.recall, rest.c_str());
  std::fflush(stdout);
}

Tensor<std::uint8_t> as_bytes(const Tensor<float>& x) {  // [N, 28, 28, 1] -> [N, 28, 28, 3]
  Tensor<std::uint8_t> y(x.shape().with(-1, 3));
  std::uint8_t* to = y.data();
  for (Index i = 0; i < y.size(); ++i) {
    const float v = (x[i / 3] + 1) * 127.5f + 0.5f;
    to[i] = static_cast<std::uint8_t>(v > 0 ? (v < 255 ? v : 255.f) : 0.f);
  }
  return y;
}

std::vector<Family> chosen(const std::vector<std::string>& names) {
  std::vector<Family> found;
  std::string all;
  for (const Family& f : families()) {
    if (names.empty() || std::find(names.begin(), names.end(), f.name) != names.end()) found.push_back(f);
    all += (all.empty() ? "" : ", ") + f.name;
  }
  if (found.size() < names.size()) throw argument_error("--model: there are " + all);
  return found;
}

/// One model: learns, is scored, prints its line; hands over the pictures for its row of the sheet.
Tensor<float> enter(const Family& family, const Contest& contest, const Judge& judge, Index count) {
  double began = processor_seconds();
  const std::unique_ptr<Contestant> model = family.learn(contest);
  const double learning = processor_seconds() - began;
  const auto bits = model->bits(contest);
  char text[32] = "-", rest[96];
  if (bits)
    std::snprintf(text, sizeof text, "%s%s%.3f", model->remark.c_str(), model->remark.empty() ? "" : " ", *bits);

  const Tensor<std::int32_t> labels = round_robin(count);
  std::vector<Tensor<float>> parts;
  began = processor_seconds();
  for (Index at = 0; at < count; at += part)
    parts.push_back(model->draw(slice(labels, 0, at, std::min(at + part, count)),
                                Noise{contest.seed}.fork(77).fork(static_cast<std::uint64_t>(at))));
  const double drawing = processor_seconds() - began;
  const Tensor<float> pictures = concat(std::span<const Tensor<float>>(parts), 0);
  std::snprintf(rest, sizeof rest, "%8lld  %8.4f %6lld %6lld %9.2f", static_cast<long long>(model->parameters),
                learning / static_cast<double>(model->steps), static_cast<long long>(model->steps),
                static_cast<long long>(model->passes), 1000 * drawing / static_cast<double>(count));
  print(family.name, text, judge.of(pictures, labels), rest);
  return slice(pictures, 0, 0, shown);
}

int compare(int argc, char** argv) {
  Options o;
  Cli cli(program, "Compares the families of the library on Fashion-MNIST, with the same time to learn for each.");
  cli.option("--model", o.models, "independent, mixture, VAE, VAE-GAN, GAN, Glow, diffusion, GPT (default: all)");
  cli.option("--minutes", o.minutes, "of processor time for each to learn (default 5)", 1e-4, 10000);
  cli.option("--count", o.count, "pictures of each that are scored (default 1000)", shown, 5000);
  cli.option("--classifier", o.classifier, "weights of train_classifier (default classifier.safetensors)");
  cli.option("--seed", o.seed, "of everything (default 1)");
  cli.option("--sheet", o.sheet, "a PNG: test pictures, then a row a model, two of each class");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default 1)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  const std::vector<Family> entered = chosen(o.models);
  const Contest contest{.train = read_fashion(FashionPart::train),
                        .test = read_fashion(FashionPart::test),
                        .seconds = 60 * o.minutes,
                        .tested = std::min<Index>(500, o.count),
                        .seed = o.seed};
  const Judge judge(o.classifier, contest.test, o.count);

  std::printf(
      "model                bits  Frechet    asked precision  recall  parameters  s a step  steps passes        ms\n");
  print("test set", "", judge.perfect(), "");
  Tensor<Index> real(Shape{shown});  // test pictures in the order of the columns
  for (Index i = 0, at = 0; i < shown; ++at) {
    if (contest.test.labels[at] == i % classes) real.data()[i++] = at;
  }
  std::vector<Tensor<float>> rows = {in_symmetric_interval(rows_of(contest.test.pictures, real))};
  std::vector<std::string> captions(shown);
  captions[0] = "test set";
  const Interrupt interrupt;
  for (const Family& family : entered) {
    if (interrupt()) return exit_interrupted;
    rows.push_back(enter(family, contest, judge, o.count));
    captions.push_back(family.name);
    captions.resize(rows.size() * shown);
    if (!o.sheet.empty())  // after each, so that there is something to look at
      write_png(o.sheet, contact_sheet(as_bytes(concat(std::span<const Tensor<float>>(rows), 0)), captions,
                                       {.columns = static_cast<int>(shown), .upscale = 2, .padding = 3}));
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, compare, argc, argv); }
