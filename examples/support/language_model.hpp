// A model that writes, from whatever file there is, and what its units mean:
//
//   a file of train_char_gpt or train_poems      characters, listed in the file
//   a published folder, or safetensors file      config.json and tokenizer.json, or vocab.json and merges.txt, beside it
//   a GGUF file                                  everything in it
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/autoregressive/gpt_file.hpp>

namespace tessera::examples {

/// What units mean: whichever tokenizer it is.
struct Words {
  std::function<std::vector<Unit>(std::string_view)> encode;
  std::vector<std::string> texts;  // of each unit; of a special one its name
  std::vector<bool> special;       // which units stand for no text; empty: none
  std::vector<Unit> end;           // the model's own end of a text
  std::vector<Unit> before;        // what it was taught to see before any text
  Unit start = -1;                 // what an empty prompt begins with
};

struct LanguageModel {
  GptModel model;                           // null for a GGUF file that is used as it is stored
  std::optional<GptDecoderWeights> stored;  // of that file
  Words words;

  const GptConfig& config() const { return stored ? stored->config : model.net->config; }
};

/// `tokenizer`: a tokenizer.json to read in place of what is beside or in the file. `as_stored`: a GGUF file's weights
/// stay in its formats. Throws io_error.
LanguageModel load_language_model(const std::string& path, const std::string& tokenizer = "", bool as_stored = true);

/// The prompt's units, those that the model expects in front of it included; at least one.
std::vector<Unit> prompt_of(const Words& words, std::string_view text);

/// The texts that may come under a grammar: those of all units that stand for one.
std::vector<std::string> plain_texts(const Words& words);

/// f32, f16, q8, q4 and f32, f16, i8. `option` is whose value it is. Throws argument_error that lists them.
WeightFormat weight_format(const char* option, const std::string& name);
CacheFormat cache_format(const char* option, const std::string& name);

}  // namespace tessera::examples
