// What a model that takes a context [B, E] is conditioned on, as one module with it: a class by its number, a text
// through a text encoder. The reader is trained along with the model.
//
//   Conditioned net(MlpVae<float>({.context = 16}, rng), ClassReader<float>({.classes = 10, .width = 16}, rng));
//   auto c = net.context(tape.ids(labels));
//   auto loss = elbo(net.model, tape.constant(x), noise, {}, step, c).loss;
//   auto boot = generate(net, Tensor<std::int32_t>::from({1}, {9}), Noise{42});
#pragma once

#include <tessera/generate/latent.hpp>
#include <tessera/nn/text_encoder.hpp>

namespace tessera::inline TESSERA_ISA {

/// Labels [B] -> [B, width].
template <class T>
struct ClassReader {
  struct Config {
    Index classes = 10, width = 16;
  };
  Embedding<T> table;

  ClassReader(Config c, Rng& rng) : table({.count = c.classes, .width = c.width, .deviation = 1}, rng) {}

  auto operator()(const Ids auto& labels) const { return table(labels); }
  static void members(auto& self, auto&& see) { see("table", self.table); }
};

/// Token ids [B, length] -> [B, width].
template <class T>
struct TextReader {
  TextEncoder<T> text;

  TextReader(const TextEncoderConfig& c, Rng& rng) : text(c, rng) {}

  auto operator()(const Ids auto& ids) const { return text(ids).pooled; }
  static void members(auto& self, auto&& see) { see("text", self.text); }
};

template <class Model, class Reader>
struct Conditioned {
  using Scalar = typename decltype(std::declval<Model>().prior(std::span<const Noise>()))::Scalar;

  Model model;
  Reader reader;

  Conditioned(Model m, Reader r) : model(std::move(m)), reader(std::move(r)) {}

  /// [B, E]
  auto context(const Ids auto& condition) const { return reader(condition); }
  Tensor<Scalar> encode(const Tensor<Scalar>& x, const Tensor<std::int32_t>& condition) const {
    return model.encode(x, context(condition));
  }
  Tensor<Scalar> decode(const Tensor<Scalar>& z, const Tensor<std::int32_t>& condition) const {
    return model.decode(z, context(condition));
  }
  /// One object a noise, condition i for object i.
  auto begin(const Tensor<std::int32_t>& conditions, std::span<const Noise> noises) const {
    if (conditions.rank() < 1 || conditions.extent(0) != static_cast<Index>(noises.size()))
      throw shape_error("Conditioned: conditions " + conditions.shape().to_string() + " for " +
                        std::to_string(noises.size()) + " noises; one each wanted");
    return OneShotRun<Model, Scalar>(model, model.prior(noises), context(conditions));
  }
  /// One object of a condition [1, ...].
  auto begin(const Tensor<std::int32_t>& condition, const Noise& noise) const {
    if (condition.rank() < 1 || condition.extent(0) != 1)
      throw shape_error("Conditioned: one condition [1, ...] wanted, shape is " + condition.shape().to_string());
    return OneShotRun<Model, Scalar>(model, model.prior({&noise, 1}), context(condition), true);
  }

  static void members(auto& self, auto&& see) {
    see("model", self.model);
    see("reader", self.reader);
  }
};

}  // namespace tessera::inline TESSERA_ISA
