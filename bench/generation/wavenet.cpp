// WaveNet (van den Oord et al., 2016, arXiv 1609.03499), a sample a step with cached queues: 2 x 10 layers with 64 channels and
// 64 to the skips in F32; 3 x 10 layers with 64 and 256, weights in F16.
#include <tessera/autoregressive/wavenet_decoder.hpp>
#include <tessera/nn/save.hpp>

#include "bench/generation/subject.hpp"

namespace generation {
namespace {

constexpr WaveNetConfig small{.residual = 64, .skip = 64, .cycles = 2, .depth = 10};
constexpr WaveNetConfig large{.residual = 64, .skip = 256, .cycles = 3, .depth = 10};

Subject cached(const WaveNetConfig& c, const Safetensors& file, bool half) {
  Rng rng(1);
  WaveNet<float> net(c, rng);
  get(file, net, "net");
  const WaveNetDecoder model(net, {.half = half});
  Subject s;
  s.result = [model] {  // logits after 32 samples
    auto state = model.begin({});
    for (int i = 0; i < 32; ++i) model.next(state, static_cast<Unit>((i * 37 + 100) % 256));
    return Tensor<float>::from({256}, state.logits());
  };
  s.step = [model, state = model.begin({}), unit = Unit{128}]() mutable {
    for (int i = 0; i < 100; ++i) {
      model.next(state, unit);
      const auto logits = state.logits();
      std::size_t best = 0;
      for (std::size_t k = 1; k < logits.size(); ++k) best = logits[k] > logits[best] ? k : best;
      unit = static_cast<Unit>(best);
    }
  };
  return s;
}

void save(const WaveNetConfig& c, Safetensors& file) {
  Rng rng(1);
  put(file, WaveNet<float>(c, rng), "net");
}

}  // namespace

std::vector<Entry> wavenets() {
  return {{"wavenet", "sample/s", 100, "wavenet", [](Safetensors& f) { save(small, f); },
           [](const Safetensors& f) { return cached(small, f, false); }},
          {"wavenet_30_f16", "sample/s", 100, "wavenet_30", [](Safetensors& f) { save(large, f); },
           [](const Safetensors& f) { return cached(large, f, true); }}};
}

}  // namespace generation
