// Matrix product: C = epilogue(A B [+ C]), any strides of A and B (so all transposes), C by rows.
//
// Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): B in panels of a few registers, A
// in panels of a tile's rows, packed so that the tile reads both in order; blocks sized for L2. Differences: one driver
// decides per operand whether it pays to pack at all (small products touch nothing but A, B and C). Nothing is packed
// ahead: the first tile that reads an operand in its own rows copies them to the panel in passing, and meanwhile
// fetches what the tile after it will read; so packing hides behind the fma's, and tasks share nothing. The epilogue is
// applied to each tile of C right after its last k, while it is in L1: it is then compiled once, not once a tile
// height, and the driver not once an epilogue.
//
// The law: element (i, j) is the sum over blocks of k_block(K) terms, each block one chain of fma's in rising k, blocks
// added in order after C. Nothing else enters: neither M, N, the strides nor the number of threads. So one row of a
// product equals the product of that row bit for bit, and a batch equals its singles.
#pragma once

#include <type_traits>
#include <utility>

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

/// Memory that will be read soon: `rows` rows, `step` apart, of `width` elements each. Fetched into L2 line by line.
template <class T>
struct Ahead {
  static constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  const T* row = nullptr;
  Index step = 0, width = 0, rows = 0, at = 0;

  /// A block of a matrix; nothing where it is empty, or has neither rows nor columns in one piece.
  static Ahead of(View<T> x, Index block_rows, Index block_cols) {
    if (block_rows <= 0 || block_cols <= 0) return {};
    if (x.col_stride == 1) return {x.data, x.row_stride, block_cols, block_rows};
    if (x.row_stride == 1) return {x.data, x.col_stride, block_rows, block_cols};
    return {};
  }
  Index lines() const { return rows * (width / line + 2); }
  [[gnu::always_inline]] void fetch(Index count) {
    for (; count > 0 && rows > 0; --count) {
      __builtin_prefetch(row + at, 0, 2);
      at += line;
      if (at < width + line - 1) continue;
      at = 0;
      row += step;
      --rows;
    }
  }
};

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
  T* panel = nullptr;  // where B goes when it is copied in passing
  Ahead<T>* next_a = nullptr;
  Ahead<T>* next_b = nullptr;
  Index part = 16;               // k from fetch to fetch
  Index some_a = 0, some_b = 0;  // lines of each at a time
};

/// How the tiles find A: by rows, or by columns (packed or in place); whether they copy B to `panel`.
enum class Pass { rows, columns, rows_copying_b, columns_copying_b };

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

// Not inlined: a few heights and widths x 4 passes are all the tile code of a type, shared by every epilogue.
template <class T, int R, int V, Pass pass>
[[gnu::noinline]] void run_tiles(const TileJob<T>& job) {
  constexpr int L = lanes_of<T>;
  const Index rows = job.rows, ldc = job.ldc, part = job.part;
  const bool whole = rows == R && job.cols == V * L;
  const Index c_rows = part >= job.K ? 0 : part * R <= job.K ? 1 : 2;  // fetched each part
  Ahead<T> next_a, next_b;
  if (job.next_a) next_a = *job.next_a;
  if (job.next_b) next_b = *job.next_b;
  const T* a = job.a;
  T* c = job.c;
  for (Index tile = 0; tile < job.tiles; ++tile, a += job.a_tile, c += R * ldc) {
    Pack<T> acc[R][V];
    clear(acc);
    // C and what comes next arrive while the sum is made, a few lines at a time: all at once would hold every line
    // buffer, and A would wait.
    for (Index k = 0, row = 0; k < job.K; k += part) {
      for (const Index end = row + c_rows; whole && row < end && row < R; ++row) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) __builtin_prefetch(c + row * ldc + v * L, 1);
      }
      next_a.fetch(job.some_a);
      next_b.fetch(job.some_b);
      const Index count = at_most(job.K - k, part);
      const T* b = job.b + k * job.ldb;
      const T* a_k = a + k * (pass == Pass::rows || pass == Pass::rows_copying_b ? 1 : job.a_step);
      if constexpr (pass == Pass::rows)
        fma_tile(acc, count, RowPointers<T, R>::of(a_k, job.a_step, rows), b, job.ldb);
      else if constexpr (pass == Pass::rows_copying_b)
        fma_tile(acc, count, RowPointers<T, R>::of(a_k, job.a_step, rows), b, job.ldb, job.panel + k * V * L);
      else if constexpr (pass == Pass::columns)
        fma_tile(acc, count, Columns<T>{a_k, job.a_step}, b, job.ldb);
      else
        fma_tile(acc, count, Columns<T>{a_k, job.a_step}, b, job.ldb, job.panel + k * V * L);
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
  if (job.next_a) *job.next_a = next_a;
  if (job.next_b) *job.next_b = next_b;
}

