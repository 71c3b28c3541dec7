// What examples/train_pronounce trains and examples/pronounce speaks with: letters to phonemes by one of five networks, in one
// safetensors file with its kind and size.
//
//   transformer, recurrent    phoneme after phoneme      autoregressive/seq2seq.hpp, recurrent_seq2seq.hpp
//   length, fixed, ctc        all phonemes at once       nonautoregressive/one_shot_text.hpp
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <tessera/autoregressive/recurrent_seq2seq.hpp>
#include <tessera/autoregressive/seq2seq.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/nonautoregressive/one_shot_text.hpp>

#include "examples/support/pronunciation.hpp"

namespace tessera::examples {

enum class PronounceModel { transformer, recurrent, length, fixed, ctc };
inline constexpr const char* pronounce_model_names[] = {"transformer", "recurrent", "length", "fixed", "ctc"};
/// Throws argument_error naming those there are.
PronounceModel pronounce_model_named(const std::string& name);

struct PronounceOptions {
  Index beam = 1;       // beginnings kept by transformer and recurrent; 1: the likeliest phoneme each time
  Index lengths = 1;    // tried side by side by `length`
  double alpha = 0;     // of beam search: 0 ranks by probability, more favours longer answers
  bool scored = false;  // log-probabilities wanted for a beam of 1 too
};

struct PronounceAnswer {
  SpokenUnits phonemes;
  double log_probability = 0;
};
struct PronounceAnswers {
  std::vector<std::vector<PronounceAnswer>> each;  // for each word, the best first
  double passes = 0;                               // of the answering half of the network, a word
};

class Pronouncer {
 public:
  using Net = std::variant<std::shared_ptr<const Seq2Seq<float>>, std::shared_ptr<const RecurrentSeq2Seq<float>>,
                           std::shared_ptr<const OneShotText<float>>>;

  explicit Pronouncer(Net net) : net_(std::move(net)) {}
  /// Throws io_error naming file, field, expected and found.
  static Pronouncer from_file(const Safetensors& file);
  Safetensors to_file(DType stored = DType::f16) const;

  PronounceModel model() const;
  Index parameters() const;
  /// Words of letters' units, many together. Throws argument_error for one that is empty or too long.
  PronounceAnswers operator()(std::span<const SpokenUnits> words, const PronounceOptions& options = {}) const;
  /// log p(answer | word) of pairs, all in one pass. Throws argument_error for a model that is not autoregressive.
  std::vector<double> log_probabilities(std::span<const SpokenUnits> words, std::span<const SpokenUnits> answers) const;

 private:
  Net net_;
};

}  // namespace tessera::examples
