// Softmax and the norms in both directions, at the sizes of the U-Net and the transformer, in numbers a second; beside
// them the plain loops.
#include <benchmark/benchmark.h>
#include <cmath>
#include <tessera/kernel/norm.hpp>
#include <tessera/kernel/softmax.hpp>
#include <vector>

using namespace tessera;

namespace {

/// Everything the norms read and write, for n numbers with at most 4096 to a row.
struct Arrays {
  std::vector<float> x, y, dy, gain, bias, dgain, dbias, mean, rstd;
  explicit Arrays(Index n)
      : x(static_cast<std::size_t>(n)),
        y(x),
        dy(x),
        gain(4096, 1.0f),
        bias(4096, 0.1f),
        dgain(4096),
        dbias(4096),
        mean(65536),
        rstd(65536) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i * 2654435761u % 65536u) / 32768.0f - 1.0f;
      dy[i] = static_cast<float>(i * 40503u % 65536u) / 32768.0f - 1.0f;
    }
  }
};

template <class Run>
void time_rows(benchmark::State& state, Run run) {
  const Index rows = state.range(0), cols = state.range(1);
  Arrays a(rows * cols);
  for (auto _ : state) {
    run(rows, cols, a);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * rows * cols);
}

void plain_softmax(Index rows, Index cols, Arrays& a) {
  for (Index r = 0; r < rows; ++r) {
    const float* x = a.x.data() + r * cols;
    float *y = a.y.data() + r * cols, m = x[0], total = 0;
    for (Index c = 1; c < cols; ++c) m = std::fmax(m, x[c]);
    for (Index c = 0; c < cols; ++c) total += y[c] = std::exp(x[c] - m);
    for (Index c = 0; c < cols; ++c) y[c] /= total;
  }
}
void plain_layer_norm(Index rows, Index cols, Arrays& a) {
  for (Index r = 0; r < rows; ++r) {
    const float* x = a.x.data() + r * cols;
    const auto n = static_cast<float>(cols);
    float m = 0, v = 0;
    for (Index c = 0; c < cols; ++c) m += x[c];
    m /= n;
    for (Index c = 0; c < cols; ++c) v += (x[c] - m) * (x[c] - m);
    const float s = 1 / std::sqrt(v / n + 1e-5f);
    for (Index c = 0; c < cols; ++c) {
      const auto i = static_cast<std::size_t>(c);
      a.y[static_cast<std::size_t>(r * cols) + i] = (x[c] - m) * s * a.gain[i] + a.bias[i];
    }
  }
}

const auto softmax = [](Index rows, Index cols, Arrays& a) { kernel::softmax(rows, cols, a.x.data(), a.y.data()); };
const auto layer_norm = [](Index rows, Index cols, Arrays& a) {
  kernel::layer_norm(rows, cols, a.x.data(), a.gain.data(), a.bias.data(), 1e-5, a.y.data(), a.mean.data(),
                     a.rstd.data());
};
const auto layer_norm_adjoint = [](Index rows, Index cols, Arrays& a) {
  kernel::layer_norm_adjoint(rows, cols, a.x.data(), a.gain.data(), a.mean.data(), a.rstd.data(), a.dy.data(),
                             a.y.data(), a.dgain.data(), a.dbias.data());
};
const auto sum_rows = [](Index rows, Index cols, Arrays& a) {
  kernel::sum_rows(rows, cols, a.x.data(), a.dbias.data());
};

/// [16, space, channels] in 8 groups, then SiLU.
const auto group_norm_silu = [](Index rows, Index cols, Arrays& a) {
  kernel::group_norm<kernel::SiluActivation>(16, rows / 16, cols, 8, a.x.data(), a.gain.data(), a.bias.data(), 1e-5,
                                             a.y.data(), a.mean.data(), a.rstd.data());
};
const auto group_norm_silu_adjoint = [](Index rows, Index cols, Arrays& a) {
  kernel::group_norm_adjoint<kernel::SiluActivation>(16, rows / 16, cols, 8, a.x.data(), a.gain.data(), a.bias.data(),
                                                     a.mean.data(), a.rstd.data(), a.dy.data(), a.y.data(),
                                                     a.dgain.data(), a.dbias.data());
};

}  // namespace

BENCHMARK_CAPTURE(time_rows, softmax, softmax)
    ->Args({1536, 256})
    ->Args({64, 16384})
    ->Args({16384, 1024})
    ->UseRealTime();
BENCHMARK_CAPTURE(time_rows, plain_softmax, plain_softmax)->Args({1536, 256});
BENCHMARK_CAPTURE(time_rows, layer_norm, layer_norm)->Args({4096, 256})->Args({16384, 1024})->UseRealTime();
BENCHMARK_CAPTURE(time_rows, plain_layer_norm, plain_layer_norm)->Args({4096, 256});
BENCHMARK_CAPTURE(time_rows, layer_norm_adjoint, layer_norm_adjoint)
    ->Args({4096, 256})
    ->Args({16384, 1024})
    ->UseRealTime();
BENCHMARK_CAPTURE(time_rows, sum_rows, sum_rows)
    ->Args({16384, 64})
    ->Args({4096, 256})
    ->Args({16384, 1024})
    ->UseRealTime();
BENCHMARK_CAPTURE(time_rows, group_norm_silu, group_norm_silu)
    ->Args({16384, 64})
    ->Args({4096, 128})
    ->Args({16384, 1024})
    ->UseRealTime();
BENCHMARK_CAPTURE(time_rows, group_norm_silu_adjoint, group_norm_silu_adjoint)
    ->Args({16384, 64})
    ->Args({4096, 128})
    ->Args({16384, 1024})
    ->UseRealTime();
