// What handing work to the threads costs: an empty parallel_for of two blocks, and two blocks of 20 us (40 us alone);
// right after one another, after 20 us of serial work, and after 200 us, when the workers sleep.
#include <benchmark/benchmark.h>

#include <ctime>
#include <tessera/kernel/parallel.hpp>

using namespace tessera;

namespace {

long now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}
void work(long nanoseconds) {
  for (const long end = now() + nanoseconds; now() < end;) {}
}

void two_blocks(benchmark::State& state) {
  const long block = state.range(0) * 1000, gap = state.range(1) * 1000;
  for (auto _ : state) {
    work(gap);
    const long start = now();
    kernel::parallel_for(2, 1, [block](Index, Index) {
      if (block > 0) work(block);
    });
    state.SetIterationTime(static_cast<double>(now() - start) * 1e-9);
  }
}

}  // namespace

BENCHMARK(two_blocks)
    ->ArgNames({"block_us", "gap_us"})
    ->Args({0, 0})
    ->Args({0, 20})
    ->Args({0, 200})
    ->Args({20, 0})
    ->Args({20, 20})
    ->Args({20, 200})
    ->UseManualTime();
