// A step of generation: one row of activations times all the weights of a model, once through, so memory is the limit.
//
// `token` is all of GPT-2-124M's matrices (12 x (768 x 2304, 768 x 768, 768 x 3072, 3072 x 768), 768 x 50257), laid out
// again and again over 640 MB, more than any cache holds. Each matrix is followed by a plain read of as many other
// bytes: `of_read` is the speed relative to that, taken at the same moment, because machines are shared. With one
// thread the clock is the thread's own, which stands still when another program has the core.
//
// `row` is one F32 product beside the peers' (Eigen, OpenBLAS, oneDNN, where installed); `rows` a prompt or a batch in
// every format. OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 for a fair comparison with one thread; OPENBLAS_CORETYPE where
// it does not know the processor.
#include <tessera/core/tensor.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/gemv.hpp>
#include <tessera/kernel/half_gemm.hpp>
#include <tessera/kernel/quantized_gemm.hpp>

#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdint>
#include <utility>
#include <vector>

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#endif
#if __has_include(<cblas.h>)
#include <cblas.h>
#endif
#if __has_include(<dnnl.hpp>)
#include <dnnl.hpp>
#endif

using namespace tessera;
using namespace tessera::kernel;

namespace {

double now(int threads) {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Memory that no cache holds, handed out piece by piece, round and round.
class Memory {
 public:
  const std::uint8_t* next(Index bytes) {
    if (at_ + bytes > block_.size()) at_ = 0;
    const std::uint8_t* p = std::as_const(block_).data() + at_;
    at_ += (bytes + 4095) / 4096 * 4096;
    return p;
  }

 private:
  Tensor<std::uint8_t> block_ = Tensor<std::uint8_t>(Shape{Index{640} << 20}, std::uint8_t{0x11});
  Index at_ = 0;
};
Memory& memory() {
  static Memory block;
  return block;
}

void read(const std::uint8_t* bytes, Index size) {
  constexpr Index piece = Index{1} << 20;
  parallel_for(size, piece, [&](Index begin, Index end) {
    F s[8];
    for (F& v : s) v = F(0.0f);
    const auto* p = reinterpret_cast<const float*>(bytes);
    for (Index i = begin / 4; i + 8 * native_width <= end / 4; i += 8 * native_width) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) s[j] += F::load(p + i + j * native_width);
    }
    benchmark::DoNotOptimize(sum(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))));
  });
}

struct Matrix {
  Index in, out;
};
std::vector<Matrix> gpt2() {
  std::vector<Matrix> all;
  for (int layer = 0; layer < 12; ++layer) {
    for (const Matrix& m : {Matrix{768, 2304}, Matrix{768, 768}, Matrix{768, 3072}, Matrix{3072, 768}})
      all.push_back(m);
  }
  for (int part = 0; part < 16; ++part) all.push_back({768, 50272 / 16});  // 50,257, which goes into panels of 32
  return all;
}

template <class Stored>
Index bytes_of(Index out, Index in) {
  if constexpr (std::is_same_v<Stored, Q8> || std::is_same_v<Stored, Q4>)
    return quantized_bytes<Stored>(out, in);
  else
    return wide_size(out, in) * static_cast<Index>(sizeof(Stored));
}
template <class Stored>
void multiply(Index rows, Index out, Index in, const float* x, const std::uint8_t* w, float* y) {
  if constexpr (std::is_same_v<Stored, Q8> || std::is_same_v<Stored, Q4>)
    quantized_gemm<Stored>(rows, out, in, x, in, w, y, out);
  else
    wide_gemm<Stored>(rows, out, in, x, in, reinterpret_cast<const Stored*>(w), y, out);
}

std::vector<float> numbers(Index n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 1000) * 1e-3f - 0.5f;
  return x;
}

template <class Stored>
void token(benchmark::State& state) {
  const auto threads = static_cast<int>(state.range(0));
  const int before = tessera::threads();
  set_threads(threads);
  const std::vector<Matrix> matrices = gpt2();
  const std::vector<float> x = numbers(3072);
  std::vector<float> y(50272);
  double ours = 0, plain = 0, bytes = 0;
  for (auto _ : state) {
    double spent = 0;
    for (const Matrix& m : matrices) {
      const Index size = bytes_of<Stored>(m.out, m.in);
      const std::uint8_t* w = memory().next(size);
      const double start = now(threads);
      multiply<Stored>(1, m.out, m.in, x.data(), w, y.data());
      spent += now(threads) - start;
      const std::uint8_t* other = memory().next(size);
      const double again = now(threads);
      read(other, size);
      plain += now(threads) - again;
      bytes += static_cast<double>(size);
    }
    ours += spent;
    state.SetIterationTime(spent);
  }
  set_threads(before);
  state.counters["token/s"] = static_cast<double>(state.iterations()) / ours;
  state.counters["GB/s"] = bytes / ours * 1e-9;
  state.counters["read GB/s"] = bytes / plain * 1e-9;
  state.counters["of_read"] = plain / ours;
}
BENCHMARK_TEMPLATE(token, float)->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->MinTime(3);
BENCHMARK_TEMPLATE(token, Half)->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->MinTime(3);
BENCHMARK_TEMPLATE(token, Q8)->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->MinTime(3);
BENCHMARK_TEMPLATE(token, Q4)->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->MinTime(3);

