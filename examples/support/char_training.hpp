// How the examples train a GPT on characters: the settings they share, and the run with its checkpoints, looks at held-out text
// and curve. What a batch is, and what is held out, each program says itself: train_char_gpt cuts pieces out of one long
// text, train_poems puts poem after poem.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tessera/autoregressive/gpt_file.hpp>
#include <tessera/core/noise.hpp>
#include <tessera/unit/characters.hpp>

#include "examples/support/training_options.hpp"

namespace tessera::examples {

/// The defaults are nanoGPT's recipe for a CPU (Karpathy, 2022) at three times its learning rate.
struct CharTraining : TrainingOptions {
  CharTraining()
      : TrainingOptions{.steps = 2000,
                        .batch = 12,
                        .save_every = 500,
                        .rate = 3e-3,
                        .folder = "run",
                        .output = "char_gpt.safetensors"} {}
  Index layers = 4, heads = 4, width = 128, context = 64, warmup = 100, evaluate_every = 500;
  double floor = 0.1, decay = 0.1, dropout = 0;
  std::string twin;
};

/// Their options, with the values as they stand for defaults.
void describe(Cli& cli, CharTraining& training);

/// `count` pieces of `length` characters, and the character after each of theirs.
struct CharBatch {
  Tensor<std::int32_t> x, y;  // [count, length]
};

/// Piece i is the length + 1 characters from place(i) on.
template <class Place>
CharBatch cut(Index count, Index length, const Place& place) {
  CharBatch b{Tensor<std::int32_t>({count, length}), Tensor<std::int32_t>({count, length})};
  std::int32_t *x = b.x.data(), *y = b.y.data();
  for (Index i = 0; i < count; ++i) {
    const std::int32_t* from = place(i);
    for (Index t = 0; t < length; ++t) {
      x[i * length + t] = from[t];
      y[i * length + t] = from[t + 1];
    }
  }
  return b;
}

struct CharTask {
  std::string data;                                        // what there is to learn, for people
  std::function<CharBatch(const Noise&)> batch = {};       // what a step learns
  std::function<double(const Gpt<float>&)> held_out = {};  // nats a character of what it never saw
  std::string title = "GPT on characters";                 // of the curve
  std::string end = "";                                    // the character that ends a text; none: texts have no end
};

/// The key of a model's metadata that names the character that ends a text.
inline constexpr const char* end_of_text_key = "end";

/// Trains, writes the model in half precision to training.output and says on standard output how good it is; resumes
/// from training.folder. Nothing comes back when Ctrl-C ended it.
std::optional<GptModel> train_characters(const char* program, const CharTraining& training,
                                         const Characters& characters, const CharTask& task);

/// The characters that a model of train_characters has for units. Throws io_error when it is no such model.
Characters characters_of(const GptModel& model, const std::string& file);

}  // namespace tessera::examples
