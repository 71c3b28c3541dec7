// Writing with a OneShotText: one pass of the network for any number of sources.
//
//   const OneShotWriter write(net, {.lengths = 5});
//   auto best = write({source, other}, {Noise{1}, Noise{2}});      // for each source its answers, the likeliest first
//   auto run = write.begin(source, Noise{1});                      // or as a Run, of one step
//
// With lengths = k the k likeliest lengths are answered side by side in the same pass, and ranked by log p(L) + log p(y | L); who
// has a better judge (an autoregressive model, which scores all of them in one pass of its own) may rank them anew: "noisy parallel
// decoding" of Gu et al., 2017, arXiv 1711.02281.
#pragma once

#include <memory>
#include <tessera/autodiff/op/ctc.hpp>
#include <tessera/generate/choice/chooser.hpp>
#include <tessera/generate/run.hpp>
#include <tessera/nonautoregressive/one_shot_text.hpp>
#include <tessera/unit/padded.hpp>

namespace tessera::inline TESSERA_ISA {

struct OneShotOptions {
  ChoiceOptions choice = {.temperature = 0};  // at every place by itself; no rule sees the other places
  Index lengths = 1;                          // how many are tried, for `length`
};

struct OneShotAnswer {
  std::vector<Unit> units;
  double log_probability = 0;  // of the length and the units; for `ctc` of the one row of units and blanks
};

class OneShotWriter {
 public:
  using Condition = std::vector<Unit>;
  using Answers = std::vector<OneShotAnswer>;

  /// Throws argument_error for options out of range.
  explicit OneShotWriter(std::shared_ptr<const OneShotText<float>> net, OneShotOptions options = {})
      : net_(std::move(net)), options_(std::move(options)) {
    options_.choice.check();
    if (options_.lengths < 1 || options_.lengths > net_->config.target_length)
      throw argument_error("OneShotWriter: " + std::to_string(options_.lengths) + " lengths, wanted 1 to " +
                           std::to_string(net_->config.target_length));
  }
  explicit OneShotWriter(OneShotText<float> net, OneShotOptions options = {})
      : OneShotWriter(std::make_shared<const OneShotText<float>>(std::move(net)), std::move(options)) {}

  const OneShotTextConfig& config() const { return net_->config; }
  const OneShotOptions& options() const { return options_; }

  /// All sources in one pass, each with the bits it has alone. Throws argument_error for a source that cannot be read.
  std::vector<Answers> operator()(std::span<const Condition> sources, std::span<const Noise> noises) const;

  class Run;
  inline Run begin(const Condition& source, const Noise& noise) const;

 private:
  struct Place {
    std::int32_t length;
    double log_probability;
  };

  /// The places to answer at, the best first.
  std::vector<Place> places_of(std::size_t source_units, std::span<const float> log_lengths, const Noise& noise) const;
  /// What the chosen row says.
  std::vector<Unit> read(std::vector<Unit> row) const {
    if (config().kind == OneShotKind::ctc) return ctc_collapse(row);
    for (std::size_t i = 0; config().kind == OneShotKind::fixed && i < row.size(); ++i) {
      if (row[i] == 0) row.resize(i);
    }
    return row;
  }

  std::shared_ptr<const OneShotText<float>> net_;
  OneShotOptions options_;
};

inline std::vector<OneShotWriter::Place> OneShotWriter::places_of(std::size_t source_units,
                                                                  std::span<const float> log_lengths,
                                                                  const Noise& noise) const {
  if (log_lengths.empty()) return {{static_cast<std::int32_t>(net_->places(static_cast<Index>(source_units))), 0.0}};
  const auto logits = log_lengths.subspan(1);  // an answer has a unit at least
  if (options_.lengths == 1 && !options_.choice.greedy()) {
    Chooser chooser({.temperature = options_.choice.temperature});
    const Unit chosen = chooser(logits, {}, noise).unit;
    return {{chosen + 1, static_cast<double>(logits[static_cast<std::size_t>(chosen)])}};
  }
  std::vector<Place> best;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const Place place{static_cast<std::int32_t>(i + 1), static_cast<double>(logits[i])};
    std::size_t at = best.size();
    while (at > 0 && best[at - 1].log_probability < place.log_probability) --at;
    best.insert(best.begin() + static_cast<std::ptrdiff_t>(at), place);
    if (static_cast<Index>(best.size()) > options_.lengths) best.pop_back();
  }
  return best;
}

