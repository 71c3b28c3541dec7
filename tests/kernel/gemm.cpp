#include <tessera/kernel/gemm.hpp>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;
using testing::numbers;

namespace {

struct Extents {
  Index M, N, K;
};

/// A matrix stored by rows or by columns, one number into its buffer (so not aligned) and with 3 unused numbers a line.
template <class T>
struct Matrix {
  std::vector<T> store;
  View<T> view;
  Matrix(Index rows, Index cols, bool transposed, Index seed) {
    const Index line = (transposed ? rows : cols) + 3;
    store = numbers<T>(1 + line * (transposed ? cols : rows), seed);
    view = transposed ? View<T>{store.data() + 1, 1, line} : View<T>{store.data() + 1, line, 1};
  }
};

template <class T>
double at(View<T> v, Index i, Index j) {
  return static_cast<double>(v.data[i * v.row_stride + j * v.col_stride]);
}

/// Runs product(a, b, c, ldc) and compares with the plain loop in double; numbers of C's lines past N must stay as they
/// are. Every term is below 1, so K terms in blocks have a rounding error far below 1e-7 * K (float).
template <class T, class Product, class Finish>
void check(Extents s, bool ta, bool tb, bool accumulate, const Product& product, const Finish& finish) {
  const Matrix<T> a(s.M, s.K, ta, 1), b(s.K, s.N, tb, 2);
  const Index ldc = s.N + 5;
  std::vector<T> c = numbers<T>(1 + s.M * ldc, 3);
  const std::vector<T> before = c;
  product(a.view, b.view, c.data() + 1, ldc);
  const double tolerance = (sizeof(T) == 4 ? 1e-7 : 4e-16) * static_cast<double>(s.K + 8);
  double worst = 0;
  bool outside = before[0] == c[0];
  for (Index i = 0; i < s.M; ++i) {
    for (Index j = 0; j < ldc; ++j) {
      const auto p = static_cast<std::size_t>(1 + i * ldc + j);
      if (j >= s.N) {
        outside = outside && c[p] == before[p];
        continue;
      }
      double want = accumulate ? static_cast<double>(before[p]) : 0.0;
      for (Index k = 0; k < s.K; ++k) want += at(a.view, i, k) * at(b.view, k, j);
      const double error = std::abs(static_cast<double>(c[p]) - finish(want, i, j));
      worst = error > worst || std::isnan(error) ? error : worst;
    }
  }
  INFO(s.M << " x " << s.N << " x " << s.K << (ta ? " T" : " N") << (tb ? "T" : "N") << " accumulate " << accumulate);
  CHECK(worst <= tolerance);
  CHECK(outside);
}

template <class T>
void check_plain(Extents s, bool ta, bool tb, bool accumulate) {
  check<T>(
      s, ta, tb, accumulate,
      [&](View<T> a, View<T> b, T* c, Index ldc) { gemm(s.M, s.N, s.K, a, b, c, ldc, accumulate); },
      [](double x, Index, Index) { return x; });
}

constexpr Index W = lanes_of<float>;

template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("gemm is the plain loop, for all transposes and sizes", "[kernel]", float, double) {
  using T = TestType;
  for (Index M : {Index{0}, Index{1}, W - 1, W, W + 1, Index{5}, Index{65}}) {
    for (Index N : {Index{0}, Index{1}, W - 1, W, W + 1, Index{65}}) {
      for (Index K : {Index{0}, Index{1}, W - 1, W, W + 1, Index{37}}) {
        for (int form = 0; form < 4; ++form) check_plain<T>({M, N, K}, form & 1, form & 2, (M + N + K) % 2 == 1);
      }
    }
  }
}

TEST_CASE("gemm is the plain loop when it packs and cuts long sums", "[kernel]") {
  for (const Extents s : {Extents{129, 129, 129}, Extents{2, 600, 300}, Extents{600, 40, 257}, Extents{100, 300, 520},
                          Extents{250, 2100, 9}, Extents{2000, 70, 20}, Extents{14, 15, 3000}}) {
    for (int form = 0; form < 4; ++form) {
      check_plain<float>(s, form & 1, form & 2, false);
      check_plain<float>(s, form & 1, form & 2, true);
    }
  }
  for (const Extents s : {Extents{100, 1100, 200}, Extents{500, 200, 300}, Extents{60, 900, 333}}) {  // far from L2
    for (int form = 0; form < 4; ++form) check_plain<float>(s, form & 1, form & 2, s.M == 500);
  }
  check_plain<double>({129, 65, 300}, true, true, true);
  check_plain<double>({129, 65, 300}, false, false, false);
}

TEST_CASE("gemm takes strides of which none is 1", "[kernel]") {
  const Index M = 30, N = 50, K = 40;
  const std::vector<float> x = numbers<float>(2 * 2 * 60 * 60, 4);
  const View<float> a{x.data(), 130, 2}, b{x.data() + 1, 3, 140};
  std::vector<float> c(static_cast<std::size_t>(M * N));
  gemm(M, N, K, a, b, c.data(), N);
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      double want = 0;
      for (Index k = 0; k < K; ++k) want += at(a, i, k) * at(b, k, j);
      CHECK(static_cast<double>(c[static_cast<std::size_t>(i * N + j)]) == Approx(want).margin(1e-5));
    }
  }
}

