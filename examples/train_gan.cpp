// Trains a conditional GAN: Fashion-MNIST by class, or emoji by their names with a critic that also judges whether name
// and picture belong together. Stops with Ctrl-C and goes on where it stopped, bit for bit.
//
//   build/examples/train_classifier --output classifier.safetensors
//   build/examples/train_gan --folder run --classifier classifier.safetensors --sheet sheet.png
//   build/examples/train_gan --data emoji --folder run-emoji            --no-matching: for comparison
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <tessera/gan/gan.hpp>
#include <tessera/generate/adversarial.hpp>
#include <tessera/generate/metrics/frechet.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/generate/metrics/precision_recall.hpp>
#include <tessera/io/png.hpp>
#include <tessera/nn/save.hpp>
#include <tessera/train/alternating.hpp>
#include <tessera/train/interrupt.hpp>
#include <tessera/train/sampler.hpp>
#include <tessera/unit/token_learn.hpp>

#include "examples/support/captions.hpp"
#include "examples/support/cli.hpp"
#include "examples/support/contact_sheet.hpp"
#include "examples/support/emoji.hpp"
#include "examples/support/fashion.hpp"
#include "examples/support/gan_models.hpp"
#include "examples/support/nearest_picture.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"
#include "examples/support/training.hpp"

using namespace tessera;
using namespace tessera::examples;

namespace {

constexpr const char* program = "train_gan";
constexpr Index words = 24, vocabulary = 2048;

struct Options {
  std::string data = "fashion", folder = "gan", output, classifier, sheet;
  Index steps = 20000, batch = 64, width = 64, noise = 64, sample_every = 1000, save_every = 1000, report = 50;
  double rate = 2e-4, critic_rate = 4e-4, r1 = 0;
  std::uint64_t seed = 1;
  bool no_matching = false, only_export = false;
};

/// What there is to learn from: pictures in [-1, 1] and a condition each.
struct Source {
  Tensor<float> pictures;
  ConditionConfig condition;
  Index start = 7;                        // side of the generator's smallest maps
  std::vector<std::string> sample_names;  // of the sheet's pictures
  Condition sample;                       // what is asked for on the sheet
  bool text = false;

  virtual ~Source() = default;
  /// The condition of items, drawn where there are several ways to say it.
  virtual Condition conditions(const Tensor<Index>& items, const Noise& noise) const = 0;
};

struct FashionSource : Source {
  Fashion data = read_fashion(FashionPart::train);

  FashionSource() {
    pictures = in_symmetric_interval(data.pictures);
    condition = fashion_condition();
    sample = Condition(Shape{100});
    for (Index i = 0; i < 100; ++i) {
      sample.data()[i] = static_cast<std::int32_t>(i % 10);
      sample_names.push_back(i < 10 ? fashion_classes[static_cast<std::size_t>(i)] : "");
    }
  }
  Condition conditions(const Tensor<Index>& items, const Noise&) const override { return rows_of(data.labels, items); }
};

struct EmojiSource : Source {
  EmojiSet set = read_emoji({.side = 32, .flags = false});
  Captions captions{set.items};
  Tokenizer tokenizer = learn_tokens(captions.corpus(), vocabulary);

  EmojiSource() {
    pictures = in_symmetric_interval(set.pictures);
    condition = {.kind = ConditionConfig::Kind::text, .count = vocabulary, .width = 128};
    start = 4;
    text = true;
    for (Index i = 0; i < 64; ++i)
      sample_names.push_back(captions.canonical(static_cast<int>(i * pictures.extent(0) / 64), Language::english));
    sample = encode(sample_names);
  }
  EmojiSource(const EmojiSource&) = delete;  // the captions refer to the items
  EmojiSource& operator=(const EmojiSource&) = delete;

