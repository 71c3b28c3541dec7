// What the contestants' networks are told of a condition. Of a text it is the same for all but the painter, whose U-Net
// looks at every word: the mean of the tokens' learned vectors through one hidden layer, as GANs read
// (gan/condition_reader.hpp).
#pragma once

#include <tessera/gan/condition_reader.hpp>

#include "examples/support/contest.hpp"
#include "examples/support/fashion.hpp"

namespace tessera::examples {

constexpr Index text_width = 128;

inline ConditionConfig condition_of(const Contest& c, Index label_width) {
  using Kind = ConditionConfig::Kind;
  return {.kind = c.text ? Kind::text : Kind::label, .count = c.conditions, .width = c.text ? text_width : label_width};
}

/// Ids, plain or on a tape -> [B, width()]: through a learned reader, or classes as they are, one-hot.
struct ContextReader {
  ConditionReader<float> learned;
  Index classes = 0;  // where nothing is learned

  ContextReader(const ConditionConfig& c, Rng& rng) : learned(c, 1, rng) {}
  /// The text's reader; classes one-hot.
  static ContextReader plain_classes(const Contest& c, Rng& rng) {
    ContextReader reader(c.text ? condition_of(c, 0) : ConditionConfig{}, rng);
    reader.classes = c.conditions;
    return reader;
  }

  Index width() const { return learned.table ? learned.width() : classes; }

  auto operator()(const Ids auto& ids) const {
    const Tensor<float> like(Shape{ids.extent(0), 1}, 0.f);
    if constexpr (requires { ids.tape; })
      return read(ids.tape->constant(like), ids.value);
    else
      return read(like, ids);
  }
  static void members(auto& self, auto&& see) { see("learned", self.learned); }

 private:
  template <Value X>
  X read(const X& like, const Tensor<std::int32_t>& ids) const {
    return learned.table ? learned(like, ids) : lift(like, one_hot(ids, classes));
  }
};

}  // namespace tessera::examples
