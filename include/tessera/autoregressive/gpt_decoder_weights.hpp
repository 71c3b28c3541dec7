// The weights of a Gpt as a decoder wants them (gpt_decoder.hpp): what is multiplied by the same vector in one matrix, in F32,
// F16, 8 or 4 bits (nn/quantized_linear.hpp). Made from a network, or filled in by whoever reads a file of quantised weights.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autoregressive/gpt.hpp>
#include <tessera/autoregressive/kv_cache.hpp>
#include <tessera/nn/quantized_linear.hpp>
#include <vector>

namespace tessera::inline TESSERA_ISA {

struct GptDecoderOptions {
  WeightFormat weights = WeightFormat::f32;
  WeightFormat head = WeightFormat::f32;  // of the embedding's or head's matrix, the most sensitive one
  bool head_as_weights = true;            // `weights` for the head too
  CacheFormat cache = CacheFormat::f32;
};

/// What a decoder is made of.
struct GptDecoderWeights {
  struct Norm {
    Tensor<float> gain, bias;  // [width]; bias may be empty
  };
  struct Layer {
    Norm norm1;
    QuantizedLinear query_key_value;  // rows of query, then key, then value
    QuantizedLinear output;
    Norm norm2;
    QuantizedLinear up;  // swiglu: rows of gate, then up
    QuantizedLinear down;
  };
  /// What a unit that came before the last one adds to the input (a picture's pixel above, say).
  struct Earlier {
    Index back;               // by how many units
    Tensor<float> embedding;  // [V + 1, D]; the last row: there was no such unit
  };
  GptConfig config;
  QuantizedLinear head;
  Tensor<float> embedding;  // [V, D]; empty: the head's rows
  Tensor<float> positions;  // [context, D]; empty: rotary
  std::vector<Earlier> earlier = {};
  std::vector<Layer> layers;
  Norm norm;
};

namespace detail {

template <class... Layers>
QuantizedLinear side_by_side(WeightFormat format, const Linear<float>& first, const Layers&... more) {
  if constexpr (sizeof...(Layers) == 0) {
    return QuantizedLinear(first, format);
  } else {
    Tensor<float> bias;
    if (first.bias) bias = concat({first.bias->value, more.bias->value...}, 0);
    return QuantizedLinear(concat({first.weight.value, more.weight.value...}, 0), bias, format);
  }
}

}  // namespace detail

template <class T>
GptDecoderWeights decoder_weights(const Gpt<T>& net, const GptDecoderOptions& o = {}) {
  const auto norm = [](const GptNormLayer<T>& n) {
    return GptDecoderWeights::Norm{n.weight.value, n.bias ? n.bias->value : Tensor<T>()};
  };
  GptDecoderWeights w;
  w.config = net.config;
  const WeightFormat head = o.head_as_weights ? o.weights : o.head;
  w.head = net.head ? QuantizedLinear(*net.head, head) : QuantizedLinear(net.embedding.weight.value, {}, head);
  if (net.head) w.embedding = net.embedding.weight.value;
  if (net.positions) w.positions = net.positions->weight.value;
  for (const GptBlock<T>& b : net.blocks) {
    const auto& a = b.attention;
    w.layers.push_back({norm(b.norm1), detail::side_by_side(o.weights, a.query, a.key, a.value),
                        detail::side_by_side(o.weights, a.output), norm(b.norm2),
                        b.mlp.gate ? detail::side_by_side(o.weights, *b.mlp.gate, b.mlp.up)
                                   : detail::side_by_side(o.weights, b.mlp.up),
                        detail::side_by_side(o.weights, b.mlp.down)});
  }
  w.norm = norm(net.norm);
  return w;
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template GptDecoderWeights decoder_weights(const Gpt<float>&, const GptDecoderOptions&);
#endif

}  // namespace tessera::inline TESSERA_ISA
