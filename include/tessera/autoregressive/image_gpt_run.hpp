// ImageGpt: a sentence becomes a picture, pixel by pixel. Weights, palette and tokenizer are one file
// (image_gpt_file.hpp).
//
//   const ImageGpt paint = load_image_gpt("image_gpt.safetensors");
//   auto run = paint.begin("a red heart", Noise{42});
//   while (run.step()) show(run.preview());                   // [side, side, 3] in [-1, 1], what is yet to come is grey
//
// Each step is one of the one Run of all autoregressive models (generate/sequence.hpp), with its choice of units and
// its guidance: logits = u + s (c - u), where u are those under an empty caption.
#pragma once

#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/image_gpt.hpp>
#include <tessera/generate/sequence.hpp>
#include <tessera/io/pixels.hpp>
#include <tessera/unit/colour_palette.hpp>
#include <tessera/unit/prompt.hpp>
#include <tessera/unit/token.hpp>

namespace tessera::inline TESSERA_ISA {

/// What a picture is begun with.
struct PixelCondition {
  Tensor<float> prefix;  // what stands before the pixels, [words + 1, D]
  GptHints draft = {};   // what the draft says of each, if the network has one
};

/// The network as a NextUnit.
class PixelWriter {
 public:
  using Condition = PixelCondition;
  using State = GptDecoder::State;

  explicit PixelWriter(const ImageGptNet<float>& net, const GptDecoderOptions& o = {})
      : decoder_(weights(net, o), o.cache) {}

  State begin(const Condition& c) const { return decoder_.begin(c.prefix, c.draft); }
  void next(State& state, Unit unit) const { decoder_.next(state, unit); }
  void next(std::span<State* const> states, std::span<const Unit> units) const { decoder_.next(states, units); }
  Index vocabulary() const { return decoder_.vocabulary(); }

 private:
  static GptDecoderWeights weights(const ImageGptNet<float>& net, const GptDecoderOptions& o) {
    GptDecoderWeights w = decoder_weights(net.gpt, o);
    w.positions = net.places(Tensor<float>());
    for (std::size_t i = 0; i < net.earlier.size(); ++i)
      w.earlier.push_back({net.back(net.config)[i], net.earlier[i].weight.value});
    return w;
  }

  GptDecoder decoder_;
};

struct ImageGptOptions {
  double guidance = 1;  // none; more makes colours likely that both captions hold for next to impossible
  ChoiceOptions choice = {};
  Tensor<std::uint8_t> upper = {};  // [h, side, 3]: the first h rows, given; the run goes on from there
};

class ImageGpt {
 public:
  /// Throws argument_error when the parts do not fit each other.
  ImageGpt(std::shared_ptr<const ImageGptNet<float>> net, ColourPalette palette, Tokenizer tokenizer)
      : net_(std::move(net)), palette_(std::move(palette)), tokenizer_(std::move(tokenizer)), writer_(*net_) {
    if (palette_.size() > config().colours)
      throw argument_error("ImageGpt: a palette of " + std::to_string(palette_.size()) + " colours for a network of " +
                           std::to_string(config().colours));
    if (tokenizer_.size() > config().text.vocabulary)
      throw argument_error("ImageGpt: a tokenizer of " + std::to_string(tokenizer_.size()) +
                           " tokens for a network of " + std::to_string(config().text.vocabulary));
  }

