// From one sequence to another without a transformer: a GRU that reads both ways, a GRU that writes, and attention between them
// (Bahdanau et al., 2014, arXiv 1409.0473), in the form that attends after the step (Luong et al., 2015, arXiv 1508.04025), which
// lets training do all attention at once.
//
//   memory_i = [forward GRU(x_1 .. x_i); backward GRU(x_S .. x_i)]
//   h_t = GRU(embedding[y_t-1], h_t-1),  h_0 = tanh(bridge [forward's last; backward's last])
//   logits = head(tanh(state(h_t) + attention(h_t, memory)))
//
// Padding never counts: the backward GRU begins at each source's own end, and attention does not see what lies behind it.
#pragma once

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autoregressive/seq2seq_units.hpp>
#include <tessera/nn/attention.hpp>
#include <tessera/nn/config_check.hpp>
#include <tessera/nn/dropout.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/recurrent.hpp>

namespace tessera::inline TESSERA_ISA {

struct RecurrentSeq2SeqConfig {
  Index source_units = 32, target_units = 64;  // vocabularies, unit 0 included
  Index source_length = 32;                    // units at most: what a caller may rely on, the network has no limit
  Index width = 128;                           // of a unit's vector
  Index hidden = 256;                          // of the writing GRU; the reading ones have half of it each
  Index heads = 1;                             // of the attention

  /// Throws argument_error naming the field that makes no sense.
  void check() const {
    const ConfigCheck check{"RecurrentSeq2Seq"};
    check.size("source_units", source_units, 2);
    check.size("target_units", target_units, 2);
    check.size("source_length", source_length);
    check.within("width", width, 1, 65536);
    check.want(hidden >= 2 && hidden <= 65536 && hidden % 2 == 0, "hidden", hidden, "an even number from 2 to 65536");
    check.want(heads >= 1 && hidden % heads == 0, "heads", heads, "a divisor of hidden, " + std::to_string(hidden));
  }
  /// Every field with its name, for files.
  static void fields(auto& self, auto&& see) {
    see("source_units", self.source_units);
    see("target_units", self.target_units);
    see("source_length", self.source_length);
    see("width", self.width);
    see("hidden", self.hidden);
    see("heads", self.heads);
  }
};

namespace detail {

/// Rows [B, T] of a flattened [B * T, ...] that turn each sequence around, padding left where it is; and of the last
/// unit of each, [B].
struct SequenceRows {
  Tensor<std::int32_t> reversed, last;
  Tensor<std::uint8_t> keep;  // [B, T]

  explicit SequenceRows(const Tensor<std::int32_t>& ids)
      : reversed(ids.shape()), last(Shape{ids.extent(0)}), keep(ids.shape()) {
    const Index t = ids.extent(1);
    std::int32_t *r = reversed.data(), *l = last.data();
    std::uint8_t* k = keep.data();
    for (Index b = 0; b < ids.extent(0); ++b) {
      Index length = 0;
      while (length < t && ids[b * t + length] != seq2seq::padding) ++length;
      if (length == 0) throw argument_error("RecurrentSeq2Seq: source " + std::to_string(b) + " is empty");
      for (Index i = 0; i < t; ++i) {
        r[b * t + i] = static_cast<std::int32_t>(b * t + (i < length ? length - 1 - i : i));
        k[b * t + i] = i < length ? 1 : 0;
      }
      l[b] = static_cast<std::int32_t>(b * t + length - 1);
    }
  }
};

inline const Tensor<std::int32_t>& plain_ids(const Tensor<std::int32_t>& ids) { return ids; }
template <class V>
const Tensor<std::int32_t>& plain_ids(const VarIds<V>& ids) {
  return ids.value;
}

}  // namespace detail

template <class T>
struct RecurrentSeq2Seq {
  using Config = RecurrentSeq2SeqConfig;

  Config config;
  Embedding<T> source;  // [source_units, width]
  Gru<T> forward, backward;
  Linear<T> bridge;        // [hidden, hidden]
  Embedding<T> embedding;  // [target_units, width]
  Gru<T> writer;
  Linear<T> state;
  Attention<T> attention;
  Linear<T> head;  // [target_units, hidden]

  RecurrentSeq2Seq(const Config& c, Rng& rng)
      : config(checked(c)),
        source({.count = c.source_units, .width = c.width, .deviation = 0.1}, rng),
        forward({.in = c.width, .hidden = c.hidden / 2}, rng),
        backward({.in = c.width, .hidden = c.hidden / 2}, rng),
        bridge({.in = c.hidden, .out = c.hidden}, rng),
        embedding({.count = c.target_units, .width = c.width, .deviation = 0.1}, rng),
        writer({.in = c.width, .hidden = c.hidden}, rng),
        state({.in = c.hidden, .out = c.hidden}, rng),
        attention({.width = c.hidden, .heads = c.heads}, rng),
        head({.in = c.hidden, .out = c.target_units}, rng) {}

  /// What has been read of a source.
  template <Value X>
  struct Memory {
    X units;                    // [B, S, hidden]
    X first;                    // [B, hidden], the writer's first state
    Tensor<std::uint8_t> keep;  // [B, S]
  };

  /// source [B, S], 0 is padding.
  template <Ids I>
  auto read(const I& ids, Dropout& drop) const {
    if (ids.shape().rank() != 2)
      throw shape_error("RecurrentSeq2Seq: a source [B, S] wanted, shape is " + ids.shape().to_string());
    const detail::SequenceRows rows(detail::plain_ids(ids));
    const auto x = drop(source(ids));  // [B, S, width]
    using X = std::remove_cvref_t<decltype(x)>;
    const auto flat = [](const X& v) { return reshape(v, {v.extent(0) * v.extent(1), v.extent(2)}); };
    const X onward = forward(x), back = backward(gather(flat(x), rows.reversed));
    const X both = concat({onward, gather(flat(back), rows.reversed)}, -1);
    const X ends = concat({gather(flat(onward), rows.last), gather(flat(back), rows.last)}, -1);
    return Memory<X>{drop(both), tanh(bridge(ends)), rows.keep};
  }
  /// The writer's states and what they found in the memory, both [..., hidden] -> logits [..., target_units].
  template <Value X>
  X answer(const X& states, const X& attended, Dropout& drop) const {
    return head(drop(tanh(state(states) + attended)));
  }

  /// source [B, S], target [B, T] from its beginning on, plain or `tape.ids(...)` -> logits of what comes after each
  /// unit of the target, [B, T, target_units].
  template <Ids I>
  auto operator()(const I& ids, const I& target) const {
    Dropout none;
    return (*this)(ids, target, none);
  }
  template <Ids I>
  auto operator()(const I& ids, const I& target, Dropout& drop) const {
    const auto memory = read(ids, drop);
    auto h = memory.first;
    const auto states = drop(writer(drop(embedding(target)), h));  // [B, T, hidden]
    return answer(states, attention(states, memory.units, memory.keep), drop);
  }

  static void members(auto& self, auto&& see) {
    see("source", self.source);
    see("forward", self.forward);
    see("backward", self.backward);
    see("bridge", self.bridge);
    see("embedding", self.embedding);
    see("writer", self.writer);
    see("state", self.state);
    see("attention", self.attention);
    see("head", self.head);
  }
};

}  // namespace tessera::inline TESSERA_ISA
