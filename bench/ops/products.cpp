// Matrix products: NN (both as they stand), NT (a layer with weight [out, in]), TN (that weight's gradient).
#include <tessera/autodiff/op/arithmetic.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/gemv.hpp>
#include <tessera/kernel/math.hpp>

#include <memory>

#include "bench/ops/op.hpp"

#if __has_include(<cblas.h>)
#include <cblas.h>
#endif
#if __has_include(<dnnl.h>)
#include <dnnl.h>
#endif

namespace ops {
namespace {

std::span<const float> all(const std::shared_ptr<std::vector<float>>& y) { return *y; }

Op product(Index M, Index N, Index K, const char* form) {
  const bool ta = form[0] == 'T', tb = form[1] == 'T';
  const auto a = numbers({M, K}, 1), b = numbers({K, N}, 2);  // their shapes only count the numbers
  const auto room = [&] { return std::make_shared<std::vector<float>>(static_cast<std::size_t>(M * N)); };
  using kernel::View;
  Op op{"gemm_" + std::to_string(M) + "_" + std::to_string(N) + "_" + std::to_string(K) + "_" + form,
        "GFLOP/s",
        2e-9 * static_cast<double>(M * N * K),
        {}};
  const auto ours = room();
  op.sides.push_back({"tessera",
                      [=] {
                        kernel::gemm(M, N, K, ta ? View<float>{a.data(), 1, M} : View<float>{a.data(), K, 1},
                                     tb ? View<float>{b.data(), 1, K} : View<float>{b.data(), N, 1}, ours->data(), N);
                      },
                      [=] { return all(ours); }});
#if __has_include(<cblas.h>)
  const auto blas = room();
  op.sides.push_back({"openblas",
                      [=] {
                        const int m = static_cast<int>(M), n = static_cast<int>(N), k = static_cast<int>(K);
                        cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n,
                                    k, 1.0f, a.data(), ta ? m : k, b.data(), tb ? k : n, 0.0f, blas->data(), n);
                      },
                      [=] { return all(blas); }});
#endif
#if __has_include(<dnnl.h>)
  const auto dnnl = room();
  op.sides.push_back({"onednn",
                      [=] {
                        dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', M, N, K, 1.f, a.data(), ta ? M : K, b.data(),
                                   tb ? K : N, 0.f, dnnl->data(), N);
                      },
                      [=] { return all(dnnl); }});
#endif
  return op;
}

/// y = W x, weights [out, in]: memory is the limit, so bytes of weights are counted.
Op matrix_vector(Index out, Index in) {
  const auto w = numbers({out, in}, 1), x = numbers({in}, 2);
  const auto room = [&] { return std::make_shared<std::vector<float>>(static_cast<std::size_t>(out)); };
  Op op{"gemv_" + std::to_string(out) + "_" + std::to_string(in), "GB/s", 4e-9 * static_cast<double>(out * in), {}};
  const auto ours = room();
  op.sides.push_back(
      {"tessera", [=] { kernel::gemv(out, in, w.data(), in, x.data(), ours->data()); }, [=] { return all(ours); }});
#if __has_include(<cblas.h>)
  const auto blas = room();
  op.sides.push_back({"openblas",
                      [=] {
                        cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<int>(out), static_cast<int>(in), 1.f,
                                    w.data(), static_cast<int>(in), x.data(), 1, 0.f, blas->data(), 1);
                      },
                      [=] { return all(blas); }});
#endif
  return op;
}

Op batch_of_64s() {
  const Index n = 64, batch = 256;
  const auto a = numbers({batch, n, n}, 1), b = numbers({batch, n, n}, 2);
  const auto room = [&] { return std::make_shared<std::vector<float>>(static_cast<std::size_t>(batch * n * n)); };
  Op op{"gemm_256x64_64_64", "GFLOP/s", 2e-9 * static_cast<double>(batch * n * n * n), {}};
  const auto ours = room();
  op.sides.push_back({"tessera",
                      [=] {
                        kernel::gemm_batched(batch, n, n, n, kernel::View<float>{a.data(), n, 1}, n * n,
                                             kernel::View<float>{b.data(), n, 1}, n * n, ours->data(), n, n * n);
                      },
                      [=] { return all(ours); }});
#if __has_include(<cblas.h>)
  const auto blas = room();
  op.sides.push_back({"openblas",
                      [=] {
                        for (Index i = 0; i < batch; ++i)
                          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 64, 64, 64, 1.f, a.data() + i * n * n,
                                      64, b.data() + i * n * n, 64, 0.f, blas->data() + i * n * n, 64);
                      },
                      [=] { return all(blas); }});
#endif
  return op;
}

/// gelu(x W^T + b), in registers; PyTorch's chain is the peer. Weights a sixteenth of `numbers`, so that gelu gets what
/// it gets in a network: without that, numbers of about 20, of which a normal's tail is no normal float.
Op layer_with_gelu() {
  const Index rows = 1024, in = 512, out = 2048;
  const auto x = numbers({rows, in}, 1), w = numbers({out, in}, 2) * 0.0625f, b = numbers({out}, 3);
  const auto y = std::make_shared<std::vector<float>>(static_cast<std::size_t>(rows * out));
  Op op{"linear_gelu_1024_512_2048", "GFLOP/s", 2e-9 * static_cast<double>(rows * in * out), {}};
  op.sides.push_back({"tessera",
                      [=] {
                        kernel::gemm(rows, out, in, kernel::View<float>{x.data(), in, 1},
                                     kernel::View<float>{w.data(), 1, in}, y->data(), out, false,
                                     kernel::bias_then(b.data(), [](kernel::F v) { return kernel::gelu(v); }));
                      },
                      [=] { return all(y); }});
  return op;
}

}  // namespace

std::vector<Make> products() {
  std::vector<Make> all;
  for (const Index n : {64, 128, 256, 512, 1024, 2048}) all.push_back([n] { return product(n, n, n, "NN"); });
  for (const Index m : {64, 256, 1024}) {
    for (const char* form : {"NN", "NT", "TN"}) all.push_back([m, form] { return product(m, 2048, 512, form); });
  }
  all.push_back(batch_of_64s);
  all.push_back(layer_with_gelu);
  for (const Index n : {768, 2048, 4096}) all.push_back([n] { return matrix_vector(n, n); });
  return all;
}

}  // namespace ops
