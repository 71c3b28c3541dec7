// Attention: GFLOP/s counted as 4 B H Tq Tk D forward and 8 more for the adjoint (causal at full cost), beside the
// machine's FMA peak in the same run. One core: taskset -c 1 kernel_bench --benchmark_filter=attention
#include <benchmark/benchmark.h>

#include <tessera/kernel/attention.hpp>
#include <vector>

namespace {

using tessera::Index;
using namespace tessera::kernel;

struct Memory {
  AttentionShape s;
  std::vector<float> q, k, v, out, lse, dout, dq, dk, dv;
  Memory(const benchmark::State& state) {  // batch, queries, keys, heads, width, causal
    s = AttentionShape::dense(state.range(0), state.range(1), state.range(2), state.range(3), state.range(3),
                              state.range(4));
    s.causal = state.range(5) != 0;
    const auto numbers = [](Index n, double speed) {
      std::vector<float> x(static_cast<std::size_t>(n));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(std::sin(speed * static_cast<double>(i)));
      return x;
    };
    q = numbers(s.batch * s.q_batch, 1.7), k = numbers(s.batch * s.k_batch, 2.9), v = numbers(s.batch * s.v_batch, 0.7);
    dout = numbers(s.batch * s.out_batch, 0.3);
    out = dq = q, dk = k, dv = v;
    lse.resize(static_cast<std::size_t>(s.batch * s.heads * s.queries));
  }
  void forward() { attention<float>(s, q.data(), k.data(), v.data(), nullptr, nullptr, out.data(), lse.data()); }
  void adjoint() {
    attention_adjoint<float>(s, q.data(), k.data(), v.data(), nullptr, nullptr, out.data(), lse.data(), dout.data(),
                             dq.data(), dk.data(), dv.data(), nullptr);
  }
  void count(benchmark::State& state, double each) const {
    const double flops = each * static_cast<double>(s.batch * s.heads * s.queries * s.keys * s.width);
    state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  }
};

void attention_forward(benchmark::State& state) {
  Memory m(state);
  for (auto _ : state) m.forward(), benchmark::DoNotOptimize(m.out.data());
  m.count(state, 4);
}
void attention_backward(benchmark::State& state) {
  Memory m(state);
  m.forward();
  for (auto _ : state) m.adjoint(), benchmark::DoNotOptimize(m.dq.data());
  m.count(state, 8);
}
/// The definition as plain loops, forward: what the kernel is worth.
void attention_plain(benchmark::State& state) {
  Memory m(state);
  const AttentionShape& s = m.s;
  std::vector<float> p(static_cast<std::size_t>(s.keys));
  for (auto _ : state) {
    for (Index b = 0; b < s.batch; ++b) {
      for (Index h = 0; h < s.heads; ++h) {
        for (Index i = 0; i < s.queries; ++i) {
          const Index n = s.causal ? i + 1 + s.keys - s.queries : s.keys;
          const float* q = m.q.data() + s.q_at(b, h, i);
          float* out = m.out.data() + s.out_at(b, h, i);
          float top = -1e30f, total = 0;
          for (Index j = 0; j < n; ++j) {
            float x = 0;
            for (Index d = 0; d < s.width; ++d)
              x += q[d] * m.k[static_cast<std::size_t>(s.k_at(b, h) + j * s.k_row + d)];
            p[static_cast<std::size_t>(j)] = x *= static_cast<float>(s.factor());
            top = x > top ? x : top;
          }
          for (Index d = 0; d < s.width; ++d) out[d] = 0;
          for (Index j = 0; j < n; ++j) {
            const float e = std::exp(p[static_cast<std::size_t>(j)] - top);
            total += e;
            for (Index d = 0; d < s.width; ++d)
              out[d] += e * m.v[static_cast<std::size_t>(s.v_at(b, h) + j * s.v_row + d)];
          }
          for (Index d = 0; d < s.width; ++d) out[d] /= total;
        }
      }
    }
    benchmark::DoNotOptimize(m.out.data());
  }
  m.count(state, 4);
}
[[gnu::noinline]] void one_tile(Index K, const float* a, const float* b, float* c) {
  F acc[tile_rows][tile_regs];
  clear(acc);
  fma_tile<tile_rows, tile_regs>(acc, K, Panel<float, tile_rows>{a}, b, tile_cols<float>);
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_regs; ++v) acc[i][v].store(c + (i * tile_regs + v) * lanes_of<float>);
  }
}
/// The same tile over one panel that stays in the nearest cache.
void attention_fma_peak(benchmark::State& state) {
  constexpr Index K = 512;
  std::vector<float> a(K * tile_rows, 0.5f), b(K * tile_cols<float>, 0.25f), c(tile_rows * tile_cols<float>);
  for (auto _ : state) {
    one_tile(K, a.data(), b.data(), c.data());
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * K * tile_rows * tile_cols<float>, benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"B", "Tq", "Tk", "H", "D", "causal"});
  for (Index causal : {0, 1}) {
    b->Args({8, 256, 256, 6, 64, causal});     // a small language model
    b->Args({1, 1024, 1024, 12, 64, causal});  // GPT-2
  }
  b->Args({32, 64, 64, 4, 32, 0});  // a U-Net's 8 x 8 positions,
  b->Args({32, 16, 16, 4, 32, 0});  // its 4 x 4 positions,
  b->Args({32, 64, 24, 4, 32, 0});  // and both reading 24 tokens of text
  b->Args({32, 16, 24, 4, 32, 0});
  b->Args({1, 1, 256, 6, 64, 1});  // decoding
}

BENCHMARK(attention_fma_peak);
BENCHMARK(attention_forward)->Apply(shapes)->Unit(benchmark::kMicrosecond);
BENCHMARK(attention_backward)->Apply(shapes)->Unit(benchmark::kMicrosecond);
BENCHMARK(attention_plain)->Args({8, 256, 256, 6, 64, 0})->Args({32, 64, 64, 4, 32, 0})->Unit(benchmark::kMicrosecond);

}  // namespace
