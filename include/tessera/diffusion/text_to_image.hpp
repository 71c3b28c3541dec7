// TextToImage: a sentence becomes a picture. Weights, config and tokenizer are one safetensors file.
//
//   auto paint = load<TextToImage>("paint.safetensors");
//   auto picture = generate(paint, "a red heart", Noise{42});          // Tensor<float> [side, side, 3] in [-1, 1]
//   write_png("heart.png", picture);
#pragma once

#include <memory>
#include <span>
#include <string>
#include <tessera/diffusion/solver.hpp>
#include <tessera/diffusion/text_unet.hpp>
#include <tessera/generate/guidance.hpp>
#include <tessera/generate/run.hpp>
#include <tessera/unit/prompt.hpp>
#include <tessera/unit/token.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

/// How to turn noise into a picture.
struct PaintOptions {
  Index steps = 30;     // 1 to 1000
  double guidance = 2;  // classifier-free guidance scale; 1: none
  Solver solver = Solver::multistep;
  double shift = 1.5;  // > 1: more of the steps near the noise
  double clip = 1;     // estimates of the clean picture are cut to [-clip, clip]; 0: not at all
};

/// What to paint: implicitly a string.
struct Prompt {
  std::string text;
  PaintOptions options = {};

  Prompt(std::string t, PaintOptions o = {}) : text(std::move(t)), options(o) {}
  Prompt(const char* t, PaintOptions o = {}) : text(t), options(o) {}
};

/// A template so that it costs only programs that use it.
template <class T>
struct BasicTextToImage {
  using Config = TextUNetConfig;

  Config config;
  Tokenizer tokenizer;
  std::shared_ptr<const TextUNet<T>> net;  // shared: a run keeps it alive, copies are cheap

  /// Several pictures painted at once; item i is bit for bit what it would be alone.
  class Run {
   public:
    bool step() {
      if (done()) return false;
      const std::size_t i = static_cast<std::size_t>(at_++);
      solve_step(options_.solver, Path::straight, state_, times_[i], times_[i + 1],
                 [this](const Tensor<T>& x, const PathPoint& p) { return clean(x, p); });
      return true;
    }
    bool done() const { return at_ >= total(); }
    Index at() const { return at_; }
    Index total() const { return static_cast<Index>(times_.size()) - 1; }
    /// The picture as it is expected to become; after the last step, the picture. [side, side, 3], or [B, ...] for a
    /// batch.
    Tensor<T> preview() const {
      const Tensor<T>& x = done() || !state_.clean ? state_.x : state_.clean;
      return single_ ? x.reshaped(x.shape().without(0)) : x;
    }
    Tensor<T> finish() {
      while (step()) {}
      return preview();
    }

   private:
    friend struct BasicTextToImage;

    Tensor<T> clean(const Tensor<T>& x, const PathPoint& p) const {
      // Both predictions of guidance are one batch: each item comes out as it would alone, and what the network does
      // once a call (transforming weights, packing them) is done once.
      const Index b = x.extent(0);
      const bool guided = options_.guidance != 1;
      const Tensor<T> in = guided ? concat({x, x}, 0) : x;
      Tensor<T> v = (*net_)(in, Tensor<T>(Shape{in.extent(0)}, static_cast<T>(p.t)), context_);
      if (guided) v = guide(slice(v, 0, 0, b), slice(v, 0, b, 2 * b), options_.guidance);
      Tensor<T> x0 = clean_from(Prediction::velocity, v, x, p);
      if (options_.clip > 0) {
        using P = kernel::Pack<T>;
        const T c = static_cast<T>(options_.clip);
        x0 = detail::map(std::move(x0), [c](P u) { return max(P(-c), min(P(c), u)); });
      }
      return x0;
    }

    std::shared_ptr<const TextUNet<T>> net_;
    PaintOptions options_;
    TextContext<Tensor<T>> context_;  // of the texts; with guidance, then of as many empty ones
    SolverState<T> state_;
    std::vector<double> times_;
    Index at_ = 0;
    bool single_ = true;
  };

  /// Throws argument_error for options out of range.
  Run begin(const Prompt& prompt, const Noise& noise) const {
    Run run = begin(std::span<const std::string>(&prompt.text, 1), std::span<const Noise>(&noise, 1), prompt.options);
    run.single_ = true;
    return run;
  }
  /// One picture per text; noises[i] makes picture i.
  Run begin(std::span<const std::string> texts, std::span<const Noise> noises, const PaintOptions& options) const {
    if (texts.empty() || texts.size() != noises.size())
      throw argument_error("TextToImage: " + std::to_string(texts.size()) + " texts for " +
                           std::to_string(noises.size()) + " noises; one each");
    if (options.steps < 1 || options.steps > 1000)
      throw argument_error("TextToImage: steps " + std::to_string(options.steps) + " is not in [1, 1000]");
    if (!(options.guidance >= 0 && options.guidance <= 100))
      throw argument_error("TextToImage: guidance " + std::to_string(options.guidance) + " is not in [0, 100]");
    Run run;
    run.net_ = net;
    run.options_ = options;
    run.single_ = false;
    run.times_ = times(options.steps, options.shift);
    std::vector<std::string> conditions(texts.begin(), texts.end());
    if (options.guidance != 1) conditions.resize(2 * texts.size());
    run.context_ = encode(conditions);
    const Index b = static_cast<Index>(texts.size()), each = config.side * config.side * config.channels;
    run.state_.x = Tensor<T>(Shape{b, config.side, config.side, config.channels});
    T* x = run.state_.x.data();
    for (Index i = 0; i < b; ++i)
      noises[static_cast<std::size_t>(i)].normal(std::span<T>(x + i * each, static_cast<std::size_t>(each)));
    return run;
  }

  TextContext<Tensor<T>> encode(std::span<const std::string> texts) const {
    std::vector<std::string> normal;
    for (const std::string& t : texts) normal.push_back(normalise(t));
    return net->text(tokenizer.encode(std::span<const std::string>(normal), config.text.length));
  }
};

using TextToImage = BasicTextToImage<float>;

}  // namespace tessera::inline TESSERA_ISA
