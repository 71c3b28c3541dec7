// The latent contract for flow matching: the sampler's differential equation dx/dt = v(x, t), run from the picture (t =
// 0) to the noise (t = 1) to encode, and back to decode (DDIM inversion: Song et al., 2020, arXiv 2010.02502; Mokady et
// al., 2022, arXiv 2211.09794).
//
// Both ways take the same `steps` by the midpoint rule, two predictions a step, so that they undo each other up to
// second order; more steps, closer. Guidance is left out: it would bend the path back differently.
#pragma once

#include <tessera/diffusion/text_to_image.hpp>
#include <tessera/generate/latent.hpp>

namespace tessera::inline TESSERA_ISA {

/// TextToImage with one text for all pictures, as a model with encode, decode and prior. Refers to its model.
class PaintLatent {
 public:
  /// Throws argument_error unless 1 <= steps <= 1000.
  PaintLatent(const TextToImage& model, const std::string& text, Index steps = 20)
      : model_(&model), text_(text), steps_(steps) {
    if (steps < 1 || steps > 1000)
      throw argument_error("PaintLatent: steps " + std::to_string(steps) + " is not in [1, 1000]");
  }

  Tensor<float> encode(const Tensor<float>& x, const Tensor<float>& = {}) const { return move(x, 0, 1); }
  Tensor<float> decode(const Tensor<float>& z, const Tensor<float>& = {}) const { return move(z, 1, 0); }
  Tensor<float> prior(std::span<const Noise> noises) const {
    const auto& c = model_->config;
    return detail::normal_rows<float>(noises, {c.side, c.side, c.channels});
  }

 private:
  Tensor<float> move(Tensor<float> x, double from, double to) const {
    const Index b = x.extent(0);
    const auto context = model_->encode(std::vector<std::string>(static_cast<std::size_t>(b), text_));
    const double h = (to - from) / static_cast<double>(steps_);
    const auto velocity = [&](const Tensor<float>& at, double t) {
      return (*model_->net)(at, Tensor<float>(Shape{b}, static_cast<float>(t)), context);
    };
    for (Index i = 0; i < steps_; ++i) {
      const double t = from + h * static_cast<double>(i);
      const Tensor<float> middle = x + velocity(x, t) * static_cast<float>(h / 2);
      x = std::move(x) + velocity(middle, t + h / 2) * static_cast<float>(h);
    }
    return x;
  }

  const TextToImage* model_;
  std::string text_;
  Index steps_;
};

}  // namespace tessera::inline TESSERA_ISA