TEMPLATE_TEST_CASE("epilogues see every number of C once, edges too", "[kernel]", float, double) {
  using T = TestType;
  for (const Extents s : {Extents{1, 37, 20}, Extents{13, W + 1, 7}, Extents{70, 200, 300}, Extents{65, 33, 0}}) {
    const std::vector<T> bias = numbers<T>(s.N, 7), residual = numbers<T>(s.M * s.N, 8);
    const auto index = [](Index i) { return static_cast<std::size_t>(i); };
    const auto square = [](Pack<T> x) { return x * x * Pack<T>(T(0.01)); };
    for (bool accumulate : {false, true}) {
      check<T>(
          s, false, true, accumulate,
          [&](View<T> a, View<T> b, T* c, Index ldc) {
            gemm(s.M, s.N, s.K, a, b, c, ldc, accumulate, AddBias<T>{bias.data()});
          },
          [&](double x, Index, Index j) { return x + static_cast<double>(bias[index(j)]); });
      check<T>(
          s, true, false, accumulate,
          [&](View<T> a, View<T> b, T* c, Index ldc) {
            gemm(s.M, s.N, s.K, a, b, c, ldc, accumulate,
                 then(Scale<T>{T(0.5)}, bias_then(bias.data(), square), AddResidual<T>{residual.data(), s.N}));
          },
          [&](double x, Index i, Index j) {
            const double y = 0.5 * x + static_cast<double>(bias[index(j)]);
            return 0.01 * y * y + static_cast<double>(residual[index(i * s.N + j)]);
          });
    }
  }
}

TEST_CASE("a row of a product is the product of that row, bit for bit", "[kernel]") {
  // N, K and forms chosen so that every driver path meets every other: in place, packed by task, packed for all, one
  // row
  for (const Extents s : {Extents{70, 33, 64}, Extents{300, 70, 300}, Extents{130, 260, 600}, Extents{40, 200, 1000}}) {
    for (int form = 0; form < 4; ++form) {
      const Matrix<float> a(s.M, s.K, form & 1, 1), b(s.K, s.N, form & 2, 2);
      std::vector<float> all(static_cast<std::size_t>(s.M * s.N), 0.25f);
      gemm(s.M, s.N, s.K, a.view, b.view, all.data(), s.N, true);
      for (Index begin : {Index{0}, Index{1}, Index{11}, Index{29}}) {
        for (Index rows : {1, 2, 3, 5, 11}) {
          std::vector<float> some(static_cast<std::size_t>(rows * s.N), 0.25f);
          gemm(rows, s.N, s.K, a.view.at(begin, 0), b.view, some.data(), s.N, true);
          const std::vector<float> want(all.begin() + begin * s.N, all.begin() + (begin + rows) * s.N);
          CHECK(same_bits(some, want));
        }
      }
    }
  }
}