  Condition encode(const std::vector<std::string>& texts) const {
    return tokenizer.encode(std::span<const std::string>(texts), words);
  }
  Condition conditions(const Tensor<Index>& items, const Noise& noise) const override {
    std::vector<std::string> texts;
    for (Index i = 0; i < items.size(); ++i)
      texts.push_back(captions.draw(static_cast<int>(items[i]), noise.bits(static_cast<std::uint64_t>(i))));
    return encode(texts);
  }
};

std::unique_ptr<Source> source_named(const std::string& name) {
  if (name == "fashion") return std::make_unique<FashionSource>();
  if (name == "emoji") return std::make_unique<EmojiSource>();
  throw argument_error("--data " + quoted(name) + ": wanted fashion or emoji");
}

using Generator_ = DcganGenerator<float>;
using Critic_ = DcganCritic<float>;

PictureGanSettings settings_of(const Options& o, const Source& s) {
  return {.side = s.pictures.extent(1),
          .channels = s.pictures.extent(3),
          .start = s.start,
          .noise = o.noise,
          .width = o.width,
          .condition = s.condition};
}

Tensor<std::uint8_t> as_levels(const Tensor<float>& x) {  // [N, H, W, 1 or 3] -> [N, H, W, 3]
  const Index c = x.cols(), n = x.size() / c;
  Tensor<std::uint8_t> y(x.shape().with(-1, 3));
  std::uint8_t* to = y.data();
  for (Index i = 0; i < n; ++i) {
    for (Index k = 0; k < 3; ++k) {
      const float v = (x[i * c + (c == 1 ? 0 : k)] + 1) * 127.5f + 0.5f;
      to[i * 3 + k] = static_cast<std::uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
    }
  }
  return y;
}

void write_sheet(const std::string& path, const Generator_& net, const Source& s) {
  const Tensor<float> made = generate(Gan(net), s.sample, Noise{42});
  write_png(path, contact_sheet(as_levels(made), s.sample_names,
                                {.columns = s.text ? 8 : 10, .upscale = 2, .padding = s.text ? 8 : 3}));
}

/// Against the test pictures, by the classifier's features and answers.
void score_fashion(const std::string& weights, const Generator_& net) {
  Rng rng(0);
  PictureClassifier<float> judge(rng);
  load(weights, judge);
  const Fashion unseen = read_fashion(FashionPart::test);
  const auto features = [&](const Tensor<float>& x) {
    return in_parts(x, [&](const Tensor<float>& part) { return judge.features(part); });
  };
  std::vector<Tensor<float>> parts;
  for (Index at = 0; at < 10000; at += 500) {
    Condition part(Shape{500});
    std::memcpy(part.data(), unseen.labels.data() + at, 500 * sizeof(std::int32_t));
    parts.push_back(generate(Gan(net), part, Noise{7}.fork(static_cast<std::uint64_t>(at))));
  }
  const Tensor<float> made = concat(std::span<const Tensor<float>>(parts), 0);
  const Tensor<float> real = features(in_symmetric_interval(unseen.pictures)), ours = features(made);
  const double same = agreement(in_parts(ours, [&](const Tensor<float>& f) { return judge.out(f); }), unseen.labels);
  const PrecisionRecall pr = precision_recall(slice(real, 0, 0, 2000), slice(ours, 0, 0, 2000));
  std::printf("Frechet distance %.3f, classifier agreement %.1f %%, precision %.3f, recall %.3f\n",
              frechet_distance(real, ours), 100 * same, pr.precision, pr.recall);
}

/// How often the picture made for a name is nearest to its emoji, or to one of ten.
void score_emoji(const EmojiSource& s, const Generator_& net) {
  std::vector<std::string> names;
  std::vector<Index> answers;
  for (Index i = 0; i < s.pictures.extent(0); i += 8) {
    names.push_back(s.captions.canonical(static_cast<int>(i), Language::english));
    answers.push_back(i);
  }
  const Tensor<float> made = generate(Gan(net), s.encode(names), Noise{7});
  Index first = 0, ten = 0;
  for (const Index rank : NearestPicture(s.set.pictures).ranks(as_levels(made), answers)) {
    first += rank == 0;
    ten += rank < 10;
  }
  const double n = static_cast<double>(names.size()) / 100;
  std::printf("prompt agreement over %zu names: nearest %.1f %%, among the ten nearest %.1f %%\n", names.size(),
              static_cast<double>(first) / n, static_cast<double>(ten) / n);
}

void describe(Cli& cli, Options& o) {
  cli.option("--data", o.data, "fashion (28 x 28 by class) or emoji (32 x 32 by name); default fashion");
  cli.number("--steps", o.steps, "rounds in all, those of earlier runs included", 1, 10'000'000);
  cli.number("--batch", o.batch, "pictures a round", 2, 4096);
  cli.number("--width", o.width, "channels at the largest hidden resolution", 1, 1024);
  cli.number("--noise", o.noise, "numbers the generator draws; 0: none, to see what happens", 0, 4096);
  cli.number("--rate", o.rate, "the generator's learning rate", 0, 1);
  cli.number("--critic-rate", o.critic_rate, "the critic's", 0, 1);
  cli.option("--r1", o.r1, "gamma of R1, every fourth round; 0: none (default)", 0, 1e6);
  cli.option("--seed", o.seed, "of weights, order and noise (default 1)");
  cli.option("--folder", o.folder, "where checkpoints and samples go, and a run goes on from (default gan)");
  cli.option("--output", o.output, "the averaged generator, as safetensors");
  cli.option("--classifier", o.classifier, "weights of train_classifier: scores the fashion at the end");
  cli.option("--sheet", o.sheet, "a PNG of samples at the end");
  cli.number("--sample-every", o.sample_every, "rounds between sheets in the folder; 0: none", 0, 10'000'000);
  cli.number("--save-every", o.save_every, "rounds between checkpoints", 1, 10'000'000);
  cli.number("--report", o.report, "rounds between lines", 1, 10'000'000);
  cli.flag("--no-matching", o.no_matching, "the critic is not shown real pictures under others' conditions");
  cli.flag("--export", o.only_export, "no training: what the newest checkpoint makes");
}

int train_gan(int argc, char** argv) {
  Options o;
  Cli cli(program, "Trains a conditional GAN on the pictures that install from Debian.");
  describe(cli, o);
  if (const auto end = cli.parse(argc, argv)) return *end;
  const std::unique_ptr<Source> source = source_named(o.data);
  const Source& s = *source;
  Rng rng(o.seed);
  Generator_ generator(generator_config(settings_of(o, s)), rng);
  Critic_ critic(critic_config(settings_of(o, s)), rng);
  auto game = adversarial(generator, critic,
                          {.loss = AdversarialLoss::hinge,
                           .r1 = o.r1,
                           .penalty_every = 4,
                           .matching = s.text && !o.no_matching,
                           .augment = {.colour = s.text, .translation = s.text}});
  AlternatingTrainer trainer(game, {.maker = gan_adam(o.rate),
                                    .critic = gan_adam(o.critic_rate),
                                    .run = {.steps = o.steps,
                                            .ema_decay = 0.999,
                                            .seed = o.seed,
                                            .checkpoint = o.folder,
                                            .checkpoint_every = o.save_every,
                                            .keep = 2,
                                            .items = o.batch}});
  const Resumed resumed = go_on(program, trainer, "round");
  if (o.only_export && resumed.step == 0) throw io_error(o.folder + ": no checkpoint to export; train first");
  std::fprintf(stderr, "%lld pictures; %lld parameters in the generator, %lld in the critic\n",
               static_cast<long long>(s.pictures.extent(0)), static_cast<long long>(parameter_count(generator)),
               static_cast<long long>(parameter_count(critic)));

  EpochSampler batches(s.pictures.extent(0), o.batch, o.seed);
  const Interrupt interrupt;
  const auto data = [&](const TrainStep& at) {
    const Tensor<Index> items = batches(at.batch);
    return Examples<float>{rows_of(s.pictures, items), s.conditions(items, at.noise.fork(3))};
  };
  const auto watch = [&](const RoundProgress& p) {
    if (p.step % o.report == 0)
      std::fprintf(stderr, "%s  %s\n", to_string(p).c_str(), to_string(game.diagnosis()).c_str());
    if (o.sample_every > 0 && p.step % o.sample_every == 0)
      write_sheet(o.folder + "/sample-" + std::to_string(p.step) + ".png", *trainer.average(), s);
  };
  if (!o.only_export && trainer.run(data, watch, interrupt) == TrainEnd::interrupted) {
    return say_interrupted(program, trainer, "round");
  }
  const Generator_& best = *trainer.average();
  if (!o.sheet.empty()) write_sheet(o.sheet, best, s);
  if (!o.output.empty())
    save(o.output, best,
         {{"model", "gan"}, {"data", o.data}, {"width", std::to_string(o.width)}, {"noise", std::to_string(o.noise)}});
  if (!o.classifier.empty() && !s.text) score_fashion(o.classifier, best);
  if (s.text) score_emoji(static_cast<const EmojiSource&>(s), best);
  return exit_done;
}

}  // namespace

int main(int argc, char** argv) { return guarded(program, train_gan, argc, argv); }
