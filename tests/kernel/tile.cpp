#include <tessera/kernel/tile.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/kernel/numbers.hpp"
#include "tests/support/catch.hpp"

using namespace tessera;
using namespace tessera::kernel;
using testing::numbers;

namespace {

template <class T>
T chain(const T* a, Index a_step, const T* b, Index b_step, Index K) {
  Pack<T> s(T(0));
  for (Index k = 0; k < K; ++k) s = fma(Pack<T>(a[k * a_step]), Pack<T>(b[k * b_step]), s);
  T out[lanes_of<T>];
  s.store(out);
  return out[0];
}

}  // namespace

TEMPLATE_TEST_CASE("a square of registers is transposed", "[kernel]", float, double) {
  using T = TestType;
  constexpr int W = lanes_of<T>;
  const std::vector<T> x = numbers<T>(W * W);
  Pack<T> r[W];
  for (int i = 0; i < W; ++i) r[i] = Pack<T>::load(x.data() + i * W);
  transpose_square<T>(r);
  for (int i = 0; i < W; ++i) {
    T row[W];
    r[i].store(row);
    for (int j = 0; j < W; ++j) CHECK(row[j] == x[static_cast<std::size_t>(j * W + i)]);
  }
}

TEMPLATE_TEST_CASE("a matrix is transposed and nothing beside it is touched", "[kernel]", float, double) {
  using T = TestType;
  for (Index rows : {0, 1, 3, 4, 7, 8, 15, 16, 17, 33}) {
    for (Index cols : {0, 1, 5, 8, 16, 31, 32, 35}) {
      const std::vector<T> from = numbers<T>(rows * (cols + 1) + 1);
      std::vector<T> to(static_cast<std::size_t>(cols * (rows + 2) + 1), T(9));
      transpose<T>(rows, cols, from.data() + 1, cols + 1, to.data() + 1, rows + 2);
      bool same = to[0] == T(9);
      for (Index j = 0; j < cols; ++j) {
        for (Index i = 0; i < rows + 2; ++i) {
          const T want = i < rows ? from[static_cast<std::size_t>(1 + i * (cols + 1) + j)] : T(9);
          same = same && to[static_cast<std::size_t>(1 + j * (rows + 2) + i)] == want;
        }
      }
      CHECK(same);
    }
  }
}

TEMPLATE_TEST_CASE("a packed panel holds the view and zeros", "[kernel]", float, double) {
  using T = TestType;
  const auto check = [](auto width) {
    constexpr int W = decltype(width)::value;
    const std::vector<T> x = numbers<T>(4000);
    for (Index K : {0, 1, 3, 4, 15, 16, 17, 37}) {
      for (Index n : {Index{1}, Index{W / 2}, Index{W - 1}, Index{W}}) {
        if (n < 1) continue;
        for (const View<T> v :
             {View<T>{x.data() + 1, 41, 1}, View<T>{x.data() + 1, 1, 41}, View<T>{x.data() + 3, 43, 2}}) {
          std::vector<T> to(static_cast<std::size_t>(K * W + 1), T(9));
          pack_panel<W>(to.data(), v, K, n);
          bool same = to.back() == T(9);  // nothing past its end
          for (Index k = 0; k < K; ++k) {
            for (Index j = 0; j < W; ++j) {
              const T want = j < n ? v.data[k * v.row_stride + j * v.col_stride] : T(0);
              same = same && to[static_cast<std::size_t>(k * W + j)] == want;
            }
          }
          CHECK(same);
        }
      }
    }
  };
  check(std::integral_constant<int, tile_rows>{});
  check(std::integral_constant<int, tile_cols<T>>{});
  check(std::integral_constant<int, 1>{});
  check(std::integral_constant<int, 14>{});
}

TEMPLATE_TEST_CASE("every tile is one chain of fma's in rising k, bit for bit", "[kernel]", float, double) {
  using T = TestType;
  constexpr Index W = tile_cols<T>, lda = 53, ldb = W + 3;
  const std::vector<T> a = numbers<T>(tile_rows * lda + 1), b = numbers<T>(50 * ldb + 1, 2);
  for (Index K : {0, 1, 2, 3, 4, 5, 50}) {
    std::vector<T> columns(static_cast<std::size_t>(K * tile_rows));
    pack_panel<tile_rows>(columns.data(), View<T>{a.data() + 1, 1, lda}, K, tile_rows);
    for (Index rows = 1; rows <= tile_rows; ++rows) {
      with_rows(rows, [&](auto height) {
        constexpr int R = decltype(height)::value;
        Pack<T> by_rows[R][tile_regs], by_columns[R][tile_regs], by_panel[R][tile_regs];
        Pack<T> strided_rows[R][tile_regs], strided_columns[R][tile_regs];
        clear(by_rows);
        clear(by_columns);
        clear(by_panel);
        clear(strided_rows);
        clear(strided_columns);
        fma_tile(by_rows, K, RowPointers<T, R>::of(a.data() + 1, lda, rows), b.data() + 1, ldb);
        fma_tile(by_columns, K, Columns<T>{columns.data(), tile_rows}, b.data() + 1, ldb);
        fma_tile(by_panel, K, Panel<T, tile_rows>{columns.data()}, b.data() + 1, ldb);
        fma_tile(strided_rows, K, Strided<T>{{a.data() + 1, lda, 1}}, b.data() + 1, ldb);
        fma_tile(strided_columns, K, Strided<T>{{columns.data(), 1, tile_rows}}, b.data() + 1, ldb);
        REQUIRE(R >= rows);
        for (int i = 0; i < rows; ++i) {
          for (int v = 0; v < tile_regs; ++v) {
            T x[lanes_of<T>], y[lanes_of<T>], z[lanes_of<T>], p[lanes_of<T>], q[lanes_of<T>];
            by_rows[i][v].store(x);
            by_columns[i][v].store(y);
            by_panel[i][v].store(z);
            strided_rows[i][v].store(p);
            strided_columns[i][v].store(q);
            for (int l = 0; l < lanes_of<T>; ++l) {
              const T want = chain(a.data() + 1 + i * lda, 1, b.data() + 1 + v * lanes_of<T> + l, ldb, K);
              CHECK(x[l] == want);
              CHECK(y[l] == want);
              CHECK(z[l] == want);
              CHECK(p[l] == want);
              CHECK(q[l] == want);
            }
          }
        }
      });
    }
  }
}

TEST_CASE("the rows of the next tile add up and none is left alone", "[kernel]") {
  for (Index rows = 0; rows < 100; ++rows) {
    Index sum = 0;
    while (sum < rows) {
      const Index r = next_rows(rows - sum);
      REQUIRE(r >= 1);
      REQUIRE(r <= tile_rows);
      sum += r;
    }
    CHECK(sum == rows);
  }
}