// ---- one F32 product, beside the peers', in caches (one matrix) or past them

enum Way { panels, by_rows, eigen, openblas, onednn };

#if __has_include(<dnnl.hpp>)
struct Dnnl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::memory::desc x, w, y;
  dnnl::inner_product_forward product;

  Dnnl(Index in, Index out)
      : x({1, in}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab),
        w({out, in}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab),
        y({1, out}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab),
        product(dnnl::inner_product_forward::primitive_desc({dnnl::prop_kind::forward_inference, x, w, y}, engine)) {}
  void operator()(const float* from, const float* weight, float* to) {
    dnnl::memory a(x, engine, const_cast<float*>(from)), b(w, engine, const_cast<float*>(weight)), c(y, engine, to);
    product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  }
};
#endif

template <Way way>
void row(benchmark::State& state) {
  const Index in = state.range(0), out = state.range(1), size = in * out * 4;
  const bool cold = state.range(2) != 0;
  const int before = tessera::threads();
  set_threads(1);
  const std::vector<float> x = numbers(in);
  std::vector<float> y(static_cast<std::size_t>(out + 32));
#if __has_include(<dnnl.hpp>)
  Dnnl dnnl_product(in, out);  // of oneDNN 2
#endif
  const std::uint8_t* bytes = memory().next(size);
  for (auto _ : state) {
    if (cold) bytes = memory().next(size);
    const auto* w = reinterpret_cast<const float*>(bytes);
    if constexpr (way == panels) wide_gemm<float>(1, out, in, x.data(), in, w, y.data(), out);
    if constexpr (way == by_rows) gemv(out, in, w, in, x.data(), y.data());
#if __has_include(<Eigen/Core>)
    if constexpr (way == eigen) {
      using Eigen::Map, Eigen::VectorXf;
      using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
      Map<VectorXf>(y.data(), out).noalias() = Map<const Rows>(w, out, in) * Map<const VectorXf>(x.data(), in);
    }
#endif
#if __has_include(<cblas.h>)
    if constexpr (way == openblas) {
      const int m = static_cast<int>(out), n = static_cast<int>(in);
      cblas_sgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0f, w, n, x.data(), 1, 0.0f, y.data(), 1);
    }
#endif
#if __has_include(<dnnl.hpp>)
    if constexpr (way == onednn) dnnl_product(x.data(), w, y.data());
#endif
    benchmark::ClobberMemory();
  }
  set_threads(before);
  state.SetBytesProcessed(state.iterations() * size);
}
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"in", "out", "cold"});
  for (int cold : {0, 1}) {
    for (const Matrix& m : {Matrix{768, 768}, Matrix{768, 3072}, Matrix{3072, 768}, Matrix{4096, 4096}})
      b->Args({m.in, m.out, cold});
  }
}
BENCHMARK_TEMPLATE(row, panels)->Apply(shapes);
BENCHMARK_TEMPLATE(row, by_rows)->Apply(shapes);
#if __has_include(<Eigen/Core>)
BENCHMARK_TEMPLATE(row, eigen)->Apply(shapes);
#endif
#if __has_include(<cblas.h>)
BENCHMARK_TEMPLATE(row, openblas)->Apply(shapes);
#endif
#if __has_include(<dnnl.hpp>)
BENCHMARK_TEMPLATE(row, onednn)->Apply(shapes);
#endif

// ---- more rows

template <class Stored>
void rows(benchmark::State& state) {
  const Index count = state.range(0), in = 768, out = 3072;
  const int before = tessera::threads();
  set_threads(1);
  const std::vector<float> x = numbers(count * in);
  std::vector<float> y(static_cast<std::size_t>(count * out));
  const std::uint8_t* w = memory().next(bytes_of<Stored>(out, in));
  for (auto _ : state) {
    multiply<Stored>(count, out, in, x.data(), w, y.data());
    benchmark::ClobberMemory();
  }
  set_threads(before);
  state.counters["FLOP/s"] =
      benchmark::Counter(static_cast<double>(2 * count * in * out), benchmark::Counter::kIsIterationInvariantRate);
}
void rows_gemm(benchmark::State& state) {
  const Index count = state.range(0), in = 768, out = 3072;
  const std::vector<float> x = numbers(count * in), w = numbers(in * out);
  std::vector<float> y(static_cast<std::size_t>(count * out));
  for (auto _ : state) {
    gemm_serial(count, out, in, View<float>{x.data(), in, 1}, View<float>{w.data(), 1, in}, y.data(), out);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(static_cast<double>(2 * count * in * out), benchmark::Counter::kIsIterationInvariantRate);
}
void counts(benchmark::internal::Benchmark* b) {
  b->ArgName("rows");
  for (const int n : {1, 2, 4, 8, 16, 64, 512}) b->Arg(n);
}
BENCHMARK_TEMPLATE(rows, float)->Apply(counts);
BENCHMARK_TEMPLATE(rows, Half)->Apply(counts);
BENCHMARK_TEMPLATE(rows, Q8)->Apply(counts);
BENCHMARK_TEMPLATE(rows, Q4)->Apply(counts);
BENCHMARK(rows_gemm)->Apply(counts);

}  // namespace
