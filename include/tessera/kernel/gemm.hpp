// Matrix product: C = epilogue(A B [+ C]), any strides of A and B (so all transposes), C by rows.
//
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): B in panels of a few registers, A
// in panels of a tile's rows, packed so that the tile reads both in order; blocks sized for L1 and L2. Differences: one
// driver decides per operand whether it pays to pack at all (small products touch nothing but A, B and C), and the
// epilogue is applied to each tile of C right after its last k, while it is in L1: it is then compiled once, not once a
// tile height, and the driver not once an epilogue.
//
// The law: element (i, j) is the sum over blocks of k_block(K) terms, each block one chain of fma's in rising k, blocks
// added in order after C. Nothing else enters: neither M, N, the strides nor the number of threads. So one row of a
// product equals the product of that row bit for bit, and a batch equals its singles.
#pragma once

#include <type_traits>

#include <tessera/core/index.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/gemv.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/tile.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

// The tile: 3 registers across. With 32 registers 8 x 3 loads less than 12 x 2 for the same work (11 registers to 24
// fma's, not 14), which tells when the core's other thread is busy: 155 against 137 GFLOP/s; with 16, 4 x 3 beats 6 x 2
// by 5 %.
inline constexpr int gemm_rows = native_width == 16 ? 8 : 4, gemm_regs = 3;
template <class T>
inline constexpr int gemm_cols = gemm_regs* lanes_of<T>;

inline Index at_most(Index x, Index limit) { return x < limit ? x : limit; }
inline Index ceil_div(Index x, Index y) { return (x + y - 1) / y; }

/// Tiles one below the other, over one block of k: C (rows x cols each) = A B, or C + A B.
template <class T>
struct TileJob {
  Index K;
  const T* a;
  Index a_step;  // between rows (A by rows) or between columns
  Index a_tile;  // from tile to tile
  const T* b;
  Index ldb;
  T* c;
  Index ldc;
  Index tiles, rows, cols;  // rows, cols: what is stored of each tile
  bool add;
};

/// What is stored of a tile that the edge of C cuts, from all of it, `step` to a row: one code for all tiles.
template <class T>
[[gnu::noinline]] void store_edge(const T* all, Index step, const TileJob<T>& job, T* c) {
  for (Index i = 0; i < job.rows; ++i) {
    for (Index j = 0; j < job.cols; j += lanes_of<T>) {
      T* p = c + i * job.ldc + j;
      Pack<T> x = Pack<T>::load(all + i * step + j);
      if (job.add) x += load_lanes<T>(p, job.cols - j);
      store_lanes<T>(p, x, job.cols - j);
    }
  }
}

// Not inlined: a few heights and widths x 2 forms of A are all the tile code of a type, shared by every epilogue.
template <class T, int R, int V, bool ByRows>
[[gnu::noinline]] void run_tiles(const TileJob<T>& job) {
  constexpr int L = lanes_of<T>;
  const Index rows = job.rows, ldc = job.ldc;
  const bool whole = rows == R && job.cols == V * L;
  const T* a = job.a;
  T* c = job.c;
  for (Index tile = 0; tile < job.tiles; ++tile, a += job.a_tile, c += R * ldc) {
    Pack<T> acc[R][V];
    clear(acc);
    // C arrives while the sum is made, two rows at a time: all at once would hold every line buffer, and A would wait.
    const bool parts = whole && job.K >= 128;
    const Index part = parts ? job.K / (R / 2) / 4 * 4 : job.K;
    for (Index k = 0, row = 0; k < job.K; k += part, row += 2) {
      if (parts && row < R) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          __builtin_prefetch(c + row * ldc + v * L);
          __builtin_prefetch(c + (row + 1) * ldc + v * L);
        }
      }
      const Index count = at_most(job.K - k, part);
      const T* b = job.b + k * job.ldb;
      if constexpr (ByRows)
        fma_tile(acc, count, RowPointers<T, R>::of(a + k, job.a_step, rows), b, job.ldb);
      else
        fma_tile(acc, count, Columns<T>{a + k * job.a_step, job.a_step}, b, job.ldb);
    }
    if (whole) {
      if (job.add) {
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) acc[i][v] += Pack<T>::load(c + i * ldc + v * L);
        }
      }
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[i][v].store(c + i * ldc + v * L);
      }
    } else {
      alignas(64) T all[R * V * L];  // indexing acc by a variable would keep it out of the registers above
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[i][v].store(all + (i * V + v) * L);
      }
      store_edge(all, V * L, job, c);
    }
  }
}

