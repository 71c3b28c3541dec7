// Fills with random numbers, beside the standard library; what a draw and a fork cost. 3,072: 32 x 32 RGB.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <tessera/core/noise.hpp>
#include <vector>

using namespace tessera;

namespace {

template <class Fill>
void fill(benchmark::State& state, int use_threads, const Fill& run) {
  const int before = threads();
  if (use_threads > 0) set_threads(use_threads);
  std::vector<float> out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    run(std::span<float>(out));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  set_threads(before);
}

void uniform_one_thread(benchmark::State& state) {
  fill(state, 1, [](std::span<float> out) { Noise{1}.uniform(out); });
}
void normal_one_thread(benchmark::State& state) {
  fill(state, 1, [](std::span<float> out) { Noise{1}.normal(out); });
}
void normal_all_threads(benchmark::State& state) {
  fill(state, 0, [](std::span<float> out) { Noise{1}.normal(out); });
}
void std_uniform(benchmark::State& state) {
  std::mt19937 engine{1};
  std::uniform_real_distribution<float> distribution;
  fill(state, 1, [&](std::span<float> out) {
    for (float& x : out) x = distribution(engine);
  });
}
void std_normal(benchmark::State& state) {
  std::mt19937 engine{1};
  std::normal_distribution<float> distribution;
  fill(state, 1, [&](std::span<float> out) {
    for (float& x : out) x = distribution(engine);
  });
}

void fork_noise(benchmark::State& state) {
  Noise noise{1};
  for (auto _ : state) benchmark::DoNotOptimize(noise = noise.fork(7));
}
void draw_below(benchmark::State& state) {
  const Noise noise{1};
  std::uint64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(noise.below(1000, i++));
}
void permutation(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Noise{1}.permutation(state.range(0)));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

BENCHMARK(uniform_one_thread)->Arg(3072)->Arg(1 << 20);
BENCHMARK(std_uniform)->Arg(1 << 20);
BENCHMARK(normal_one_thread)->Arg(3072)->Arg(1 << 20);
BENCHMARK(normal_all_threads)->Arg(1 << 20)->UseRealTime();
BENCHMARK(std_normal)->Arg(1 << 20);
BENCHMARK(fork_noise);
BENCHMARK(draw_below);
BENCHMARK(permutation)->Arg(60000);
