// All families of the library on the same pictures with the same time to learn: one table and one contact sheet.
//
//   build/examples/train_classifier --output classifier.safetensors
//   build/examples/compare --minutes 5 --classifier classifier.safetensors --sheet compare.png
//   build/examples/compare --data emoji --minutes 5 --sheet emoji.png
//
//   bits        a number of the pictures, over unseen ones: exact, or a bound (<=), of 256 levels where nothing else is
//               said
//   s a step    of processor time, evaluation left out
//   ms          of processor time to draw a picture among a hundred;  alone: one by itself, the median of five
//
// fashion: Fashion-MNIST by class. The line `test set` is test pictures against other test pictures: what a perfect
// model gets.
//   Frechet, kernel        distances of drawn pictures to the test pictures over the classifier's features: lower is better
//   asked       share that the classifier takes for the class that was asked for
//   precision, recall      how good and how varied (generate/metrics/precision_recall.hpp)
//
// emoji: 32 x 32 pixels by their names in English and Chinese. The line `true pictures` is what a perfect model gets.
//   nearest     share of the names whose true picture is of all emoji the nearest to what was drawn
//               (support/nearest_picture.hpp);  in five: is among the five nearest
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/io/png.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/train/interrupt.hpp>

#include "examples/support/budget.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/contestant.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "compare";
constexpr Index part = 100, fewest = 20;  // pictures drawn at once; scored at least

struct Options {
  std::string data = "fashion";
  std::vector<std::string> models;
  Index threads = 1;
  std::string sheet;
  ContestOptions contest{.classifier = "classifier.safetensors"};
};

void print(const std::string& name, const std::string& bits, const std::string& judged, const std::string& rest) {
  std::printf("%-13s %11s%s  %s\n", name.c_str(), bits.c_str(), judged.c_str(), rest.c_str());
  std::fflush(stdout);
}

Tensor<std::uint8_t> as_rgb(const Tensor<float>& x) {  // [N, H, W, 1 or 3] -> [N, H, W, 3]
  if (x.cols() == 3) return to_8bit(x);
  Tensor<std::uint8_t> y(x.shape().with(-1, 3));
  for (Index i = 0; i < y.size(); ++i) y.data()[i] = to_8bit(x[i / 3]);
  return y;
}

std::vector<Family> chosen(const Contest& contest, const std::vector<std::string>& names) {
  std::vector<Family> found;
  std::string all;
  for (const Family& f : contest.families()) {
    if (names.empty() || std::find(names.begin(), names.end(), f.name) != names.end()) found.push_back(f);
    all += (all.empty() ? "" : ", ") + f.name;
  }
  if (found.size() < names.size()) throw argument_error("--model: there are " + all);
  return found;
}

/// Milliseconds of processor time for one picture by itself, the median of five.
double drawing_alone(const Contestant& model, const Contest& contest) {
  std::vector<double> each;
  for (std::uint64_t i = 0; i < 6; ++i) {
    const double began = processor_seconds();
    model.draw(slice(contest.asked, 0, 0, 1), Noise{contest.seed}.fork(78).fork(i));
    if (i > 0) each.push_back(1000 * (processor_seconds() - began));  // the first warms up
  }
  std::nth_element(each.begin(), each.begin() + 2, each.end());
  return each[2];
}

/// One model: learns, is scored, prints its line; hands over the pictures for its row of the sheet.
Tensor<float> enter(const Family& family, const Contest& contest) {
  double began = processor_seconds();
  const std::unique_ptr<Contestant> model = family.learn(contest);
  const double learning = processor_seconds() - began;
  const auto bits = model->bits(contest.tested, Noise{contest.seed});
  char text[32] = "-", rest[96];
  if (bits)
    std::snprintf(text, sizeof text, "%s%s%.3f", model->remark.c_str(), model->remark.empty() ? "" : " ", *bits);

  std::vector<Tensor<float>> parts;
  const Index count = contest.asked.extent(0);
  began = processor_seconds();
  for (Index at = 0; at < count; at += part)
    parts.push_back(model->draw(slice(contest.asked, 0, at, std::min(at + part, count)),
                                Noise{contest.seed}.fork(77).fork(static_cast<std::uint64_t>(at))));
  const double drawing = processor_seconds() - began;
  const Tensor<float> pictures = concat(std::span<const Tensor<float>>(parts), 0);
  std::snprintf(rest, sizeof rest, "%8lld  %8.4f %6lld %6lld %9.2f %8.2f", static_cast<long long>(model->parameters),
                learning / static_cast<double>(model->steps), static_cast<long long>(model->steps),
                static_cast<long long>(model->passes), 1000 * drawing / static_cast<double>(count),
                drawing_alone(*model, contest));
  print(family.name, text, contest.score(pictures), rest);
  return slice(pictures, 0, 0, contest.shown.extent(0));
}

int compare(int argc, char** argv) {
  Options o;
  Cli cli(program, "Compares the families of the library on the same pictures, with the same time to learn for each.");
  cli.option("--data", o.data, "fashion (by class; default) or emoji (by name)");
  cli.option("--model", o.models,
             "fashion: independent, mixture, VAE, VAE-GAN, GAN, Glow, Glow-GAN, diffusion, few-step, few-step-GAN, "
             "GPT; emoji: "
             "independent, VAE, GAN, GAN-unmatched, diffusion (default: all)");
  cli.option("--minutes", o.contest.minutes, "of processor time for each to learn (default 5)", 1e-4, 10000);
  cli.option("--count", o.contest.count, "pictures of each that are scored (default 1000)", fewest, 5000);
  cli.option("--classifier", o.contest.classifier,
             "fashion: weights of train_classifier (default classifier.safetensors)");
  cli.option("--seed", o.contest.seed, "of everything (default 1)");
  cli.option("--sheet", o.sheet, "a PNG: true pictures, then a row a model");
  cli.option("--threads", o.threads, "threads; 0 is as many as there are CPUs (default 1)", 0, 256);
  if (const auto end = cli.parse(argc, argv)) return *end;
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));
  const std::unique_ptr<Contest> contest = contest_named(o.data, o.contest);
  const std::vector<Family> entered = chosen(*contest, o.models);

  std::printf("model                bits%s  parameters  s a step  steps passes        ms    alone\n",
              contest->heads().c_str());
  print(contest->perfect_name, "", contest->perfect(), "");
  std::vector<Tensor<float>> rows = {contest->shown};
  std::vector<std::string> captions = contest->captions;
  const Interrupt interrupt;
  for (const Family& family : entered) {
    if (interrupt()) return exit_interrupted;
    rows.push_back(enter(family, *contest));
    captions.push_back(family.name);
    captions.resize(rows.size() * contest->captions.size());
    if (!o.sheet.empty())  // after each, so that there is something to look at
      write_png(o.sheet,
                contact_sheet(as_rgb(concat(std::span<const Tensor<float>>(rows), 0)), captions, contest->sheet));
  }
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, compare, argc, argv); }