/// The tiles of `job`, as high as their rows and as wide as their columns ask for.
template <class T>
void run(const TileJob<T>& job, bool by_rows) {
  const auto as = [&](auto rows, auto regs) {
    constexpr int R = decltype(rows)::value, V = decltype(regs)::value;
    by_rows ? run_tiles<T, R, V, true>(job) : run_tiles<T, R, V, false>(job);
  };
  constexpr std::integral_constant<int, gemm_rows> full{};
  if (job.cols <= lanes_of<T>)
    as(full, std::integral_constant<int, 1>{});
  else if (job.cols <= 2 * lanes_of<T>)
    as(full, std::integral_constant<int, 2>{});
  else if (job.rows <= 4)  // one to three rows take as long as four: each of their chains waits for its own last fma
    as(std::integral_constant<int, 4>{}, std::integral_constant<int, 3>{});
  else
    as(full, std::integral_constant<int, 3>{});
}

template <class T>
[[gnu::noinline]] void pack_rows(T* to, View<T> a, Index row, Index k, Index rows, Index K) {
  pack_panel<gemm_rows>(to, a.at(row, k).transposed(), K, rows);
}
/// Rows [k, k + K) of `cols` columns of B from `col` on, as panels. By rows, B is walked 32 rows at a time across all
/// panels: one panel's rows lie pages apart.
template <class T>
[[gnu::noinline]] void pack_columns(T* to, View<T> b, Index k, Index col, Index K, Index cols) {
  constexpr Index W = gemm_cols<T>;
  const Index depth = b.col_stride == 1 ? 32 : K;
  for (Index i = 0; i < K; i += depth) {
    for (Index j = 0; j < cols; j += W) {
      pack_panel<gemm_cols<T>>(to + j * K + i * W, b.at(k + i, col + j), at_most(K - i, depth), at_most(cols - j, W));
    }
  }
}