/// The tiles of `job`, as high as their rows and as wide as their columns ask for.
template <class T>
void run(const TileJob<T>& job, Pass pass) {
  constexpr int R = gemm_rows, V = gemm_regs;
  const auto as = [&]<int r, int v>(std::integer_sequence<int, r, v>) {
    pass == Pass::rows ? run_tiles<T, r, v, Pass::rows>(job) : run_tiles<T, r, v, Pass::columns>(job);
  };
  if (pass == Pass::rows_copying_b)
    run_tiles<T, R, V, Pass::rows_copying_b>(job);
  else if (pass == Pass::columns_copying_b)
    run_tiles<T, R, V, Pass::columns_copying_b>(job);
  else if (job.cols <= lanes_of<T>)
    as(std::integer_sequence<int, R, 1>{});
  else if (job.cols <= 2 * lanes_of<T>)
    as(std::integer_sequence<int, R, 2>{});
  else if (job.rows <= 4)  // one to three rows take as long as four: each of their chains waits for its own last fma
    as(std::integer_sequence<int, 4, V>{});
  else
    as(std::integer_sequence<int, R, V>{});
}

inline constexpr Index tiles_packed = 4;  // at a time

/// Rows [row, row + rows), four tiles at most, of K columns of A from k on, as panels.
template <class T>
[[gnu::noinline]] void pack_rows(T* to, View<T> a, Index row, Index k, Index rows, Index K) {
  constexpr Index R = gemm_rows, all = tiles_packed * R;
  if (rows == all && a.row_stride == 1) {  // side by side: a column's piece of four tiles is two lines
    const T* from = a.at(row, k).data;
    for (Index i = 0; i < K; ++i, from += a.col_stride) {
#pragma GCC unroll 4
      for (Index t = 0; t < tiles_packed; ++t) __builtin_memcpy(to + t * R * K + i * R, from + t * R, R * sizeof(T));
    }
    return;
  }
  for (Index i = 0; i < rows; i += R) pack_panel<R>(to + i * K, a.at(row + i, k).transposed(), K, at_most(rows - i, R));
}

/// Rows and columns of a task's block of C. Each task packs its rows of A and its columns of B for itself, so there are
/// as few as keep all threads busy: two a thread or more, and few idle while the last ones run. The next cut goes where
/// it costs less. Costs: of packing a panel, in hundredths of a tile's time.
struct Blocks {
  Index rows, cols;
};
template <class T>
Blocks cut_blocks(Index threads, Index M, Index N, Index kc, int a_cost, int b_cost) {
  constexpr Index R = gemm_rows, W = gemm_cols<T>;
  constexpr Index most_rows = 384;  // of A packed at a time: 384 KB, in L2
  Index rows = ceil_div(ceil_div(M, ceil_div(M, most_rows)), R) * R, cols = ceil_div(N, W) * W;
  const auto idle = [&] {
    const Index tasks = ceil_div(M, rows) * ceil_div(N, cols), turns = ceil_div(tasks, threads);
    return tasks < 2 * threads || 10 * tasks < 9 * turns * threads;
  };
  while (threads > 1 && rows * cols * kc > (Index{1} << 18) && idle()) {
    const bool rows_can = rows >= 12 * R, cols_can = cols >= 2 * W;
    if (!rows_can && !cols_can) break;
    if (rows_can && (!cols_can || b_cost * R * cols <= a_cost * W * rows))
      rows = ceil_div(rows / 2, R) * R;
    else
      cols = ceil_div(cols / 2, W) * W;
  }
  return {rows, cols};
}

