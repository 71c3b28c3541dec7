// What a generator or critic makes of a condition: one vector an item.
//
//   labels [B]      a learned vector a class
//   tokens [B, T]   the mean of learned vectors of the tokens that are not padding (0), through one hidden layer:
//                   names of a few words need no order
//   nothing         no vector
#pragma once

#include <tessera/autodiff/op/gather.hpp>
#include <tessera/autodiff/op/relu.hpp>
#include <tessera/generate/critic.hpp>
#include <tessera/nn/embedding.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera::inline TESSERA_ISA {

struct ConditionConfig {
  enum class Kind { none, label, text } kind = Kind::none;
  Index count = 0;   // classes, or words of the vocabulary
  Index width = 64;  // of the vector
};

template <class T>
struct ConditionReader {
  ConditionConfig config;
  std::optional<Embedding<T>> table;  // [count, width]
  std::optional<Linear<T>> hidden;    // text only
  std::optional<Linear<T>> out;

  /// Throws argument_error for a condition of no classes or no width.
  ConditionReader(ConditionConfig c, double deviation, Rng& rng) : config(c) {
    if (c.kind == ConditionConfig::Kind::none) return;
    if (c.count < 1 || c.width < 1)
      throw argument_error("ConditionReader: " + std::to_string(c.count) + " classes or words of width " +
                           std::to_string(c.width) + ", wanted at least 1 of each");
    const bool text = c.kind == ConditionConfig::Kind::text;
    table.emplace(
        typename Embedding<T>::Config{.count = c.count, .width = c.width, .deviation = text ? 1.0 : deviation}, rng);
    if (!text) return;
    hidden.emplace(typename Linear<T>::Config{.in = c.width, .out = c.width}, rng);
    out.emplace(typename Linear<T>::Config{.in = c.width, .out = c.width}, rng);
  }

  Index width() const { return table ? config.width : 0; }

  /// [B, width], as the same kind of value as `like`. Throws argument_error when there is no condition to read.
  template <Value X>
  X operator()(const X& like, const Condition& condition) const {
    if (!table) throw argument_error("ConditionReader: this model takes no condition");
    const bool text = hidden.has_value();
    if (!condition || condition.rank() != (text ? 2 : 1) || condition.extent(0) != like.extent(0))
      throw argument_error(std::string("a condition for ") + std::to_string(like.extent(0)) +
                           " items wanted: " + (text ? "tokens [B, T]" : "labels [B]") + ", found " +
                           (condition ? condition.shape().to_string() : std::string("none")));
    const X each = gather(lift(like, table->weight), condition);  // [B, width] or [B, T, width]
    if (!text) return each;
    const Index b = condition.extent(0), t = condition.extent(1);
    Tensor<ScalarOf<X>> share(Shape{b, t, 1});
    auto* s = share.data();
    for (Index r = 0; r < b; ++r) {
      Index words = 0;
      for (Index i = 0; i < t; ++i) words += condition[r * t + i] != 0;
      for (Index i = 0; i < t; ++i)
        s[r * t + i] = condition[r * t + i] != 0 ? ScalarOf<X>(1) / static_cast<ScalarOf<X>>(words) : ScalarOf<X>(0);
    }
    return (*out)(leaky_relu((*hidden)(sum(each * share, {1})), ScalarOf<X>(0.2)));
  }

  static void members(auto& self, auto&& see) {
    see("table", self.table);
    see("hidden", self.hidden);
    see("out", self.out);
  }
};

}  // namespace tessera::inline TESSERA_ISA
