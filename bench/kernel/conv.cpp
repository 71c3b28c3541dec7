// Convolutions of the picture models, one thread: GFLOP/s as if computed directly (2 x multiplications of the plain
// loop), so Winograd may pass the FMA peak, which the first line measures.
#include <tessera/kernel/conv.hpp>

#include <string>

#include <benchmark/benchmark.h>

#include <tessera/kernel/conv_plain.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>

namespace {

using namespace tessera;
using kernel::ConvShape;

void fill(float* to, Index count, std::uint32_t seed) {
  for (Index i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    to[i] = static_cast<float>(static_cast<double>(seed >> 8) / 8388608.0 - 1.0);
  }
}
Index inputs(const ConvShape& s) { return s.batch * s.height * s.width * s.in_channels; }
Index outputs(const ConvShape& s) { return s.batch * s.out_height() * s.out_width() * s.out_channels; }

template <class Function>
void run(benchmark::State& state, const ConvShape& s, const Function& f) {
  const kernel::Scratch<float> x(inputs(s)), w(s.weights()), dy(outputs(s)), to(inputs(s) + s.weights() + outputs(s));
  fill(x.data(), inputs(s), 1);
  fill(w.data(), s.weights(), 2);
  fill(dy.data(), outputs(s), 3);
  for (auto _ : state) {
    f(x.data(), w.data(), dy.data(), to.data());
    benchmark::ClobberMemory();
  }
  const auto multiplications = static_cast<double>(outputs(s) * s.taps() * s.group_in());
  state.counters["FLOP/s"] = benchmark::Counter(2 * multiplications, benchmark::Counter::kIsIterationInvariantRate);
}

void peak(benchmark::State& state) {
  constexpr int chains = kernel::tile_rows;
  kernel::F acc[chains][2];
  for (auto& row : acc) row[0] = row[1] = kernel::F(1.0f);
  const kernel::F half(0.5f);
  for (auto _ : state) {
    for (int k = 0; k < 1000; ++k) {
#pragma GCC unroll 16
      for (int i = 0; i < chains; ++i) {
        acc[i][0] = kernel::fma(acc[i][0], half, half);
        acc[i][1] = kernel::fma(acc[i][1], half, half);
      }
    }
    benchmark::DoNotOptimize(acc);
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(4000.0 * chains * kernel::native_width, benchmark::Counter::kIsIterationInvariantRate);
}

ConvShape square(Index batch, Index side, Index in, Index out, Index kernel = 3, Index stride = 1) {
  const Index pad = (kernel - 1) / 2;
  return {.batch = batch,
          .height = side,
          .width = side,
          .in_channels = in,
          .out_channels = out,
          .kernel_h = kernel,
          .kernel_w = kernel,
          .stride_h = stride,
          .stride_w = stride,
          .pad_top = pad,
          .pad_left = pad,
          .pad_bottom = pad,
          .pad_right = pad};
}

void add(const ConvShape& s) {
  const std::string name = std::to_string(s.batch) + "x" + std::to_string(s.height) + "x" + std::to_string(s.width) +
                           "/" + std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + "/kernel" +
                           std::to_string(s.kernel_w) + "/stride" + std::to_string(s.stride_w);
  benchmark::RegisterBenchmark(("conv/forward/" + name).c_str(), [s](benchmark::State& state) {
    run(state, s,
        [&](const float* x, const float* w, const float*, float* to) { kernel::conv<float>(s, x, w, nullptr, to); });
  });
  benchmark::RegisterBenchmark(("conv/input_adjoint/" + name).c_str(), [s](benchmark::State& state) {
    run(state, s,
        [&](const float*, const float* w, const float* dy, float* to) { kernel::conv_input_adjoint(s, dy, w, to); });
  });
  benchmark::RegisterBenchmark(("conv/weight_adjoint/" + name).c_str(), [s](benchmark::State& state) {
    run(state, s,
        [&](const float* x, const float*, const float* dy, float* to) { kernel::conv_weight_adjoint(s, x, dy, to); });
  });
}

const bool registered = [] {
  benchmark::RegisterBenchmark("conv/fma_peak", peak);
  benchmark::RegisterBenchmark("conv/plain/4x16x16/64->64", [](benchmark::State& state) {
    const ConvShape s = square(4, 16, 64, 64);
    run(state, s, [&](const float* x, const float* w, const float*, float* to) {
      kernel::conv_plain<float>(s, x, w, nullptr, to);
    });
  });
  for (const ConvShape& s :
       {square(32, 32, 64, 64), square(32, 16, 64, 64), square(32, 16, 96, 96), square(32, 8, 128, 128),
        square(32, 8, 192, 192), square(32, 4, 192, 192), square(32, 4, 256, 256), square(2, 16, 96, 96),
        square(32, 32, 64, 64, 3, 2), square(32, 16, 96, 128, 1), square(32, 8, 192, 192, 1), square(32, 32, 3, 64),
        square(32, 32, 64, 3)}) {
    add(s);
  }
  add({.batch = 1,
       .width = 16000,
       .in_channels = 64,
       .out_channels = 64,
       .kernel_w = 2,
       .pad_left = 64,
       .dilation_w = 64});
  return true;
}();

}  // namespace
