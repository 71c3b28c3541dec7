// The elementary functions and the simplest maps and reductions, beside the plain loop over libm, in items a second.
// 4,096 floats stay in L1; 1 M and 16 M show what memory allows.
#include <benchmark/benchmark.h>
#include <cmath>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/math.hpp>
#include <tessera/kernel/reduce.hpp>
#include <vector>

using namespace tessera;
using kernel::F;

namespace {

std::vector<float> numbers(Index n, double low, double high) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(low + (high - low) * static_cast<double>(i * 2654435761u % 65536u) / 65536.0);
  return x;
}

template <class Fn>
void map(benchmark::State& state, Fn f, double low, double high) {
  const Index n = state.range(0);
  const auto x = numbers(n, low, high);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    kernel::map(n, x.data(), y.data(), f);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n);
}

template <class Fn>
void plain_map(benchmark::State& state, Fn f, double low, double high) {
  const Index n = state.range(0);
  const auto x = numbers(n, low, high);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = f(x[i]);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n);
}

template <class Fn>
void reduce(benchmark::State& state, Fn f) {
  const Index n = state.range(0);
  const auto x = numbers(n, -1, 1);
  for (auto _ : state) benchmark::DoNotOptimize(f(n, x.data()));
  state.SetItemsProcessed(state.iterations() * n);
}

float plain_sum(Index n, const float* x) {
  float total = 0;
  for (Index i = 0; i < n; ++i) total += x[i];
  return total;
}
float plain_gelu(float x) { return 0.5f * x * std::erfc(-0.70710678f * x); }
float plain_silu(float x) { return x / (1 + std::exp(-x)); }

const auto sizes = [](benchmark::internal::Benchmark* b) { b->Arg(4096)->Arg(1 << 20)->Arg(1 << 24)->UseRealTime(); };

}  // namespace

BENCHMARK_CAPTURE(
    map, exp, [](F x) { return kernel::exp(x); }, -10, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, exp, [](float x) { return std::exp(x); }, -10, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    map, log, [](F x) { return kernel::log(x); }, 0.01, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, log, [](float x) { return std::log(x); }, 0.01, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    map, tanh, [](F x) { return kernel::tanh(x); }, -5, 5)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, tanh, [](float x) { return std::tanh(x); }, -5, 5)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    map, erf, [](F x) { return kernel::erf(x); }, -4, 4)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, erf, [](float x) { return std::erf(x); }, -4, 4)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    map, sin, [](F x) { return kernel::sin(x); }, -10, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, sin, [](float x) { return std::sin(x); }, -10, 10)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    map, silu, [](F x) { return kernel::silu(x); }, -6, 6)
    ->Apply(sizes);
BENCHMARK_CAPTURE(plain_map, silu, plain_silu, -6, 6)->Apply(sizes);
BENCHMARK_CAPTURE(
    map, gelu, [](F x) { return kernel::gelu(x); }, -6, 6)
    ->Apply(sizes);
BENCHMARK_CAPTURE(plain_map, gelu, plain_gelu, -6, 6)->Apply(sizes);
BENCHMARK_CAPTURE(
    map, square, [](F x) { return x * x; }, -6, 6)
    ->Apply(sizes);
BENCHMARK_CAPTURE(
    plain_map, square, [](float x) { return x * x; }, -6, 6)
    ->Apply(sizes);
BENCHMARK_CAPTURE(reduce, sum, [](Index n, const float* x) { return kernel::sum(n, x); })->Apply(sizes);
BENCHMARK_CAPTURE(reduce, plain_sum, plain_sum)->Apply(sizes);