template <class T>
void multiply(bool threads, Index M, Index N, Index K, View<T> a, View<T> b, T* c, Index ldc, bool accumulate,
              const AnyEpilogue<T>& epilogue) {
  constexpr Index R = gemm_rows, W = gemm_cols<T>;
  constexpr Index block_rows = 384;     // of A packed at a time: 384 KB, in L2
  constexpr Index wide = 2048 / W * W;  // columns of B packed at a time for all tasks, 2 MB
  constexpr Index group = 4 * W;        // or by each task, in L2
  if (M <= 0 || N <= 0) return;
  // About 40 us of work, or 4 MB of B to read: for less, what the other core has made takes longer to fetch from there
  // than to make here (products in turns with serial passes: 128 x 128 x 128 0.78 times as fast on two, 256 x 128 x 128
  // 1.00).
  threads = threads && (M * N * K >= (Index{1} << 22) || N * K >= (Index{1} << 20));
  if (M == 1 && a.col_stride == 1 && (b.col_stride == 1 || b.row_stride == 1)) {
    return one_row<T>(threads, N, K, a.data, b, c, accumulate, epilogue);
  }
  // Packing pays where a panel is used often enough. In place, B must also not stride over more memory than L1 and L2
  // hold.
  const bool a_by_rows = a.col_stride == 1;
  const bool b_in_place = b.col_stride == 1 && (M <= 12 || N * K <= (Index{1} << 14));
  const bool a_in_place = (a_by_rows || a.row_stride == 1) && (b_in_place || N <= (a_by_rows ? 512 : 4 * W));
  const bool b_shared =
      !b_in_place && M > block_rows;  // packed once for all tasks; else each panel by the task that uses it

  const Index kc = k_block(K);
  const Scratch<T> b_packed(b_shared ? ceil_div(at_most(N, wide), W) * W * kc : 0);
  for (Index j0 = 0; j0 < N; j0 += wide) {
    const Index n = at_most(N - j0, wide), panels = b_shared ? ceil_div(n, W) : 0;
    // Tasks: blocks of C, for threads smaller ones when there are few. A is packed by each task, so columns are cut
    // last.
    Index rows = ceil_div(ceil_div(M, ceil_div(M, block_rows)), R) * R, cols = ceil_div(n, W) * W;
    while (threads && ceil_div(M, rows) * ceil_div(n, cols) < 16 && rows * cols * kc > (Index{1} << 18)) {
      if (rows > 96 && (b_in_place || b_shared))
        rows = ceil_div(rows / 2, R) * R;
      else if (cols > (a_in_place ? 1 : 4) * W)
        cols = ceil_div(cols / 2, W) * W;
      else if (rows > 96)  // each packs B's panels again, for 48 rows or more
        rows = ceil_div(rows / 2, R) * R;
      else
        break;
    }
    const Index across = ceil_div(n, cols), tasks = ceil_div(M, rows) * across;
    // Tasks side by side read the same rows of A: where all of it stays in L2, it is packed once for all, too.
    const Index a_panels = !a_in_place && across > 1 && M <= block_rows ? ceil_div(M, R) : 0;
    const Scratch<T> a_shared(a_panels * R * kc);
    const auto pack_a = [&](T* to, Index k0, Index k, Index row0, Index row1) {
      for (Index i = row0; i < row1; i += R) pack_rows<T>(to + (i - row0) * k, a, i, k0, at_most(row1 - i, R), k);
    };
    // A block of C, and its terms [k0, k0 + k).
    const auto work = [&](Index task, Index k0, Index k, T* a_packed, T* b_some) {
      const bool add = accumulate || k0 > 0, last = k0 + k == K;
      const Index row0 = task / across * rows, row1 = at_most(row0 + rows, M);
      const Index col0 = task % across * cols, col1 = at_most(col0 + cols, n);
      if (!a_in_place && a_panels == 0) pack_a(a_packed, k0, k, row0, row1);
      const T* a_tiles = a_panels > 0 ? a_shared.data() + row0 * k : a_packed;
      for (Index j = col0, across_tile; j < col1; j += across_tile) {
        across_tile = at_most(col1 - j, W);
        if (b_in_place && col1 - j == W + lanes_of<T>) across_tile = 2 * lanes_of<T>;  // 2 + 2 registers, not 3 + 1
        const T* b_tile = b_shared ? b_packed.data() + j * k : nullptr;
        Index ldb = W;
        if (b_in_place && across_tile % lanes_of<T> == 0) {
          b_tile = b.at(k0, j0 + j).data;
          ldb = b.row_stride;
        } else if (!b_shared) {
          const Index done = b_in_place ? 0 : (j - col0) % group;
          if (done == 0) pack_columns<T>(b_some, b, k0, j0 + j, k, at_most(col1 - j, group));
          b_tile = b_some + done * k;
        }
        T* c_tile = c + row0 * ldc + j0 + j;
        const Index whole = (row1 - row0) / R, rest = (row1 - row0) % R;
        TileJob<T> job{k, a_tiles, R, R * k, b_tile, ldb, c_tile, ldc, whole, R, across_tile, add};
        if (a_in_place) {
          job.a = a.at(row0, k0).data;
          job.a_step = a_by_rows ? a.row_stride : a.col_stride;
          job.a_tile = R * a.row_stride;
        }
        if (whole > 0) run<T>(job, a_in_place && a_by_rows);
        if (rest > 0) {
          job.a += whole * job.a_tile;
          job.c += whole * R * ldc;
          job.tiles = 1;
          job.rows = rest;
          if (a_in_place && !a_by_rows) {  // a tile higher than its rows would read past A's last one
            pack_rows<T>(a_packed, a, row1 - rest, k0, rest, k);
            job.a = a_packed;
            job.a_step = R;
          }
          run<T>(job, a_in_place && a_by_rows);
        }
        if (last) epilogue(c_tile, ldc, row0, j0 + j, row1 - row0, across_tile);
      }
    };
    // What is shared is packed for one block of k at a time; tasks that share nothing go over all of k by themselves.
    const Index depth = b_shared || a_panels > 0 ? kc : K;
    Index first = 0;
    do {  // once for K = 0, too
      const Index end = at_most(first + depth, K);
      for_blocks(threads && panels > 8, panels, 4, [&](Index begin, Index stop) {
        const Index from = begin * W, to = at_most(stop * W, n);
        pack_columns<T>(b_packed.data() + from * (end - first), b, first, j0 + from, end - first, to - from);
      });
      for_blocks(threads && a_panels > 8, a_panels, 4, [&](Index begin, Index stop) {
        pack_a(a_shared.data() + begin * R * (end - first), first, end - first, begin * R, at_most(stop * R, M));
      });
      for_blocks(threads && tasks > 1, tasks, 1, [&](Index begin, Index stop) {
        const Scratch<T> a_packed(a_in_place ? (a_by_rows ? 0 : kc * R) : a_panels > 0 ? 0 : rows * kc);
        const Scratch<T> b_some(b_shared || (b_in_place && n % lanes_of<T> == 0) ? 0 : kc * group);
        for (Index task = begin; task < stop; ++task) {
          Index k = first;
          do {
            work(task, k, at_most(end - k, kc), a_packed.data(), b_some.data());
            k += kc;
          } while (k < end);
        }
      });
      first += depth;
    } while (first < K);
  }
}

}  // namespace detail

