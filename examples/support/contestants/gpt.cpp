// Pixel by pixel: a small GPT over 4-bit greys in raster order, which begins with the class. A convolutional
// autoregressive model (autoregressive/pixel_cnn.hpp) would stand beside it.
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/generate/sequence.hpp>

#include "examples/support/contestants/learn.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr std::int32_t levels = 16;
constexpr Index pixels = 28 * 28;

/// Bytes [N, 28, 28, 1] -> units [N, 784].
Tensor<std::int32_t> in_a_row(const Tensor<std::uint8_t>& pictures) {
  return as_units(pictures, levels - 1).reshaped({pictures.extent(0), pixels});
}
/// What comes before each unit: the class as a unit of its own, then the pixels but the last.
Tensor<std::int32_t> before_each(const Tensor<std::int32_t>& units, const Tensor<std::int32_t>& labels) {
  Tensor<std::int32_t> x(units.shape());
  std::int32_t* to = x.data();
  for (Index i = 0; i < units.size(); ++i) to[i] = i % pixels == 0 ? levels + labels[i / pixels] : units[i - 1];
  return x;
}

struct GptPixels : Contestant {
  Gpt<float> net;

  explicit GptPixels(Gpt<float> n) : net(std::move(n)) {
    parameters = parameter_count(net);
    passes = pixels;
    remark = "4 bit";
  }

  Tensor<float> draw(const Tensor<std::int32_t>& labels, const Noise& noise) const override {
    SequenceOptions options{.length = pixels};
    for (Unit c = 0; c < 10; ++c) options.choice.banned.push_back(levels + c);
    const GptDecoder decoder(net);
    std::vector<Tensor<float>> parts;
    for (Index at = 0; at < labels.size(); at += 50) {  // caches of so many pictures at a time
      std::vector<std::vector<Unit>> starts;
      std::vector<Noise> noises;
      for (Index i = at; i < std::min(at + 50, labels.size()); ++i) {
        starts.push_back({levels + labels[i]});
        noises.push_back(noise.fork(static_cast<std::uint64_t>(i)));
      }
      parts.push_back(
          pictures_of_levels(SequenceRun<GptDecoder>(decoder, starts, noises, options).finish(), levels - 1));
    }
    return concat(std::span<const Tensor<float>>(parts), 0).reshaped({labels.size(), 28, 28, 1});
  }
  std::optional<double> bits(const Captioned& tested, const Noise&) const override {
    const Tensor<std::int32_t> y = in_a_row(tested.pictures), x = before_each(y, tested.conditions);
    const Index n = y.extent(0);
    double nats = 0;
    for (Index at = 0; at < n; at += 20) {
      const Index end = std::min(at + 20, n);
      nats += static_cast<double>(cross_entropy(net(slice(x, 0, at, end)), slice(y, 0, at, end)).item()) * pixels *
              static_cast<double>(end - at) / static_cast<double>(n);
    }
    return bits_a_number(nats, tested);
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_gpt(const Contest& contest) {
  constexpr Index batch = 4;
  Rng rng(contest.seed);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  Index steps = 0;
  auto done = std::make_unique<GptPixels>(learned(
      Gpt<float>({.vocabulary = levels + 10, .context = pixels, .layers = 3, .heads = 3, .width = 96}, rng), contest,
      [&](auto& tape, const auto& net, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        const Tensor<std::int32_t> y = in_a_row(rows_of(contest.train, items));
        return cross_entropy(net(tape.ids(before_each(y, contest.conditions_of(items, at.noise)))), y);
      },
      adam(3e-3), steps));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