TEST_CASE("each number is a sum of blocks in order, each one chain of fma's", "[kernel]") {
  const Index M = 14, N = 50, K = 700, kc = k_block(K);
  const Matrix<float> a(M, K, false, 1), b(K, N, false, 2);
  std::vector<float> c(static_cast<std::size_t>(M * N));
  gemm(M, N, K, a.view, b.view, c.data(), N);
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      F total(0.0f);
      for (Index k0 = 0; k0 < K; k0 += kc) {
        F sum(0.0f);
        for (Index k = k0; k < K && k < k0 + kc; ++k) {
          sum = fma(F(a.view.data[i * a.view.row_stride + k]), F(b.view.data[k * b.view.row_stride + j]), sum);
        }
        total = k0 == 0 ? sum : total + sum;
      }
      float want[W];
      total.store(want);
      CHECK(c[static_cast<std::size_t>(i * N + j)] == want[0]);
    }
  }
}

TEST_CASE("threads change no bit", "[kernel]") {
  for (const Extents s :
       {Extents{500, 300, 520}, Extents{90, 1200, 64}, Extents{5000, 30, 40}, Extents{1, 3000, 900}}) {
    for (int form = 0; form < 4; ++form) {
      const Matrix<float> a(s.M, s.K, form & 1, 1), b(s.K, s.N, form & 2, 2);
      std::vector<float> threaded(static_cast<std::size_t>(s.M * s.N)), serial = threaded;
      gemm(s.M, s.N, s.K, a.view, b.view, threaded.data(), s.N);
      gemm_serial(s.M, s.N, s.K, a.view, b.view, serial.data(), s.N);
      CHECK(same_bits(threaded, serial));
    }
  }
}

TEST_CASE("a batch is its products", "[kernel]") {
  for (const Index batch : {0, 1, 3, 50}) {
    const Index M = 17, N = 20, K = 33;
    const std::vector<float> a = numbers<float>(batch * M * K, 1), b = numbers<float>(batch * K * N, 2);
    const std::vector<float> residual = numbers<float>(batch * M * N, 3);
    std::vector<float> c(static_cast<std::size_t>(batch * M * N)), want = c, shared = c, want_shared = c;
    const View<float> av{a.data(), K, 1}, bv{b.data(), N, 1};
    gemm_batched(batch, M, N, K, av, M * K, bv, K * N, c.data(), N, M * N, false,
                 AddResidual<float>{residual.data(), N});
    gemm_batched(batch, M, N, K, av, M * K, bv, 0, shared.data(), N, M * N);
    for (Index p = 0; p < batch; ++p) {
      gemm(M, N, K, View<float>{a.data() + p * M * K, K, 1}, View<float>{b.data() + p * K * N, N, 1},
           want.data() + p * M * N, N, false, AddResidual<float>{residual.data() + p * M * N, N});
      gemm(M, N, K, View<float>{a.data() + p * M * K, K, 1}, bv, want_shared.data() + p * M * N, N);
    }
    CHECK(same_bits(c, want));
    CHECK(same_bits(shared, want_shared));
  }
}

TEST_CASE("a few large products of a batch, each on all threads, are those products", "[kernel]") {
  const Index batch = 2, n = 170;
  const std::vector<float> a = numbers<float>(batch * n * n, 1), b = numbers<float>(batch * n * n, 2);
  std::vector<float> c(static_cast<std::size_t>(batch * n * n)), want = c;
  const View<float> av{a.data(), n, 1}, bv{b.data(), n, 1};
  gemm_batched(batch, n, n, n, av, n * n, bv, n * n, c.data(), n, n * n);
  for (Index p = 0; p < batch; ++p) gemm_serial(n, n, n, av.at(p * n, 0), bv.at(p * n, 0), want.data() + p * n * n, n);
  CHECK(same_bits(c, want));
}
