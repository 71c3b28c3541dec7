// One row times a matrix: y = epilogue(x B [+ y]). The weights stream through once, so memory is the limit.
//
// The product of one row must have the bits of that row in any larger product (tile.hpp), so a dot product with lanes
// along k is out. B by rows: 8 rows at a time are added to a row of sums in L1. B transposed (a layer's weight [out,
// in]): a square of `width` outputs x `width` inputs is transposed in registers, then each output is a lane; this takes
// 64 cycles a kilobyte with AVX-512, which still outruns memory.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

/// body(begin, end) over [0, count), on threads or here.
template <class Body>
void for_blocks(bool threads, Index count, Index grain, const Body& body) {
  if (threads)
    parallel_for(count, grain, body);
  else if (count > 0)
    body(Index{0}, count);
}

/// The epilogue over a block of C that has just been written. Not inlined: it is one piece of code for every path to
/// it.
template <class T, class Epilogue>
[[gnu::noinline]] void finish(const Epilogue& epilogue, T* c, Index ldc, Index row, Index col, Index rows, Index cols) {
  for (Index i = 0; i < rows; ++i) {
    T* p = c + i * ldc;
    Index j = 0;
    for (; j + lanes_of<T> <= cols; j += lanes_of<T>) {
      epilogue(Pack<T>::load(p + j), row + i, col + j, Index{lanes_of<T>}).store(p + j);
    }
    if (j < cols) store_some<T>(p + j, epilogue(load_some<T>(p + j, cols - j), row + i, col + j, cols - j), cols - j);
  }
}

/// An epilogue whose type is forgotten: a product's code is compiled once for all of them, `finish` once for each.
template <class T>
class AnyEpilogue {
 public:
  AnyEpilogue(const Identity&) {}
  template <class Epilogue>
  AnyEpilogue(const Epilogue& epilogue)  // a reference: as long as the product runs
      : epilogue_(&epilogue), apply_([](const void* e, T* c, Index ldc, Index row, Index col, Index rows, Index cols) {
          finish<T>(*static_cast<const Epilogue*>(e), c, ldc, row, col, rows, cols);
        }) {}
  void operator()(T* c, Index ldc, Index row, Index col, Index rows, Index cols) const {
    if (apply_) apply_(epilogue_, c, ldc, row, col, rows, cols);
  }

 private:
  const void* epilogue_ = nullptr;
  void (*apply_)(const void*, T*, Index, Index, Index, Index, Index) = nullptr;
};

/// sums[j] (+)= x[0] b[0, j] + ... + x[G - 1] b[G - 1, j] for j < n, in this order.
template <int G, class T>
[[gnu::noinline]] void add_rows(const T* x, const T* b, Index ldb, T* sums, Index n, bool first) {
  Pack<T> factor[G];
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) factor[g] = Pack<T>(x[g]);
  const auto step = [&](Index j, Index lanes) {
    Pack<T> s = first ? Pack<T>(T(0)) : load_lanes<T>(sums + j, lanes);
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) s = fma(factor[g], load_lanes<T>(b + g * ldb + j, lanes), s);
    store_lanes<T>(sums + j, s, lanes);
  };
  Index j = 0;
#pragma GCC unroll 2
  for (; j + lanes_of<T> <= n; j += lanes_of<T>) step(j, lanes_of<T>);
  if (j < n) step(j, n - j);
}

/// y = x B [+ y], B [K, N] by rows.
template <class T>
void row_times_rows(Index N, Index K, const T* x, const T* b, Index ldb, T* y, bool accumulate) {
  const Index kc = k_block(K);
  const Scratch<T> scratch(accumulate || K > kc ? N : 0);
  for (Index kb = 0; kb < K; kb += kc) {
    const Index end = kb + kc < K ? kb + kc : K;
    const bool add = accumulate || kb > 0;
    T* sums = add ? scratch.data() : y;
    Index k = kb;
    for (; k + 8 <= end; k += 8) add_rows<8>(x + k, b + k * ldb, ldb, sums, N, k == kb);
    for (; k < end; ++k) add_rows<1>(x + k, b + k * ldb, ldb, sums, N, k == kb);
    if (add) {
      for (Index j = 0; j < N; j += lanes_of<T>) {
        const Index lanes = N - j;
        store_lanes<T>(y + j, load_lanes<T>(y + j, lanes) + load_lanes<T>(sums + j, lanes), lanes);
      }
    }
  }
  if (K == 0 && !accumulate) {
    for (Index j = 0; j < N; ++j) y[j] = T(0);
  }
}

