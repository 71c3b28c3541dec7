// A few normals of low rank a class, by expectation and maximisation.
#include <tessera/autodiff/op/compare.hpp>
#include <tessera/flow/flow.hpp>
#include <tessera/nonautoregressive/gaussian_mixture.hpp>

#include "examples/support/contestants/learn.hpp"

namespace tessera::examples {

namespace {

constexpr Index pixels = 28 * 28, components = 2, rank = 50;

struct MixturePixels : Contestant {
  ConditionalMixture mixture;

  explicit MixturePixels(ConditionalMixture m) : mixture(std::move(m)) {
    parameters = 10 * components * (pixels * (rank + 1) + 2);
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    std::vector<Tensor<float>> each;
    for (Index i = 0; i < labels.size(); ++i) {
      const Noise own = noise.fork(static_cast<std::uint64_t>(i));
      each.push_back(mixture[labels[i]].sample({&own, 1}));
    }
    const Tensor<float> x = concat(std::span<const Tensor<float>>(each), 0).reshaped({labels.size(), 28, 28, 1});
    return clamp(x * 2.f - 1.f, -1.f, 1.f);
  }
  std::optional<double> bits(const Captioned& tested, const Noise& noise) const override {
    const Index n = tested.pictures.extent(0);
    const Tensor<float> x = dequantise<float>(tested.pictures, 256, noise).reshaped({n, pixels});
    double nats = 0;
    for (Index i = 0; i < n; ++i)
      nats += mixture[tested.conditions[i]].log_prob(slice(x, 0, i, i + 1)).item() / static_cast<double>(n);
    return bits_a_dimension(nats, pixels, 256);
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_mixture(const Contest& contest) {
  const Noise noise{contest.seed};
  const Index count = contest.train.extent(0);
  const Tensor<float> x = dequantise<float>(contest.train, 256, noise.fork(1)).reshaped({count, pixels});
  Tensor<Index> all(Shape{count});
  for (Index i = 0; i < count; ++i) all.data()[i] = i;
  const Tensor<std::int32_t> classes = contest.conditions_of(all, noise);
  const auto fit = [&](const Tensor<float>& data, const Tensor<std::int32_t>& labels, Index rounds) {
    return ConditionalMixture(data, labels, 10,
                              {.components = components,
                               .covariance = GaussianMixtureConfig::Covariance::low_rank,
                               .rank = rank,
                               .rounds = rounds,
                               .tolerance = 0.01,
                               .least = 1e-4},
                              noise);
  };
  // A round costs the same whatever it finds: as many as the time allows. The start is one more.
  const double began = processor_seconds();
  auto mixture = fit(x, classes, 1);
  const double one = processor_seconds() - began;
  const auto rounds = static_cast<Index>(contest.seconds / one);
  if (rounds > 2) mixture = fit(x, classes, rounds - 2);
  auto done = std::make_unique<MixturePixels>(std::move(mixture));
  done->steps = rounds > 2 ? rounds - 2 : 1;
  return done;
}

}  // namespace tessera::examples
