// Generation with a Gpt: units a second, cached, one sequence and eight; a prompt of 512; and rules of choice over 50,257 units.
//   gpt2     the shape of GPT-2-124M: 12 layers, width 768, 50,257 units, context 1,024
//   small    6 layers, width 384, 6 heads, 65 units, context 256
// Peers: ggml's gpt-2 program and PyTorch, measured outside.
#include <benchmark/benchmark.h>

#include <memory>
#include <tessera/autoregressive/gpt_decoder.hpp>
#include <tessera/generate/choice.hpp>

using namespace tessera;

namespace {

constexpr GptConfig gpt2{.vocabulary = 50257, .context = 1024, .layers = 12, .heads = 12, .width = 768};
constexpr GptConfig small{.vocabulary = 65, .context = 256, .layers = 6, .heads = 6, .width = 384};

/// One decoder at a time: memory is for weights, not for copies.
const GptDecoder& decoder(const GptConfig& config, WeightFormat format, CacheFormat cache = CacheFormat::f32) {
  struct Key {
    Index width;
    WeightFormat format;
    CacheFormat cache;
    bool operator==(const Key&) const = default;
  };
  static std::unique_ptr<GptDecoder> made;
  static Key made_for{};
  const Key key{config.width, format, cache};
  if (!made || !(key == made_for)) {
    made.reset();
    Rng rng(1);
    made = std::make_unique<GptDecoder>(Gpt<float>(config, rng), GptDecoderOptions{.weights = format, .cache = cache});
    made_for = key;
  }
  return *made;
}

std::vector<Unit> prompt(Index n, Index count) {
  std::vector<Unit> u;
  for (Index i = 0; i < n; ++i) u.push_back(static_cast<Unit>(Noise{1}.below(count, static_cast<std::uint64_t>(i))));
  return u;
}

/// Units one by one behind a prompt of `before`; taken back after every 64, so that the cache stays near that length.
void generate(benchmark::State& bench, const GptConfig& config, WeightFormat format, CacheFormat cache, Index before,
              Index sequences) {
  const GptDecoder& model = decoder(config, format, cache);
  std::vector<GptDecoder::State> states(static_cast<std::size_t>(sequences),
                                        model.begin(prompt(before, config.vocabulary)));
  std::vector<GptDecoder::State*> pointers;
  for (auto& s : states) pointers.push_back(&s);
  std::vector<Unit> units(states.size());
  Index n = 0;
  for (auto _ : bench) {
    for (std::size_t i = 0; i < states.size(); ++i)
      units[i] = static_cast<Unit>(kernel::argmax(config.vocabulary, states[i].logits().data()));
    model.next(std::span<GptDecoder::State* const>(pointers), units);
    if (++n % 64 != 0) continue;
    for (auto& s : states) {
      model.rewind(s, 64);
      model.next(s, 1);
      model.rewind(s, 1);
      model.next(s, 2);
      ++n;
    }
    n = 1;
  }
  bench.SetItemsProcessed(bench.iterations() * sequences);
  bench.SetBytesProcessed(bench.iterations() * model.bytes());
}

void prefill(benchmark::State& bench, const GptConfig& config, WeightFormat format) {
  const GptDecoder& model = decoder(config, format);
  const auto first = model.begin({0});
  const auto units = prompt(511, config.vocabulary);
  for (auto _ : bench) {
    auto state = first;
    benchmark::DoNotOptimize(model.extend(state, units));
  }
  bench.SetItemsProcessed(bench.iterations() * 511);
}

void choose(benchmark::State& bench, const ChoiceOptions& options) {
  const auto logits = Noise{3}.normal<float>({50257});
  Tensor<float> sharp = logits.clone();
  for (float& x : sharp.span()) x *= 4;
  Chooser chooser(options);
  const auto history = prompt(200, 50257);
  std::uint64_t i = 0;
  for (auto _ : bench) benchmark::DoNotOptimize(chooser(std::as_const(sharp).span(), history, Noise{i++}));
}

using enum WeightFormat;
using Cache = CacheFormat;
#define CASE(name, ...) BENCHMARK_CAPTURE(__VA_ARGS__)->Name(name)->UseRealTime()->Unit(benchmark::kMillisecond)
CASE("gpt2/f32/at_16", generate, a, gpt2, f32, Cache::f32, 16, 1);
CASE("gpt2/f32/at_900", generate, b, gpt2, f32, Cache::f32, 900, 1);
CASE("gpt2/f32/at_16/eight", generate, c, gpt2, f32, Cache::f32, 16, 8);
CASE("gpt2/f32/prefill_511_all_logits", prefill, d, gpt2, f32);
CASE("gpt2/f32/at_900/cache_f16", generate, e, gpt2, f32, Cache::f16, 900, 1);
CASE("gpt2/f32/at_900/cache_i8", generate, f, gpt2, f32, Cache::i8, 900, 1);
CASE("gpt2/f16/at_16", generate, g, gpt2, f16, Cache::f32, 16, 1);
CASE("gpt2/q8/at_16", generate, h, gpt2, q8, Cache::f32, 16, 1);
CASE("gpt2/q8/prefill_511_all_logits", prefill, i, gpt2, q8);
CASE("gpt2/q4/at_16", generate, j, gpt2, q4, Cache::f32, 16, 1);
CASE("gpt2/q4/at_900/cache_f16", generate, k, gpt2, q4, Cache::f16, 900, 1);
CASE("small/f32/at_128", generate, l, small, f32, Cache::f32, 128, 1);
CASE("small/q8/at_128", generate, m, small, q8, Cache::f32, 128, 1);
#undef CASE
#define CASE(name, ...) BENCHMARK_CAPTURE(choose, __VA_ARGS__)->Name(name)->Unit(benchmark::kMicrosecond)
CASE("choose/greedy", n, {.temperature = 0});
CASE("choose/temperature", o, {.temperature = 0.8});
CASE("choose/top_k_40", p, {.temperature = 0.8, .top_k = 40});
CASE("choose/top_p_0.9", q, {.temperature = 0.8, .top_p = 0.9});
CASE("choose/all", r,
     {.temperature = 0.8,
      .top_k = 100,
      .top_p = 0.9,
      .min_p = 0.02,
      .typical = 0.98,
      .repetition = 1.1,
      .no_repeat = 3,
      .dry = {.multiplier = 0.8}});
#undef CASE

}  // namespace
