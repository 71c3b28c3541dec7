// Causal attention, forward, and forward with the adjoint; full cost counted, as if nothing were masked.
#include <memory>
#include <tessera/autodiff/op/attention.hpp>

#include "bench/ops/op.hpp"

namespace ops {
namespace {

Op causal(Index batch, Index length, Index width, Index heads, bool adjoint) {
  const auto q = numbers({batch, length, width}, 1), k = numbers({batch, length, width}, 2),
             v = numbers({batch, length, width}, 3), seed = numbers({batch, length, width}, 4);
  const auto y = std::make_shared<Tensor<float>>();
  const AttentionOptions o{.heads = heads, .causal = true};
  Op op{std::string(adjoint ? "attention_both_" : "attention_") + std::to_string(batch) + "x" + std::to_string(length) +
            "_d" + std::to_string(width) + "_h" + std::to_string(heads),
        "GFLOP/s",
        (adjoint ? 12e-9 : 4e-9) * static_cast<double>(batch * length * length * width),
        {}};
  op.sides.push_back(
      {"tessera",
       [=] {
         if (!adjoint) {
           *y = attention(q, k, v, o);
           return;
         }
         Tape<Tensor<float>> tape;
         const auto a = tape.input(q), b = tape.input(k), c = tape.input(v);
         tape.backward(attention(a, b, c, o), seed);
         *y = tape.take_gradient(a);
       },
       [=] { return std::span<const float>(std::as_const(*y).data(), static_cast<std::size_t>(y->size())); }});
  return op;
}

}  // namespace

std::vector<Make> attentions() {
  std::vector<Make> all;
  for (const bool adjoint : {false, true}) {
    all.push_back([=] { return causal(8, 256, 384, 6, adjoint); });
    all.push_back([=] { return causal(1, 1024, 768, 12, adjoint); });
  }
  return all;
}

}  // namespace ops
