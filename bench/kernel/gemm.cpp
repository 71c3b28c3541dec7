// Matrix products at the sizes of real models, beside what they are measured against: the machine's fma peak, and
// OpenBLAS where it is installed (compare in one run: machines are shared). Forms: NN, NT (a layer with weight [out,
// in]), TN.
#include <tessera/kernel/gemm.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#if __has_include(<cblas.h>)
#include <cblas.h>
#endif

using namespace tessera;
using namespace tessera::kernel;

namespace {

std::vector<float> numbers(Index n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1000) * 1e-3f - 0.5f;
  return x;
}

void rate(benchmark::State& state, Index flops) {
  state.counters["FLOP/s"] = benchmark::Counter(
      static_cast<double>(flops), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

/// 12 chains of fma's that never leave their registers.
void fma_peak(benchmark::State& state) {
  constexpr Index steps = 20000;
  for (auto _ : state) {
    F a(1.0f), b(1.1f), c(1.2f), d(1.3f), e(1.4f), f(1.5f), g(1.6f), h(1.7f), i(1.8f), j(1.9f), k(2.0f), l(2.1f);
    const F half(0.5f);
    for (Index s = 0; s < steps; ++s) {
      a = fma(a, half, half), b = fma(b, half, half), c = fma(c, half, half), d = fma(d, half, half);
      e = fma(e, half, half), f = fma(f, half, half), g = fma(g, half, half), h = fma(h, half, half);
      i = fma(i, half, half), j = fma(j, half, half), k = fma(k, half, half), l = fma(l, half, half);
    }
    benchmark::DoNotOptimize(sum(((a + b) + (c + d)) + ((e + f) + (g + h)) + ((i + j) + (k + l))));
  }
  rate(state, steps * 12 * 2 * lanes_of<float>);
}
BENCHMARK(fma_peak);

struct Operands {
  Index M, N, K;
  bool ta, tb;
  std::vector<float> a, b, c;

  explicit Operands(const benchmark::State& s)
      : M(s.range(0)),
        N(s.range(1)),
        K(s.range(2)),
        ta(s.range(3) & 1),
        tb(s.range(3) & 2),
        a(numbers(M * K)),
        b(numbers(K * N)),
        c(numbers(M * N)) {}
  View<float> left() const { return ta ? View<float>{a.data(), 1, M} : View<float>{a.data(), K, 1}; }
  View<float> right() const { return tb ? View<float>{b.data(), 1, K} : View<float>{b.data(), N, 1}; }
};

void threads(benchmark::State& state) {
  Operands o(state);
  for (auto _ : state) {
    gemm(o.M, o.N, o.K, o.left(), o.right(), o.c.data(), o.N);
    benchmark::ClobberMemory();
  }
  rate(state, 2 * o.M * o.N * o.K);
}
void one_thread(benchmark::State& state) {
  Operands o(state);
  for (auto _ : state) {
    gemm_serial(o.M, o.N, o.K, o.left(), o.right(), o.c.data(), o.N);
    benchmark::ClobberMemory();
  }
  rate(state, 2 * o.M * o.N * o.K);
}
#if __has_include(<cblas.h>)
/// OPENBLAS_NUM_THREADS chooses its threads; OPENBLAS_CORETYPE its kernels, where it does not know the processor.
void openblas(benchmark::State& state) {
  Operands o(state);
  const int m = static_cast<int>(o.M), n = static_cast<int>(o.N), k = static_cast<int>(o.K);
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, o.ta ? CblasTrans : CblasNoTrans, o.tb ? CblasTrans : CblasNoTrans, m, n, k, 1.0f,
                o.a.data(), o.ta ? m : k, o.b.data(), o.tb ? k : n, 0.0f, o.c.data(), n);
    benchmark::ClobberMemory();
  }
  rate(state, 2 * o.M * o.N * o.K);
}
#endif

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"M", "N", "K", "form"});
  for (Index n : {32, 64, 128, 256, 512, 1024, 2048}) b->Args({n, n, n, 0});
  for (Index m : {64, 256, 1024}) b->Args({m, 2048, 512, 2});  // a layer of 512 to 2048 on so many tokens
  b->Args({384, 1536, 2048, 1});                               // its weight's gradient
  b->Args({2048, 65, 384, 2});                                 // logits over characters
  b->Args({1, 768, 768, 2})->Args({1, 4096, 4096, 2})->Args({1, 4096, 4096, 0});
}
BENCHMARK(one_thread)->Apply(sizes);
BENCHMARK(threads)->Apply(sizes)->UseRealTime();
#if __has_include(<cblas.h>)
BENCHMARK(openblas)->Apply(sizes)->UseRealTime();
#endif

/// Attention scores and the like: many small products.
void batch_of_64s(benchmark::State& state) {
  const Index n = 64, batch = 256;
  const std::vector<float> a = numbers(batch * n * n), b = a;
  std::vector<float> c(a.size());
  for (auto _ : state) {
    gemm_batched(batch, n, n, n, View<float>{a.data(), n, 1}, n * n, View<float>{b.data(), n, 1}, n * n, c.data(), n,
                 n * n);
    benchmark::ClobberMemory();
  }
  rate(state, 2 * batch * n * n * n);
}
BENCHMARK(batch_of_64s)->UseRealTime();

/// GPT-2's largest layer for one token; memory is the limit, so look at the bytes.
void gemv_weights(benchmark::State& state) {
  const Index out = state.range(0), in = state.range(1);
  const std::vector<float> w = numbers(out * in), x = numbers(in);
  std::vector<float> y(static_cast<std::size_t>(out));
  for (auto _ : state) {
    gemv(out, in, w.data(), in, x.data(), y.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * out * in * 4);
}
BENCHMARK(gemv_weights)->Args({768, 768})->Args({3072, 768})->Args({4096, 4096})->Args({50257, 768})->UseRealTime();

}  // namespace
