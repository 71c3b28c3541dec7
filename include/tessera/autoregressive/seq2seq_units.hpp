// What models from one sequence to another agree on, whatever they are made of.
//
//   source   units 1 ... of its own vocabulary; 0 is padding, at the end of a row only
//   target   units 1 ... of its own vocabulary; 0 begins and ends a sequence
// Training shows the model the target so far and asks for what comes next ("teacher forcing", Williams and Zipser, 1989):
// it reads 0 a b c and should say a b c 0.
#pragma once

#include <string>
#include <tessera/core/error.hpp>
#include <tessera/generate/next_unit.hpp>
#include <tessera/unit/padded.hpp>

namespace tessera::inline TESSERA_ISA {

/// What a sequence is made from. A type of its own: it is no beginning of what comes.
struct SourceUnits {
  std::vector<Unit> units;
};

namespace seq2seq {
inline constexpr Unit padding = 0;  // of sources
inline constexpr Unit end = 0;      // of targets; their beginning too
inline constexpr Unit ignored = -1;
}  // namespace seq2seq

/// B pairs for training.
struct Seq2SeqBatch {
  Tensor<std::int32_t> source;  // [B, S], padding after the end
  Tensor<std::int32_t> read;    // [B, T], the beginning, then the target
  Tensor<std::int32_t> wanted;  // [B, T], the target, then the end, then `ignored`

  /// sources and targets as plain units, without beginning and end.
  Seq2SeqBatch(std::span<const std::vector<Unit>> sources, std::span<const std::vector<Unit>> targets)
      : source(padded(sources, seq2seq::padding)) {
    if (sources.size() != targets.size())
      throw argument_error("Seq2SeqBatch: " + std::to_string(sources.size()) + " sources for " +
                           std::to_string(targets.size()) + " targets; one each");
    std::vector<std::vector<Unit>> before, after;
    for (const auto& t : targets) {
      before.emplace_back(1, seq2seq::end);
      before.back().insert(before.back().end(), t.begin(), t.end());
      after.push_back(t);
      after.back().push_back(seq2seq::end);
    }
    read = padded(before, seq2seq::end);
    wanted = padded(after, seq2seq::ignored);
  }
};

}  // namespace tessera::inline TESSERA_ISA
