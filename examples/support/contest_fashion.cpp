#include <algorithm>
#include <cstdio>
#include <optional>

#include <tessera/generate/metrics/frechet.hpp>
#include <tessera/generate/metrics/kernel_distance.hpp>
#include <tessera/generate/metrics/modes.hpp>
#include <tessera/generate/metrics/precision_recall.hpp>
#include <tessera/nn/save.hpp>

#include "examples/support/contestant.hpp"
#include "examples/support/fashion.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index classes = 10, columns = 20;

/// Scores pictures by a classifier's features and answers, against half of the test set; the other half is the mark
/// that a perfect model would get.
class FashionContest : public Contest {
 public:
  explicit FashionContest(const ContestOptions& o) {
    Rng rng(0);
    net_.emplace(rng);
    load(o.classifier, *net_);
    seconds = 60 * o.minutes;
    seed = o.seed;
    Fashion learned = read_fashion(FashionPart::train);
    train = std::move(learned.pictures);
    labels_ = std::move(learned.labels);
    conditions = classes;
    const Fashion test = read_fashion(FashionPart::test);
    const Index likely = std::min<Index>(500, o.count);
    tested = {slice(test.pictures, 0, 0, likely), slice(test.labels, 0, 0, likely)};

    asked = round_robin(o.count);
    Tensor<Index> real(Shape{columns});  // test pictures in the order of the columns
    for (Index i = 0, at = 0; i < columns; ++at) {
      if (test.labels[at] == asked[i]) real.data()[i++] = at;
    }
    shown = in_symmetric_interval(rows_of(test.pictures, real));
    captions.resize(columns);
    captions[0] = "test set";
    sheet = {.columns = static_cast<int>(columns), .upscale = 2, .padding = 3};
    perfect_name = "test set";

    const Index half = test.labels.size() / 2, n = std::min(o.count, half);
    real_ = features(in_symmetric_interval(slice(test.pictures, 0, 0, half)));
    perfect_ =
        of(in_symmetric_interval(slice(test.pictures, 0, half, half + n)), slice(test.labels, 0, half, half + n));
  }

  Tensor<std::int32_t> conditions_of(const Tensor<Index>& items, const Noise&) const override {
    return rows_of(labels_, items);
  }
  std::vector<Family> families() const override {
    return {{"independent", learn_independent},
            {"mixture", learn_mixture},
            {"VAE", learn_vae},
            {"VAE-GAN", learn_vae_gan},
            {"GAN", learn_gan},
            {"Glow", learn_glow},
            {"Glow-GAN", learn_glow_gan},
            {"diffusion", learn_diffusion},
            {"few-step", learn_few_steps},
            {"few-step-GAN", learn_few_steps_gan},
            {"GPT", learn_gpt}};
  }
  std::string heads() const override { return "  Frechet   kernel    asked precision  recall"; }
  std::string score(const Tensor<float>& pictures) const override { return of(pictures, asked); }
  std::string perfect() const override { return perfect_; }

 private:
  /// Labels 0, 1, ... 9, 0, ...
  static Tensor<std::int32_t> round_robin(Index count) {
    Tensor<std::int32_t> labels(Shape{count});
    for (Index i = 0; i < count; ++i) labels.data()[i] = static_cast<std::int32_t>(i % classes);
    return labels;
  }
  Tensor<float> features(const Tensor<float>& pictures) const {
    return in_parts(pictures, [&](const Tensor<float>& x) { return net_->features(x); });
  }
  std::string of(const Tensor<float>& pictures, const Tensor<std::int32_t>& labels) const {
    const Tensor<float> made = features(pictures);
    const Index n = std::min<Index>(2000, std::min(real_.extent(0), made.extent(0)));
    const Tensor<float> some = slice(real_, 0, 0, n), as_many = slice(made, 0, 0, n);
    const PrecisionRecall pr = precision_recall(some, as_many);
    char line[96];
    std::snprintf(line, sizeof line, " %8.2f %8.3f %6.1f %% %9.3f %7.3f", frechet_distance(real_, made),
                  kernel_distance(some, as_many), 100 * agreement(net_->out(made), labels), pr.precision, pr.recall);
    return line;
  }

  Tensor<std::int32_t> labels_;
  std::optional<PictureClassifier<float>> net_;
  Tensor<float> real_;
  std::string perfect_;
};

}  // namespace

std::unique_ptr<Contest> fashion_contest(const ContestOptions& options) {
  return std::make_unique<FashionContest>(options);
}

}  // namespace tessera::examples
