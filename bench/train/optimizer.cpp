// One optimizer step over 10 M parameters, and what stands around it: the gradient's norm, the moving average. All are bound by
// memory, so the figure is bytes moved a second; `plain` is the loop as anyone would write it, one thread.
#include <tessera/train/optimizer.hpp>

#include <benchmark/benchmark.h>

#include <tessera/core/noise.hpp>
#include <tessera/train/ema.hpp>

namespace {

using namespace tessera;

constexpr Index matrices = 10, each = 1 << 20;

struct Net {
  std::vector<Parameter<float>> weights;
  Net() {
    for (Index i = 0; i < matrices; ++i)
      weights.push_back({Noise{1}.fork(static_cast<std::uint64_t>(i)).normal<float>({1024, 1024})});
  }
  static void members(auto& self, auto&& see) { see("weights", self.weights); }
};

Gradients<float> gradients_of(const Net& net) {
  Tape<Tensor<float>> tape;
  const auto x = tape.constant(Tensor<float>(Shape{1024, 1024}, 1e-3f));
  auto loss = tape.constant(Tensor<float>::scalar(0));
  for (const auto& w : net.weights) loss = loss + sum(lift(x, w) * x);
  tape.backward(loss);
  Gradients<float> g;
  g.add(net, tape);
  return g;
}

void moved(benchmark::State& state, double bytes_a_parameter) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * matrices * each);
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<double>(state.iterations() * matrices * each) * bytes_a_parameter));
}

void optimizer_step(benchmark::State& state, OptimizerConfig config, double bytes) {
  Net net;
  const Gradients<float> g = gradients_of(net);
  Optimizer<float> optimizer(config);
  for (auto _ : state) optimizer.step(net, g, 1, 0.5);
  moved(state, bytes);
}

void adamw_plain(benchmark::State& state) {
  Net net;
  const Gradients<float> g = gradients_of(net);
  std::vector<Tensor<float>> m(matrices, Tensor<float>(Shape{each}, 0.0f)), v = m;
  float t = 0;
  for (auto _ : state) {
    t += 1;
    const float c1 = 1 / (1 - std::pow(0.9f, t)), c2 = 1 / (1 - std::pow(0.999f, t));
    for (std::size_t k = 0; k < matrices; ++k) {
      float *x = net.weights[k].value.data(), *a = m[k].data(), *b = v[k].data();
      const float* d = g[k].data();
      for (Index i = 0; i < each; ++i) {
        a[i] = 0.9f * a[i] + 0.1f * d[i];
        b[i] = 0.999f * b[i] + 0.001f * d[i] * d[i];
        x[i] -= 1e-3f * (a[i] * c1 / (std::sqrt(b[i] * c2) + 1e-8f) + 0.01f * x[i]);
      }
    }
  }
  moved(state, 28);
}

void norm(benchmark::State& state) {
  const Net net;
  const Gradients<float> g = gradients_of(net);
  for (auto _ : state) benchmark::DoNotOptimize(g.norm());
  moved(state, 4);
}

void moving_average(benchmark::State& state) {
  const Net net;
  Ema<Net> ema(net, 0.999);
  ema.update(net);  // from here on its buffers are its own
  for (auto _ : state) ema.update(net);
  moved(state, 12);
}

BENCHMARK(adamw_plain)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(optimizer_step, adamw, adamw(1e-3), 28)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(optimizer_step, lion, lion(1e-4), 20)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(optimizer_step, sgd, sgd(1e-2, 0.9), 20)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(norm)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(moving_average)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
