// The picture model of examples/paint, smaller: flow matching, a U-Net that looks at the words, classifier-free guidance.
#include <tessera/diffusion/flow_matching.hpp>
#include <tessera/diffusion/text_unet.hpp>
#include <tessera/generate/guidance.hpp>
#include <tessera/unit/token.hpp>

#include "examples/support/contestants/denoised.hpp"
#include "examples/support/contestants/learn.hpp"
#include "examples/support/picture_classifier.hpp"
#include "examples/support/rows.hpp"

namespace tessera::examples {

namespace {

constexpr Index solver_steps = 20, longest = 32;
constexpr double guidance = 2, unconditional = 0.1;  // share of the texts left empty in training
constexpr double shift = 1.5;                        // more of the steps near the noise

TextUNetConfig network(const Contest& contest) {
  const Shape item = picture_shape(contest);
  return {.side = item[0],
          .channels = item[2],
          .widths = {32, 64, 96},
          .embedding = 128,
          .text = {.vocabulary = contest.conditions, .length = longest, .width = 128, .layers = 2}};
}
/// What an empty text is.
void empty_row(std::int32_t* row, Index length) {
  for (Index i = 0; i < length; ++i) row[i] = i == 0 ? Tokenizer::begin : i == 1 ? Tokenizer::end : Tokenizer::pad;
}

struct Painter : Contestant {
  TextUNet<float> net;
  Shape item;

  Painter(TextUNet<float> n, const Shape& picture) : net(std::move(n)), item(picture) {
    parameters = parameter_count(net);
    passes = 2 * solver_steps;  // with the text and without
  }

  Tensor<float> draw(const Tensor<std::int32_t>& tokens, const Noise& noise) const override {
    const Index n = tokens.extent(0);
    Tensor<std::int32_t> nothing(tokens.shape());
    for (Index i = 0; i < n; ++i) empty_row(nothing.data() + i * tokens.cols(), tokens.cols());
    const auto context = net.text(tokens), without = net.text(nothing);
    return denoised(detail::normal_rows<float>(forks(noise, n), item), times(solver_steps, shift),
                    [&](const Tensor<float>& x, const Tensor<float>& t) {
                      return guide(net(x, t, context), net(x, t, without), guidance);
                    });
  }
};

}  // namespace

std::unique_ptr<Contestant> learn_painter(const Contest& contest) {
  constexpr Index batch = 32;
  Rng rng(contest.seed);
  EpochSampler batches(contest.train.extent(0), batch, contest.seed);
  Index steps = 0;
  TextUNet<float> net = learned(
      TextUNet<float>(network(contest), rng), contest,
      [&](auto& tape, const auto& unet, const TrainStep& at) {
        const Tensor<Index> items = batches(at.batch);
        Tensor<std::int32_t> tokens = contest.conditions_of(items, at.noise.fork(3));
        for (Index i = 0; i < batch; ++i) {
          if (at.noise.unit(static_cast<std::uint64_t>(i)) < unconditional)
            empty_row(tokens.data() + i * tokens.cols(), tokens.cols());
        }
        const auto b = flow_matching_batch(in_symmetric_interval(rows_of(contest.train, items)), at.noise.fork(4),
                                           {.mean = 0.5, .deviation = 1.2});
        return mse(unet(tape.constant(b.x), b.t, unet.text(tape.ids(tokens))), b.velocity);
      },
      adam(2e-3), steps);
  auto done = std::make_unique<Painter>(std::move(net), picture_shape(contest));
  done->steps = steps;
  return done;
}

}  // namespace tessera::examples
