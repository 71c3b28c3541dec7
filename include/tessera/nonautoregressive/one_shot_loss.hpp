// What a OneShotText is trained on: -log p(y | x), in nats for each unit of the targets, so that the kinds can be compared
// (and with autoregressive models, whose end counts as a unit too).
//
//   length   (-log p(L | x) - sum log p(y_i | x, L)) / units
//   fixed    -sum log p(y_i | x) over the units and the end; what lies behind the end is free
//   ctc      -log of the sum over all ways to say y
#pragma once

#include <tessera/autodiff/op/ctc.hpp>
#include <tessera/nonautoregressive/one_shot_text.hpp>
#include <tessera/unit/padded.hpp>

namespace tessera::inline TESSERA_ISA {

/// Whether a OneShotText of this kind can say a target of a source: others must be left out of training.
inline bool can_say(const OneShotTextConfig& c, std::span<const std::int32_t> source,
                    std::span<const std::int32_t> target) {
  const Index n = static_cast<Index>(target.size()), s = static_cast<Index>(source.size());
  if (s < 1 || s > c.source_length || n < 1) return false;
  if (c.kind == OneShotKind::ctc) return ctc_steps(target) <= c.upsample * s;
  return n + (c.kind == OneShotKind::fixed ? 1 : 0) <= c.target_length;
}

/// sources are `ids` of padded rows, plain or on a tape; targets plain units. Smoothing (Szegedy et al., 2015) does not
/// reach CTC. Throws argument_error for a target that cannot be said.
template <class T, Ids I>
auto one_shot_loss(const OneShotText<T>& net, const I& ids, std::span<const std::vector<std::int32_t>> targets,
                   Dropout& drop, double smoothing = 0) {
  const OneShotTextConfig& c = net.config;
  const auto memory = net.read(ids, drop);
  const Index items = memory.tokens.extent(0), most = memory.tokens.extent(1);
  if (static_cast<Index>(targets.size()) != items)
    throw argument_error("one_shot_loss: " + std::to_string(targets.size()) + " targets for " + std::to_string(items) +
                         " sources");
  Tensor<std::int32_t> places(Shape{items}), counts(Shape{items});
  Index units = 0;
  for (Index i = 0; i < items; ++i) {
    const Index n = static_cast<Index>(targets[static_cast<std::size_t>(i)].size());
    Index read = 0;
    while (read < most && memory.keep[i * most + read] != 0) ++read;
    counts.data()[i] = static_cast<std::int32_t>(n);
    places.data()[i] = static_cast<std::int32_t>(c.kind == OneShotKind::length ? n : net.places(read));
    units += c.kind == OneShotKind::fixed ? n + 1 : n;
  }
  const auto logits = net.answer(memory, places, drop);  // [B, P, V]
  const Index wide = logits.extent(1);
  const T share = static_cast<T>(items) / static_cast<T>(units);
  if (c.kind == OneShotKind::ctc) return ctc(logits, {.units = padded(targets, -1), .steps = places}) * share;
  Tensor<std::int32_t> wanted(Shape{items, wide}, -1);
  for (Index i = 0; i < items; ++i) {
    const auto& target = targets[static_cast<std::size_t>(i)];
    const Index n = counts[i];
    if (n + (c.kind == OneShotKind::fixed ? 1 : 0) > wide)
      throw argument_error("one_shot_loss: target " + std::to_string(i) + " of " + std::to_string(n) +
                           " units does not fit into " + std::to_string(wide) + " places");
    for (Index k = 0; k < n; ++k) wanted.data()[i * wide + k] = target[static_cast<std::size_t>(k)];
    if (c.kind == OneShotKind::fixed) wanted.data()[i * wide + n] = 0;
  }
  const CrossEntropyOptions options{.smoothing = smoothing};
  const auto said = cross_entropy(logits, wanted, options);
  if (c.kind == OneShotKind::fixed) return said;
  return said + cross_entropy(net.lengths(memory), counts, options) * share;
}

}  // namespace tessera::inline TESSERA_ISA
