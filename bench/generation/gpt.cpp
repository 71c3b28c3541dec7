// Transformers that write, a unit a step over cached keys and values, the likeliest each time; from one unit to the 256th, then
// anew. gpt2 is the shape of GPT-2-124M (Radford et al., 2019), weights in F32, F16, 8 and 4 bits; gpt 6 layers of width 384.
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/nn/save.hpp>

#include "bench/generation/subject.hpp"

namespace generation {
namespace {

constexpr GptConfig large{.vocabulary = 50257, .context = 1024, .layers = 12, .heads = 12, .width = 768};
constexpr GptConfig small{.vocabulary = 256, .context = 256, .layers = 6, .heads = 6, .width = 384};
constexpr Index longest = 256;

/// Weights as a trained network has them rather than as it starts: gains and biases that matter.
Gpt<float> random_gpt(const GptConfig& c) {
  Rng rng(1);
  Gpt<float> net(c, rng);
  for_each_parameter(net, [&](const std::string&, auto& p) {
    if (p.value.rank() == 1) p.value = p.value + init::normal<float>(p.value.shape(), 0.1, rng);
  });
  return net;
}

std::vector<Unit> prompt(Index n, Index vocabulary) {
  std::vector<Unit> units;
  for (Index i = 0; i < n; ++i) units.push_back(static_cast<Unit>((i * 7919 + 13) % vocabulary));
  return units;
}

GptDecoder decoder(const GptConfig& c, const Safetensors& file, WeightFormat format) {
  Rng rng(1);
  Gpt<float> net(c, rng);
  get(file, net, "net");
  return GptDecoder(net, {.weights = format});
}

/// Logits after 16 units, read one by one; a step is one unit.
Subject cached(const GptConfig& c, const Safetensors& file, WeightFormat format) {
  const GptDecoder model = decoder(c, file, format);
  Subject s;
  s.result = [model] {
    const auto units = prompt(16, model.vocabulary());
    auto state = model.begin({units[0]});
    for (std::size_t i = 1; i < units.size(); ++i) model.next(state, units[i]);
    return Tensor<float>::from({model.vocabulary()}, state.logits());
  };
  s.step = [model, state = model.begin({0})]() mutable {
    if (state.cache().length() >= longest) state = model.begin({0});
    const auto logits = state.logits();
    std::size_t best = 0;
    for (std::size_t i = 1; i < logits.size(); ++i) best = logits[i] > logits[best] ? i : best;
    model.next(state, static_cast<Unit>(best));
  };
  return s;
}

/// Logits of all 512 units of a prompt at once.
Subject prefill(const Safetensors& file) {
  const GptDecoder model = decoder(large, file, WeightFormat::f32);
  const auto all = [model, units = prompt(512, model.vocabulary())] {
    Tensor<float> logits;  // [512, V]
    model.begin(units, logits);
    return logits;
  };
  return {[all] { return slice(all(), 0, 506, 512); }, [all] { all(); }};
}

void save(const GptConfig& c, Safetensors& file) { put(file, random_gpt(c), "net"); }

}  // namespace

std::vector<Entry> gpts() {
  std::vector<Entry> all;
  const auto add = [&](const char* name, double items, const char* fixture, const GptConfig& c, auto load) {
    all.push_back({name, "token/s", items, fixture, [c](Safetensors& f) { save(c, f); }, load});
  };
  for (const auto& [name, format] : {std::pair{"gpt2_f32", WeightFormat::f32},
                                     {"gpt2_f16", WeightFormat::f16},
                                     {"gpt2_q8", WeightFormat::q8},
                                     {"gpt2_q4", WeightFormat::q4}}) {
    const WeightFormat stored = format;
    add(name, 1, "gpt2", large, [stored](const Safetensors& f) { return cached(large, f, stored); });
  }
  add("gpt2_prefill", 512, "gpt2", large, [](const Safetensors& f) { return prefill(f); });
  add("gpt", 1, "gpt", small, [](const Safetensors& f) { return cached(small, f, WeightFormat::f32); });
  return all;
}

}  // namespace generation