inline std::vector<OneShotWriter::Answers> OneShotWriter::operator()(std::span<const Condition> sources,
                                                                     std::span<const Noise> noises) const {
  if (sources.size() != noises.size())
    throw argument_error("OneShotWriter: " + std::to_string(sources.size()) + " sources for " +
                         std::to_string(noises.size()) + " noises; one each");
  for (const Condition& s : sources) {
    if (s.empty() || static_cast<Index>(s.size()) > config().source_length)
      throw argument_error("OneShotWriter: a source of " + std::to_string(s.size()) + " units, wanted 1 to " +
                           std::to_string(config().source_length));
    for (const Unit u : s) {
      if (u == 0) throw argument_error("OneShotWriter: unit 0 is padding and stands in no source");
    }
  }
  std::vector<Answers> all(sources.size());
  if (sources.empty()) return all;
  Dropout none;
  TextContext<Tensor<float>> memory = net_->read(padded(sources, 0), none);
  Tensor<float> log_lengths;
  if (net_->length) log_lengths = log_softmax(net_->lengths(memory));

  // A row for each source and length
  std::vector<std::int32_t> owner, places;
  std::vector<double> of_length;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    std::span<const float> row;
    if (log_lengths)
      row = log_lengths.span().subspan(i * static_cast<std::size_t>(log_lengths.cols()),
                                       static_cast<std::size_t>(log_lengths.cols()));
    for (const Place& p : places_of(sources[i].size(), row, noises[i].fork(0))) {
      owner.push_back(static_cast<std::int32_t>(i));
      places.push_back(p.length);
      of_length.push_back(p.log_probability);
    }
  }
  const Index rows = static_cast<Index>(owner.size());
  if (rows > static_cast<Index>(sources.size())) {
    const auto index = Tensor<std::int32_t>::from({rows}, owner);
    Tensor<std::uint8_t> keep(Shape{rows, memory.keep.extent(1)});
    for (Index r = 0; r < rows; ++r)
      std::memcpy(keep.data() + r * keep.cols(), memory.keep.data() + index[r] * keep.cols(),
                  static_cast<std::size_t>(keep.cols()));
    memory = {gather(memory.tokens, index), gather(memory.pooled, index), keep};
  }
  const Tensor<float> logits = net_->answer(memory, Tensor<std::int32_t>::from({rows}, places), none);  // [rows, P, V]
  const Tensor<float> log_p = log_softmax(logits);
  const Index v = logits.cols(), wide = logits.extent(1);
  Chooser chooser(options_.choice);
  for (Index r = 0; r < rows; ++r) {
    const auto k = static_cast<std::size_t>(r), i = static_cast<std::size_t>(owner[k]);
    const Noise noise = noises[i].fork(static_cast<std::uint64_t>(1 + all[i].size()));
    OneShotAnswer answer{{}, of_length[k]};
    std::vector<Unit> row;
    for (Index p = 0; p < places[k]; ++p) {
      const Index at = (r * wide + p) * v;
      row.push_back(chooser(logits.span().subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(v)), {},
                            noise.fork(static_cast<std::uint64_t>(p)))
                        .unit);
      answer.log_probability += static_cast<double>(log_p[at + row.back()]);
      if (config().kind == OneShotKind::fixed && row.back() == 0) break;
    }
    answer.units = read(std::move(row));
    std::size_t at = all[i].size();
    while (at > 0 && all[i][at - 1].log_probability < answer.log_probability) --at;
    all[i].insert(all[i].begin() + static_cast<std::ptrdiff_t>(at), std::move(answer));
  }
  return all;
}

/// One step: nothing, then everything.
class OneShotWriter::Run {
 public:
  Run(OneShotWriter writer, Condition source, const Noise& noise)
      : writer_(std::move(writer)), source_(std::move(source)), noise_(noise) {}

  bool step() {
    if (at_ == 1) return false;
    answers_ = writer_({&source_, 1}, {&noise_, 1})[0];
    at_ = 1;
    return true;
  }
  bool done() const { return at_ == 1; }
  Index at() const { return at_; }
  Index total() const { return 1; }
  /// The units of the best answer, [n].
  Tensor<Unit> preview() const {
    const std::vector<Unit> units = answers_.empty() ? std::vector<Unit>() : answers_[0].units;
    return Tensor<Unit>::from({static_cast<Index>(units.size())}, units);
  }
  Tensor<Unit> finish() {
    step();
    return preview();
  }
  const Answers& answers() const { return answers_; }

 private:
  OneShotWriter writer_;
  Condition source_;
  Noise noise_;
  Answers answers_;
  Index at_ = 0;
};

inline OneShotWriter::Run OneShotWriter::begin(const Condition& source, const Noise& noise) const {
  return Run(*this, source, noise);
}

static_assert(Generator<OneShotWriter, OneShotWriter::Condition>);

}  // namespace tessera::inline TESSERA_ISA