/// C = epilogue(A B [+ C]): A [M, K], B [K, N], C [M, N] with rows ldc apart. C must not overlap A or B.
template <class T, class Epilogue = Identity>
void gemm(Index M, Index N, Index K, View<T> a, View<T> b, T* c, Index ldc, bool accumulate = false,
          const Epilogue& epilogue = {}) {
  detail::multiply<T>(true, M, N, K, a, b, c, ldc, accumulate, epilogue);
}

/// The same on the calling thread: for products inside another kernel's parallel_for.
template <class T, class Epilogue = Identity>
void gemm_serial(Index M, Index N, Index K, View<T> a, View<T> b, T* c, Index ldc, bool accumulate = false,
                 const Epilogue& epilogue = {}) {
  detail::multiply<T>(false, M, N, K, a, b, c, ldc, accumulate, epilogue);
}

/// `batch` products, each operand a step of so many numbers after the one before (0: the same for all).
/// The epilogue sees rows counted through the batch: product p begins at row p M.
template <class T, class Epilogue = Identity>
void gemm_batched(Index batch, Index M, Index N, Index K, View<T> a, Index a_step, View<T> b, Index b_step, T* c,
                  Index ldc, Index c_step, bool accumulate = false, const Epilogue& epilogue = {}) {
  const Index size = M * N * K + 1, grain = detail::ceil_div(Index{1} << 18, size);
  const bool inside = batch < 8 && size > (Index{1} << 22);  // few and large: threads within each product
  detail::for_blocks(!inside && batch > grain, batch, grain, [&](Index begin, Index end) {
    for (Index p = begin; p < end; ++p) {
      const auto shifted = [&epilogue, p, M](Pack<T> x, Index row, Index col, Index lanes) {
        return epilogue(x, p * M + row, col, lanes);
      };
      const View<T> ap{a.data + p * a_step, a.row_stride, a.col_stride};
      const View<T> bp{b.data + p * b_step, b.row_stride, b.col_stride};
      if constexpr (std::is_same_v<Epilogue, Identity>)
        detail::multiply<T>(inside, M, N, K, ap, bp, c + p * c_step, ldc, accumulate, epilogue);
      else
        detail::multiply<T>(inside, M, N, K, ap, bp, c + p * c_step, ldc, accumulate, shifted);
    }
  });
}

#ifdef TESSERA_INSTANCE  // tessera::compiled
TESSERA_INSTANCE template void detail::multiply(bool, Index, Index, Index, View<float>, View<float>, float*, Index,
                                                bool, const detail::AnyEpilogue<float>&);
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel
