// The models that examples/paint paints with, behind one interface; the weights file says which of them it is.
//
//   flow        flow matching: noise becomes the picture in some steps (train_paint)
//   image_gpt   one pixel after the other, row by row (train_image_gpt)
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tessera/core/noise.hpp>
#include <tessera/io/safetensors.hpp>

#include "examples/support/paint_job.hpp"

namespace tessera::examples {

/// Some pictures being painted side by side; each comes out as it would alone.
class Painting {
 public:
  virtual ~Painting() = default;
  /// On to the next version worth showing: one step of denoising, or one more row. False when there was none.
  virtual bool step() = 0;
  virtual bool done() const = 0;
  virtual Index at() const = 0;
  virtual Index total() const = 0;
  /// [B, side, side, 3] in [-1, 1]
  virtual Tensor<float> preview() const = 0;
};

class PaintModel {
 public:
  virtual ~PaintModel() = default;
  virtual PaintKind kind() const = 0;
  /// The settings that it paints best with.
  virtual PaintJob usual() const = 0;
  /// One picture per text, all with the settings of `job`.
  virtual std::unique_ptr<Painting> begin(std::span<const std::string> texts, std::span<const Noise> noises,
                                          const PaintJob& job) const = 0;
  /// How many tokens a prompt has, and how many of them the model reads.
  struct Length {
    std::size_t tokens, read;
  };
  virtual Length length(const std::string& prompt) const = 0;
};

/// The weights of the examples for a kind of model.
std::string usual_weights(PaintKind kind);

/// Throws io_error for a file that is of none of them, and as their readers do.
std::unique_ptr<PaintModel> paint_model(const Safetensors& file);

}  // namespace tessera::examples