template <class T>
void multiply(bool threads, Index M, Index N, Index K, View<T> a, View<T> b, T* c, Index ldc, bool accumulate,
              const AnyEpilogue<T>& epilogue) {
  constexpr Index R = gemm_rows, W = gemm_cols<T>;
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
  const bool a_by_rows = a.col_stride == 1, a_by_columns = !a_by_rows && a.row_stride == 1;
  const bool b_by_rows = b.col_stride == 1;
  const bool b_in_place = b_by_rows && (M <= 12 || N * K <= (Index{1} << 14));
  const bool a_in_place = (a_by_rows || a_by_columns) && (b_in_place || N <= (a_by_rows ? 512 : 4 * W));
  const Index kc = k_block(K);
  const int a_cost = a_in_place ? 2 : a_by_columns ? 4 : 16, b_cost = b_in_place ? 1 : b_by_rows ? 8 : 80;
  const Blocks blocks = cut_blocks<T>(threads ? workers::threads() : 1, M, N, kc, a_cost, b_cost);
  const Index rows = blocks.rows, cols = blocks.cols;
  const Index across = ceil_div(N, cols), tasks = ceil_div(M, rows) * across;
  const bool far = kc >= 64 && M * K + K * N + M * N > (Index{1} << 18);  // else a fetch costs more than it saves
  // A block of C, and its terms [k0, k0 + k).
  const auto work = [&](Index task, Index k0, Index k, T* a_panels, T* b_panel) {
    const bool add = accumulate || k0 > 0, last = k0 + k == K;
    const Index row0 = task / across * rows, row1 = at_most(row0 + rows, M);
    const Index col0 = task % across * cols, col1 = at_most(col0 + cols, N);
    const Index tiles = ceil_div(row1 - row0, R), next_k = at_most(K - k0 - k, kc);
    const Index part = far ? 16 : k < 128 ? k : k / 16 * 4, parts = k > 0 ? ceil_div(k, part) : 1;
    for (Index j = col0, width; j < col1; j += width) {
      width = at_most(col1 - j, W);
      if (b_in_place && col1 - j == W + lanes_of<T>) width = 2 * lanes_of<T>;  // 2 + 2 registers, not 3 + 1
      TileJob<T> job{k, a_panels, R, R * k, b_panel, W, c + row0 * ldc + j, ldc, 1, R, width, add};
      job.part = part;
      if (a_in_place) {
        job.a = a.at(row0, k0).data;
        job.a_step = a_by_rows ? a.row_stride : a.col_stride;
        job.a_tile = R * a.row_stride;
      }
      const Pass pass = a_in_place && a_by_rows ? Pass::rows : Pass::columns;
      const bool b_copied = b_by_rows && !b_in_place && width == W;  // by the first tile, in passing
      Ahead<T> next_a, next_b;
      if (b_in_place && width % lanes_of<T> == 0) {
        job.b = b.at(k0, j).data;
        job.ldb = b.row_stride;
      } else {
        if (!b_copied) pack_panel<gemm_cols<T>>(b_panel, b.at(k0, j), k, width);
        if (far) {
          const bool right = j + width < col1;  // the next panel is to the right, or below
          next_b = right ? Ahead<T>::of(b.at(k0, j + width), k, at_most(col1 - j - width, W))
                         : Ahead<T>::of(b.at(k0 + k, col0), next_k, at_most(col1 - col0, W));
          job.some_b = ceil_div(next_b.lines(), tiles * parts);
          if (job.some_b <= 12) job.next_b = &next_b;  // more would hold up the tiles
        }
      }
      // One tile at a time while operands arrive: all tiles of the first panel, the first of the others.
      const Index whole = (row1 - row0) / R, singly = far && j == col0 ? tiles : b_copied ? 1 : 0;
      const auto pack_tiles = [&](Index t) {
        const Index row = row0 + t * R;
        pack_rows<T>(a_panels + t * R * k, a, row, k0, at_most(row1 - row, tiles_packed * R), k);
      };
      if (!far && j == col0 && !a_in_place) {
        for (Index t = 0; t < tiles; t += tiles_packed) pack_tiles(t);
      }
      for (Index t = 0, some_a = 0; t < tiles;) {
        const Index row = row0 + t * R, height = at_most(row1 - row, R);
        TileJob<T> now = job;
        Pass how = pass;
        now.a += t * job.a_tile;
        now.c += t * R * ldc;
        now.rows = height;
        if (t >= singly && t < whole) now.tiles = whole - t;
        if (far && j == col0 && !a_in_place) {
          if (t % tiles_packed == 0) pack_tiles(t);
        } else if (a_in_place && !a_by_rows && height < R) {  // a tile higher than its rows would read past A's last
          pack_rows<T>(a_panels, a, row, k0, height, k);
          now.a = a_panels;
          now.a_step = R;
        }
        if (t == 0 && b_copied) {
          how = pass == Pass::rows ? Pass::rows_copying_b : Pass::columns_copying_b;
          now.panel = b_panel;
          now.b = b.at(k0, j).data;
          now.ldb = b.row_stride;
        }
        if (far && j == col0) {
          if (t % tiles_packed == 0) {  // the rows of A below these tiles, or of the next terms
            const Index below = row + tiles_packed * R;
            next_a = below < row1 ? Ahead<T>::of(a.at(below, k0), at_most(row1 - below, tiles_packed * R), k)
                                  : Ahead<T>::of(a.at(row0, k0 + k), at_most(row1 - row0, tiles_packed * R), next_k);
            some_a = ceil_div(next_a.lines(), tiles_packed * parts);
          }
          now.next_a = &next_a;
          now.some_a = some_a;
        }
        run<T>(now, how);
        t += now.tiles;
      }
      if (last) epilogue(c + row0 * ldc + j, ldc, row0, j, row1 - row0, width);
    }
  };
  for_blocks(threads && tasks > 1, tasks, 1, [&](Index begin, Index end) {
    const Scratch<T> a_panels(a_in_place ? (a_by_rows ? 0 : kc * R) : rows * kc);
    const Scratch<T> b_panel(b_in_place && N % lanes_of<T> == 0 ? 0 : kc * W);
    for (Index task = begin; task < end; ++task) {
      Index k = 0;
      do {  // once for K = 0, too
        work(task, k, at_most(K - k, kc), a_panels.data(), b_panel.data());
        k += kc;
      } while (k < K);
    }
  });
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