  const ImageGptConfig& config() const { return net_->config; }
  const ImageGptNet<float>& net() const { return *net_; }
  const ColourPalette& palette() const { return palette_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const PixelWriter& writer() const { return writer_; }

  /// Several pictures side by side; item i is bit for bit what it would be alone. A step is a pixel.
  class Run {
   public:
    bool step() { return sequence_.step(); }
    bool done() const { return sequence_.done(); }
    Index at() const { return sequence_.at(); }
    Index total() const { return sequence_.total(); }
    /// [side, side, 3] in [-1, 1], or [B, ...] for a batch: the pixels so far, the others 0.
    Tensor<float> preview() const {
      const Index b = sequence_.count(), each = side_ * side_ * 3;
      Tensor<float> pictures(single_ ? Shape{side_, side_, 3} : Shape{b, side_, side_, 3}, 0.f);
      for (Index i = 0; i < b; ++i) {
        float* to = pictures.data() + i * each;
        for (const Unit unit : sequence_.units(i)) {
          for (int c = 0; c < 3; ++c)
            *to++ = from_8bit(static_cast<std::uint8_t>(channel(palette_[static_cast<std::size_t>(unit)], c)));
        }
      }
      return pictures;
    }
    Tensor<float> finish() {
      while (step()) {}
      return preview();
    }
    /// The colours chosen so far for picture i, and the sum of their log-probabilities.
    std::span<const Unit> units(Index i = 0) const { return sequence_.units(i); }
    double log_probability(Index i = 0) const { return sequence_.log_probability(i); }
    /// What the pictures were asked for by.
    const std::vector<std::string>& texts() const { return texts_; }

   private:
    friend class ImageGpt;
    friend class PictureRunFile;
    Run(SequenceRun<PixelWriter> sequence, std::vector<std::string> texts, ColourPalette palette, Index side,
        bool single)
        : sequence_(std::move(sequence)),
          texts_(std::move(texts)),
          palette_(std::move(palette)),
          side_(side),
          single_(single) {}

    SequenceRun<PixelWriter> sequence_;
    std::vector<std::string> texts_;
    ColourPalette palette_;
    Index side_;
    bool single_;
  };

  /// Throws argument_error for options out of range, shape_error for upper rows of another width.
  Run begin(const std::string& text, const Noise& noise, const ImageGptOptions& options = {}) const {
    return begin({&text, 1}, {&noise, 1}, options, true);
  }
  /// One picture per text; noises[i] makes picture i.
  Run begin(std::span<const std::string> texts, std::span<const Noise> noises,
            const ImageGptOptions& options = {}) const {
    return begin(texts, noises, options, false);
  }

  /// What the picture of each text is begun with.
  std::vector<PixelCondition> conditions(std::span<const std::string> texts) const {
    std::vector<PixelCondition> each;
    if (texts.empty()) return each;
    const TextContext<Tensor<float>> captions = read(texts);
    const Tensor<float> prefix = net_->prefix(captions);
    PixelDraft<Tensor<float>> drafts;
    if (net_->draft) drafts = (*net_->draft)(captions.pooled);
    for (Index i = 0; i < prefix.extent(0); ++i) {
      const auto item = [i](const Tensor<float>& all) {
        return all ? slice(all, 0, i, i + 1).reshaped(all.shape().without(0)) : Tensor<float>();
      };
      each.push_back({item(prefix), {item(drafts.vectors), item(drafts.logits)}});
    }
    return each;
  }

 private:
  friend class PictureRunFile;

  Run begin(std::span<const std::string> texts, std::span<const Noise> noises, const ImageGptOptions& options,
            bool single) const {
    SequenceOptions o{.length = config().pixels(), .choice = options.choice, .guidance = options.guidance};
    for (Index c = palette_.size(); c < config().colours; ++c) o.choice.banned.push_back(static_cast<Unit>(c));
    if (options.upper) {
      const Shape& s = options.upper.shape();
      if (s.rank() != 3 || s[0] > config().side || s[1] != config().side || s[2] != 3)
        throw shape_error("ImageGpt: upper rows [h, " + std::to_string(config().side) + ", 3] wanted, shape is " +
                          s.to_string());
      const Tensor<std::int32_t> units = palette_.encode(options.upper);
      o.forced.assign(units.data(), units.data() + units.size());
    }
    const std::string nothing;
    const std::vector<PixelCondition> without =
        options.guidance == 1 ? std::vector<PixelCondition>() : conditions({&nothing, 1});
    return Run(SequenceRun<PixelWriter>(writer_, conditions(texts), noises, o, without), {texts.begin(), texts.end()},
               palette_, config().side, single);
  }
  TextContext<Tensor<float>> read(std::span<const std::string> texts) const {
    std::vector<std::string> normal;
    for (const std::string& t : texts) normal.push_back(normalise(t));
    return net_->text(tokenizer_.encode(std::span<const std::string>(normal), config().words));
  }

  std::shared_ptr<const ImageGptNet<float>> net_;
  ColourPalette palette_;
  Tokenizer tokenizer_;
  PixelWriter writer_;
};

}  // namespace tessera::inline TESSERA_ISA
