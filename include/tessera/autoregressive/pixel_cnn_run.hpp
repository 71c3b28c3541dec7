// Pictures by a PixelCnn, several side by side, a number a step.
//
//   const PixelCnnPainter painter{PixelCnnDecoder(net, 28, 28)};
//   auto run = painter.begin(conditions, noises);             // conditions [B, condition], or empty
//   while (run.step()) show(run.preview());                   // [B, H, W, C] of levels, those to come `unseen`
#pragma once

#include <tessera/autoregressive/pixel_cnn_decoder.hpp>
#include <tessera/generate/sequence.hpp>

namespace tessera::inline TESSERA_ISA {

/// Each picture has the bits it has alone.
class PixelCnnRun {
 public:
  static constexpr std::uint8_t unseen = 128;

  /// Of a sequence whose conditions [B, condition] these are (none: [0]); pictures [B, H, W, C].
  PixelCnnRun(SequenceRun<PixelCnnDecoder> sequence, Tensor<float> conditions, const Shape& shape)
      : sequence_(std::move(sequence)), conditions_(std::move(conditions)), shape_(shape) {}

  bool step() { return sequence_.step(); }
  bool done() const { return sequence_.done(); }
  Index at() const { return sequence_.at(); }
  Index total() const { return sequence_.total(); }
  Tensor<std::uint8_t> preview() const {
    Tensor<std::uint8_t> pictures(shape_, unseen);
    const Index each = shape_.size() / shape_[0];
    for (Index i = 0; i < shape_[0]; ++i) {
      std::uint8_t* to = pictures.data() + i * each;
      for (const Unit u : sequence_.units(i)) *to++ = static_cast<std::uint8_t>(u);
    }
    return pictures;
  }
  Tensor<std::uint8_t> finish() {
    while (step()) {}
    return preview();
  }

 private:
  friend class PictureRunFile;

  SequenceRun<PixelCnnDecoder> sequence_;
  Tensor<float> conditions_;
  Shape shape_;  // [B, H, W, C]
};

struct PixelCnnPainter {
  PixelCnnDecoder model;
  ChoiceOptions choice = {};

  /// noises[i] makes picture i, under row i of the conditions. Throws shape_error, argument_error.
  PixelCnnRun begin(const Tensor<float>& conditions, std::span<const Noise> noises) const {
    const PixelCnnConfig& c = model.config();
    const auto count = static_cast<Index>(noises.size());
    if (c.condition > 0 && conditions.shape() != Shape{count, c.condition})
      throw shape_error("PixelCnn: conditions [" + std::to_string(count) + ", " + std::to_string(c.condition) +
                        "] wanted, shape is " + conditions.shape().to_string());
    const Index numbers = model.height() * model.width() * c.channels;
    const Tensor<float> told = c.condition > 0 ? conditions : Tensor<float>(Shape{0});
    return {SequenceRun<PixelCnnDecoder>(model, each(told, count), noises, {.length = numbers, .choice = choice}), told,
            Shape{count, model.height(), model.width(), c.channels}};
  }
  /// One picture, [1, H, W, C], under a condition [1, condition].
  PixelCnnRun begin(const Tensor<float>& condition, const Noise& noise) const {
    return begin(condition, std::span<const Noise>(&noise, 1));
  }

  /// Rows of conditions, each by itself; empty ones where there are none.
  static std::vector<Tensor<float>> each(const Tensor<float>& conditions, Index count) {
    std::vector<Tensor<float>> rows(static_cast<std::size_t>(count));
    for (Index i = 0; conditions.rank() == 2 && i < count; ++i)
      rows[static_cast<std::size_t>(i)] = slice(conditions, 0, i, i + 1).reshaped({conditions.extent(1)});
    return rows;
  }
};

}  // namespace tessera::inline TESSERA_ISA
