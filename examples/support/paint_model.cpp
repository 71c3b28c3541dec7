#include "examples/support/paint_model.hpp"

#include <tessera/autoregressive/image_gpt_file.hpp>
#include <tessera/diffusion/text_to_image_file.hpp>

namespace tessera::examples {

namespace {

/// Any Run as a Painting, `stride` of its steps at a time.
template <class R>
class PaintingOf final : public Painting {
 public:
  PaintingOf(R run, Index stride) : run_(std::move(run)), stride_(stride) {}

  bool step() override {
    const bool any = run_.step();
    for (Index i = 1; i < stride_ && run_.step(); ++i) {}
    return any;
  }
  bool done() const override { return run_.done(); }
  Index at() const override { return (run_.at() + stride_ - 1) / stride_; }
  Index total() const override { return (run_.total() + stride_ - 1) / stride_; }
  Tensor<float> preview() const override { return run_.preview(); }

 private:
  R run_;
  Index stride_;
};

std::size_t tokens_in(const Tokenizer& tokenizer, const std::string& prompt) {
  return tokenizer.encode(normalise(prompt)).size() + 2;  // begin and end
}

class FlowPainter final : public PaintModel {
 public:
  explicit FlowPainter(const Safetensors& file) : model_(from_file(file, std::type_identity<TextToImage>{})) {}

  PaintKind kind() const override { return PaintKind::flow; }
  PaintJob usual() const override {
    const PaintOptions o;
    return {.kind = kind(), .steps = o.steps, .guidance = o.guidance, .solver = o.solver, .shift = o.shift};
  }
  std::unique_ptr<Painting> begin(std::span<const std::string> texts, std::span<const Noise> noises,
                                  const PaintJob& job) const override {
    auto run = model_.begin(texts, noises,
                            {.steps = job.steps, .guidance = job.guidance, .solver = job.solver, .shift = job.shift});
    return std::make_unique<PaintingOf<TextToImage::Run>>(std::move(run), 1);
  }
  Length length(const std::string& prompt) const override {
    return {tokens_in(model_.tokenizer, prompt), static_cast<std::size_t>(model_.config.text.length)};
  }

 private:
  TextToImage model_;
};

class PixelPainter final : public PaintModel {
 public:
  explicit PixelPainter(const Safetensors& file) : model_(image_gpt_from_file(file)) {}

  PaintKind kind() const override { return PaintKind::image_gpt; }
  PaintJob usual() const override {
    const ImageGptOptions o;
    return {.kind = kind(), .guidance = o.guidance, .temperature = o.choice.temperature, .top_p = o.choice.top_p};
  }
  std::unique_ptr<Painting> begin(std::span<const std::string> texts, std::span<const Noise> noises,
                                  const PaintJob& job) const override {
    auto run = model_.begin(texts, noises,
                            {.guidance = job.guidance, .choice = {.temperature = job.temperature, .top_p = job.top_p}});
    return std::make_unique<PaintingOf<ImageGpt::Run>>(std::move(run), model_.config().side);
  }
  Length length(const std::string& prompt) const override {
    return {tokens_in(model_.tokenizer(), prompt), static_cast<std::size_t>(model_.config().words)};
  }

 private:
  ImageGpt model_;
};

}  // namespace

std::string usual_weights(PaintKind kind) {
  return std::string(TESSERA_WEIGHTS_DIR) + (kind == PaintKind::flow ? "/paint.safetensors" : "/image_gpt.safetensors");
}

std::unique_ptr<PaintModel> paint_model(const Safetensors& file) {
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && format->second == detail::image_gpt_format)
    return std::make_unique<PixelPainter>(file);
  return std::make_unique<FlowPainter>(file);
}

}  // namespace tessera::examples
