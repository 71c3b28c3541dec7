// Generation with a RecurrentSeq2Seq's weights, a NextUnit like Seq2SeqDecoder: what is kept of the units so far is one vector.
#pragma once

#include <tessera/autoregressive/recurrent_seq2seq.hpp>
#include <tessera/autoregressive/seq2seq_decoder.hpp>

namespace tessera::inline TESSERA_ISA {

class RecurrentSeq2SeqDecoder {
 public:
  using Condition = SourceUnits;

  /// The source and the units so far, and the logits of what comes next. A value.
  class State {
   public:
    std::span<const float> logits() const { return logits_.span(); }

   private:
    friend class RecurrentSeq2SeqDecoder;
    KvCache memory_;
    Tensor<float> h_;       // [hidden]
    Tensor<float> logits_;  // [V]
  };

  explicit RecurrentSeq2SeqDecoder(std::shared_ptr<const RecurrentSeq2Seq<float>> net) : net_(std::move(net)) {}
  explicit RecurrentSeq2SeqDecoder(RecurrentSeq2Seq<float> net)
      : RecurrentSeq2SeqDecoder(std::make_shared<const RecurrentSeq2Seq<float>>(std::move(net))) {}

  const RecurrentSeq2SeqConfig& config() const { return net_->config; }
  Index vocabulary() const { return config().target_units; }

  /// Throws argument_error for a source that is empty, too long or holds what is no unit.
  State begin(const SourceUnits& source) const {
    Dropout none;
    const auto read = net_->read(detail::source_row(source, config().source_length), none);
    State state;
    state.memory_ = KvCache({.heads = config().heads, .width = config().hidden / config().heads});
    state.memory_.reserve(read.units.extent(1));
    put_rows(state.memory_, 0, 0, net_->attention.key(read.units), net_->attention.value(read.units));
    state.memory_.advance(read.units.extent(1));
    state.h_ = detail::row_of(read.first, 0);
    next(state, seq2seq::end);
    return state;
  }
  void next(State& state, Unit unit) const {
    State* one = &state;
    next({&one, 1}, {&unit, 1});
  }
  /// states[i] reads units[i]. Throws argument_error, with nothing changed, for what is no unit.
  void next(std::span<State* const> states, std::span<const Unit> units) const {
    const Index n = static_cast<Index>(states.size()), H = config().hidden;
    if (states.size() != units.size())
      throw argument_error("Seq2Seq: " + std::to_string(units.size()) + " units for " + std::to_string(n) +
                           " sequences");
    Tensor<float> h(Shape{n, H});
    std::vector<CachedKeys> memory;
    for (Index i = 0; i < n; ++i) {
      const State& s = *states[static_cast<std::size_t>(i)];
      std::memcpy(h.data() + i * H, s.h_.data(), static_cast<std::size_t>(H) * sizeof(float));
      memory.push_back({&s.memory_, s.memory_.length()});
    }
    const Tensor<float> x = net_->embedding(detail::target_units(units, vocabulary()));  // [n, width]
    const Tensor<float> states_now = net_->writer(x.reshaped({n, 1, x.cols()}), h).reshaped({n, H});
    Dropout none;
    const Tensor<float> attended =
        net_->attention.output(attention_cached(net_->attention.query(states_now), 0, memory));
    const Tensor<float> logits = net_->answer(states_now, attended, none);  // [n, V]
    for (Index i = 0; i < n; ++i) {
      State& s = *states[static_cast<std::size_t>(i)];
      s.h_ = detail::row_of(states_now, i);
      s.logits_ = detail::row_of(logits, i);
    }
  }

 private:
  std::shared_ptr<const RecurrentSeq2Seq<float>> net_;
};

static_assert(NextUnits<RecurrentSeq2SeqDecoder>);

}  // namespace tessera::inline TESSERA_ISA
