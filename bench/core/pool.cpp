// What a tensor costs before anything is computed: from the pool, and from malloc.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <tessera/core/tensor.hpp>

using namespace tessera;

namespace {

void tensor(benchmark::State& state) {
  for (auto _ : state) {
    Tensor<float> t(Shape{state.range(0)});
    benchmark::DoNotOptimize(t.data());
  }
}
void copy_of_handle(benchmark::State& state) {
  const Tensor<float> t(Shape{state.range(0)});
  for (auto _ : state) {
    const Tensor<float> same = t;
    benchmark::DoNotOptimize(same.data());
  }
}
void malloc_and_free(benchmark::State& state) {
  for (auto _ : state) {
    void* p = std::malloc(static_cast<std::size_t>(state.range(0)) * sizeof(float));
    benchmark::DoNotOptimize(p);
    std::free(p);
  }
}

}  // namespace

BENCHMARK(tensor)->Arg(16)->Arg(4096)->Arg(1 << 20);
BENCHMARK(copy_of_handle)->Arg(16);
BENCHMARK(malloc_and_free)->Arg(16)->Arg(4096)->Arg(1 << 20);
