// Generation with a Seq2Seq's weights: the source is read once, its keys and values for every layer are kept; then one unit at a
// time, over the cached keys and values of those before, many sequences side by side.
//
//   const Seq2SeqDecoder model(net);
//   auto run = begin_sequence(model, SourceUnits{letters}, Noise{7}, {.length = 30, .end = {seq2seq::end}});
//   auto best = beam_search(model, SourceUnits{letters}, {.width = 5, .length = 30, .end = {seq2seq::end}});
//
// Logits have the bits of the network's own forward pass, whatever runs beside them: every kernel computes a row by itself
// and in the same order.
#pragma once

#include <cstring>
#include <memory>
#include <tessera/autoregressive/cached_attention.hpp>
#include <tessera/autoregressive/seq2seq.hpp>

namespace tessera::inline TESSERA_ISA {

namespace detail {
/// A source as a batch of one. Throws argument_error for none, for too many units and for padding.
inline Tensor<std::int32_t> source_row(const SourceUnits& source, Index most) {
  if (source.units.empty() || static_cast<Index>(source.units.size()) > most)
    throw argument_error("Seq2Seq: a source of " + std::to_string(source.units.size()) + " units, wanted 1 to " +
                         std::to_string(most));
  for (const Unit u : source.units) {
    if (u == seq2seq::padding) throw argument_error("Seq2Seq: unit 0 is padding and stands in no source");
  }
  return padded({&source.units, 1}, seq2seq::padding);
}
/// Units as ids [n]. Throws argument_error for one that is none.
inline Tensor<std::int32_t> target_units(std::span<const Unit> units, Index vocabulary) {
  Tensor<std::int32_t> ids(Shape{static_cast<Index>(units.size())});
  std::int32_t* to = ids.data();
  for (const Unit u : units) {
    if (u < 0 || u >= vocabulary)
      throw argument_error("Seq2Seq: unit " + std::to_string(u) + " is not in [0, " + std::to_string(vocabulary) + ")");
    *to++ = u;
  }
  return ids;
}
/// Row i of x, by itself.
inline Tensor<float> row_of(const Tensor<float>& x, Index i) {
  Tensor<float> y(Shape{x.cols()});
  std::memcpy(y.data(), x.data() + i * x.cols(), static_cast<std::size_t>(x.cols()) * sizeof(float));
  return y;
}
}  // namespace detail

class Seq2SeqDecoder {
 public:
  using Condition = SourceUnits;

  /// The source and the units so far, and the logits of what comes next. A value; copies share caches until they write.
  class State {
   public:
    std::span<const float> logits() const { return logits_.span(); }
    /// Units read so far.
    Index length() const { return said_.length() - 1; }

   private:
    friend class Seq2SeqDecoder;
    KvCache memory_, said_;
    Tensor<float> logits_;  // [V]
  };

  explicit Seq2SeqDecoder(std::shared_ptr<const Seq2Seq<float>> net) : net_(std::move(net)) {}
  explicit Seq2SeqDecoder(Seq2Seq<float> net)
      : Seq2SeqDecoder(std::make_shared<const Seq2Seq<float>>(std::move(net))) {}

  const Seq2SeqConfig& config() const { return net_->config; }
  Index vocabulary() const { return config().target_units; }

  /// Throws argument_error for a source that is empty, too long or holds what is no unit.
  State begin(const SourceUnits& source) const {
    const Tensor<float> memory = net_->encoder(detail::source_row(source, config().source_length)).tokens;  // [1, S, D]
    const KvCache::Config c{
        .layers = config().layers, .heads = config().heads, .width = config().width / config().heads};
    State state;
    state.memory_ = KvCache(c);
    state.said_ = KvCache(c);
    state.memory_.reserve(memory.extent(1));
    for (Index l = 0; l < c.layers; ++l) {
      const auto& cross = net_->blocks[static_cast<std::size_t>(l)].cross;
      put_rows(state.memory_, l, 0, cross.key(memory), cross.value(memory));
    }
    state.memory_.advance(memory.extent(1));
    next(state, seq2seq::end);
    return state;
  }
  void next(State& state, Unit unit) const {
    State* one = &state;
    next({&one, 1}, {&unit, 1});
  }
  /// states[i] reads units[i]. Throws argument_error, with nothing changed, for what is no unit and beyond the length.
  void next(std::span<State* const> states, std::span<const Unit> units) const;

 private:
  std::shared_ptr<const Seq2Seq<float>> net_;
};

inline void Seq2SeqDecoder::next(std::span<State* const> states, std::span<const Unit> units) const {
  const Index n = static_cast<Index>(states.size()), D = config().width;
  if (states.size() != units.size())
    throw argument_error("Seq2Seq: " + std::to_string(units.size()) + " units for " + std::to_string(n) + " sequences");
  Tensor<std::int32_t> positions(Shape{n});
  std::vector<CachedKeys> said, memory;
  for (Index i = 0; i < n; ++i) {
    State& s = *states[static_cast<std::size_t>(i)];
    const Index at = s.said_.length();
    if (at >= config().target_length)
      throw argument_error("Seq2Seq: the sequence is " + std::to_string(at) +
                           " units long, the most the network knows");
    positions.data()[i] = static_cast<std::int32_t>(at);
    said.push_back({&s.said_, at + 1});
    memory.push_back({&s.memory_, s.memory_.length()});
  }
  Tensor<float> x = net_->embedding(detail::target_units(units, vocabulary())) +  // [n, D]
                    gather(net_->positions.weight.value, positions);
  for (State* s : states) s->said_.reserve(1);
  for (Index l = 0; l < config().layers; ++l) {
    const DecoderBlock<float>& block = net_->blocks[static_cast<std::size_t>(l)];
    const Tensor<float> h = block.norm1(x), keys = block.attention.key(h), values = block.attention.value(h);
    for (Index i = 0; i < n; ++i)
      states[static_cast<std::size_t>(i)]->said_.put(l, positions[i], keys.data() + i * D, values.data() + i * D);
    x = x + block.attention.output(attention_cached(block.attention.query(h), l, said));
    x = x + block.cross.output(attention_cached(block.cross.query(block.norm2(x)), l, memory));
    x = x + block.mlp(block.norm3(x));
  }
  const Tensor<float> logits = net_->head(net_->norm(x));  // [n, V]
  for (Index i = 0; i < n; ++i) {
    State& s = *states[static_cast<std::size_t>(i)];
    s.said_.advance(1);
    s.logits_ = detail::row_of(logits, i);
  }
}

static_assert(NextUnits<Seq2SeqDecoder>);

}  // namespace tessera::inline TESSERA_ISA
