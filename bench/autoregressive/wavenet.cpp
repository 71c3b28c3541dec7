// WaveNet: samples a second of cached generation (one core), and of training. PyTorch, on 2 threads of the reference
// machine: 940 to 1,300 generated, 18,800 trained.
#include <benchmark/benchmark.h>

#include <tessera/autodiff/op/softmax.hpp>
#include <tessera/autoregressive/wavenet_decoder.hpp>

namespace {

using namespace tessera;

constexpr WaveNetConfig small{.residual = 64, .skip = 64, .cycles = 2, .depth = 10};
constexpr WaveNetConfig large{.residual = 64, .skip = 256, .cycles = 3, .depth = 10};

void generate(benchmark::State& state, const WaveNetConfig& config, bool half) {
  Rng rng(1);
  const WaveNet<float> net(config, rng);
  const WaveNetDecoder model(net, {.half = half});
  auto sequence = model.begin({});
  Unit unit = 128;
  for (auto _ : state) {
    for (int i = 0; i < 100; ++i) {
      model.next(sequence, unit);
      unit = sequence.logits()[7] > 0 ? unit * 5 % 256 : unit * 3 % 256;  // depends on the step before
    }
  }
  benchmark::DoNotOptimize(unit);
  state.SetItemsProcessed(state.iterations() * 100);
  state.counters["MB of weights"] = static_cast<double>(model.bytes()) / 1e6;
  state.counters["GFLOP/s"] = benchmark::Counter(
      2.0 * static_cast<double>(model.bytes() / (half ? 2 : 4)) * 100 * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}
BENCHMARK_CAPTURE(generate, small_f32, small, false);
BENCHMARK_CAPTURE(generate, small_f16, small, true);
BENCHMARK_CAPTURE(generate, large_f32, large, false);
BENCHMARK_CAPTURE(generate, large_f16, large, true);

/// Forward and backward over 16,000 samples: the peers' row.
void train(benchmark::State& state) {
  Rng rng(1);
  const WaveNet<float> net(small, rng);
  const Index length = 16000;
  Tensor<std::int32_t> units(Shape{1, length});
  for (Index t = 0; t < length; ++t)
    units.data()[t] = static_cast<std::int32_t>(Noise{1}.below(256, static_cast<std::uint64_t>(t)));
  Tape<Tensor<float>> tape;
  for (auto _ : state) {
    const auto loss = cross_entropy(net(tape.ids(net.delayed(units))), units);
    tape.backward(loss);
    benchmark::DoNotOptimize(loss.value().item());
    tape.clear();
  }
  state.SetItemsProcessed(state.iterations() * length);
}
BENCHMARK(train)->Unit(benchmark::kMillisecond);

}  // namespace