/// y = x B [+ y], B [K, N] by columns: column j is contiguous at w + j * ldw.
template <class T>
[[gnu::noinline]] void row_times_columns(Index N, Index K, const T* x, const T* w, Index ldw, T* y, bool accumulate) {
  constexpr Index L = lanes_of<T>;
  constexpr Index ahead = 512 / static_cast<Index>(sizeof(T));
  const Index kc = k_block(K);
  for (Index j = 0; j < N; j += L) {
    const Index lanes = N - j < L ? N - j : L;
    const T* column[L];
#pragma GCC unroll 16
    for (Index i = 0; i < L; ++i) column[i] = w + (j + (i < lanes ? i : lanes - 1)) * ldw;
    Pack<T> total = accumulate ? load_lanes<T>(y + j, lanes) : Pack<T>(T(0));
    for (Index kb = 0; kb < K; kb += kc) {
      const Index end = kb + kc < K ? kb + kc : K;
      Pack<T> sum(T(0));
      Index k = kb;
      for (; k + L <= end; k += L) {
        Pack<T> square[L];
#pragma GCC unroll 16
        for (Index i = 0; i < L; ++i) {
          square[i] = Pack<T>::load(column[i] + k);
          if constexpr (L > 1) __builtin_prefetch(column[i] + k + ahead);
        }
        transpose_square<T>(square);
#pragma GCC unroll 16
        for (Index i = 0; i < L; ++i) sum = fma(Pack<T>(x[k + i]), square[i], sum);
      }
      if (k < end) {
        Pack<T> square[L];
#pragma GCC unroll 16
        for (Index i = 0; i < L; ++i) square[i] = load_some<T>(column[i] + k, end - k);
        transpose_square<T>(square);
        T rows[L * L];
#pragma GCC unroll 16
        for (Index i = 0; i < L; ++i) square[i].store(rows + i * L);
        for (Index i = 0; k + i < end; ++i) sum = fma(Pack<T>(x[k + i]), Pack<T>::load(rows + i * L), sum);
      }
      total = accumulate || kb > 0 ? total + sum : sum;
    }
    store_lanes<T>(y + j, total, lanes);
  }
}

/// y = epilogue(x B [+ y]); B has one of its strides equal to 1.
template <class T>
void one_row(bool threads, Index N, Index K, const T* x, View<T> b, T* y, bool accumulate,
             const AnyEpilogue<T>& epilogue) {
  const Index unit = 4 * lanes_of<T>;
  // about 256 K weights a block: far more than it costs to hand one to a thread
  const Index grain = K * unit >= (Index{1} << 18) ? unit : ((Index{1} << 18) / (K * unit + 1) + 1) * unit;
  for_blocks(threads && N > grain, N, grain, [&](Index begin, Index end) {
    const T* part = b.data + begin * b.col_stride;
    if (b.col_stride == 1)
      row_times_rows<T>(end - begin, K, x, part, b.row_stride, y + begin, accumulate);
    else
      row_times_columns<T>(end - begin, K, x, part, b.col_stride, y + begin, accumulate);
    epilogue(y + begin, 0, 0, begin, 1, end - begin);
  });
}

}  // namespace detail

/// y[out] = epilogue(W x [+ y]) for a row-major weight W [out, in] with rows ldw apart.
template <class T, class Epilogue = Identity>
void gemv(Index out, Index in, const T* w, Index ldw, const T* x, T* y, bool accumulate = false,
          const Epilogue& epilogue = {}) {
  detail::one_row<T>(true, out, in, x, View<T>{w, 1, ldw}, y, accumulate, epilogue);
}
/// y[out] = epilogue(W^T x [+ y]) for W [in, out]: the weight of a layer stored transposed.
template <class T, class Epilogue = Identity>
void gemv_transposed(Index out, Index in, const T* w, Index ldw, const T* x, T* y, bool accumulate = false,
                     const Epilogue& epilogue = {}) {
  detail::one_row<T>(true, out, in, x, View<T>{w, ldw, 1}, y, accumulate, epilogue);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
