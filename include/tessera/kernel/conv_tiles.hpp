// The two tile loops under all convolutions, direct and by Winograd: products of rows, and sums of outer products of
// columns. Rows and columns are found through tables of pointers, so they may lie anywhere.
#pragma once

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/tile.hpp>

namespace tessera::inline TESSERA_ISA::kernel::detail {

/// Some of a layer's weights. Columns are outputs, or inputs where the weights are transposed; rows are the other.
struct WeightPart {
  Index column, columns;  // -1: all
  Index row = 0, rows = -1;
};

/// Panels [column / tile_cols][tap][k][tile_cols] of the weights of the given taps: of W (k over inputs, columns over
/// outputs) or of its transpose.
template <class T>
void pack_weights(const ConvShape& s, Index group, bool transposed, const Tap* tap, Index taps, const T* w, T* to,
                  WeightPart some = {0, -1}) {
  constexpr Index N = tile_cols<T>;
  const Index all_rows = transposed ? s.group_out() : s.group_in(),
              all_columns = transposed ? s.group_in() : s.group_out();
  const Index columns = some.columns < 0 ? all_columns : some.columns, depth = some.rows < 0 ? all_rows : some.rows;
  const Index panels = (columns + N - 1) / N;
  parallel_for(panels * taps, 4, [&](Index begin, Index end) {
    for (Index p = begin; p < end; ++p) {
      const Index j = p / taps * N;
      const View<T> all{w + tap[p % taps].weight * s.group_in() * s.out_channels + group * s.group_out(),
                        s.out_channels, 1};
      const View<T> part = (transposed ? all.transposed() : all).at(some.row, some.column + j);
      pack_panel<N>(to + p * depth * N, part, depth, columns - j < N ? columns - j : N);
    }
  });
}

template <int R, class T>
[[gnu::always_inline]] inline void store_tile(const Pack<T> (&acc)[R][tile_regs], T* to) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_regs; ++v) acc[r][v].store(to + r * tile_cols<T> + v * lanes_of<T>);
  }
}
/// to[r][j] = or += part[r][j], a tile that was stored because only some of its rows and columns count.
template <class T>
[[gnu::noinline]] void copy_tile(const T* part, Index rows, Index columns, bool add, T* to, Index pitch) {
  for (Index r = 0; r < rows; ++r, part += tile_cols<T>, to += pitch) {
    for (Index j = 0; j < columns; j += lanes_of<T>) {
      const Pack<T> value = Pack<T>::load(part + j);
      store_left(to + j, add ? load_left(to + j, columns - j) + value : value, columns - j);
    }
  }
}

/// Fetches the cache lines of one row of a tile early: stores that miss hold up the loads of the next tile.
template <class T>
[[gnu::always_inline]] inline void expect_stores(const T* to) {
  __builtin_prefetch(to, 1);
  if constexpr (tile_cols<T> * sizeof(T) > 64) __builtin_prefetch(to + tile_cols<T> - 1, 1);
}

/// to[i][to_offset + j] = bias[j] + sum over taps of row[tap * count + i][row_offset + k] panel[tap][k][j], for the
/// `columns` first numbers of a panel. The table has tile_rows entries more, for a tile higher than the rows that
/// remain; bias is a whole panel. `onto`: what is there takes the place of the bias, so that sums over a part of the
/// channels go on where those before them ended, with the bits of one sum.
template <class T>
void multiply_rows(const T* const* row, Index row_offset, Index taps, Index count, Index depth, const T* panel,
                   const T* bias, T* const* to, Index to_offset, Index columns, bool onto = false) {
  constexpr Index N = tile_cols<T>;
  for (Index i = 0, rows; i < count; i += rows) {
    rows = next_rows(count - i);
    with_rows(rows, [&](auto height) {
      constexpr int R = height;
      Pack<T> acc[R][tile_regs];
      for (Index r = 0; r < rows; ++r) expect_stores(to[i + r] + to_offset);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const T* const start = onto ? to[i + r] + to_offset : bias;
#pragma GCC unroll 8
        for (int v = 0; v < tile_regs; ++v) acc[r][v] = Pack<T>::load(start + v * lanes_of<T>);
      }
      for (Index t = 0; t < taps; ++t) {
        RowPointers<T, R> a;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) a.row[r] = row[t * count + i + r] + row_offset;
        fma_tile<R, tile_regs>(acc, depth, a, panel + t * depth * N, N);
      }
      T part[R * N];
      if (columns == N) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          T* at = r < rows ? to[i + r] + to_offset : part;
#pragma GCC unroll 8
          for (int v = 0; v < tile_regs; ++v) acc[r][v].store(at + v * lanes_of<T>);
        }
      } else {
        store_tile(acc, part);
        for (Index r = 0; r < rows; ++r) copy_tile(part + r * N, 1, columns, false, to[i + r] + to_offset, 0);
      }
    });
  }
}

/// A by a table of columns: column k is somewhere in memory, contiguous in i.
template <class T>
struct ColumnPointers {
  const T* const* column;
  Index offset;
  [[gnu::always_inline]] const T* start(Index k) const {
    const T* p = column[k] + offset;
    asm("" : "+r"(p));  // else g++ keeps offset + i, as many registers as rows, in vector registers and on the stack
    return p;
  }
};

/// to[i][j] = or += sum over k of column[k][offset + i] right[k][j], for i in [first, last) and j < columns. Columns
/// have `rows` numbers; panel p of `right` (tile_cols numbers across, `right_pitch` from k to k) begins at p *
/// right_step.
template <class T>
void add_outer_products(const T* const* column, Index offset, Index count, const T* right, Index right_pitch,
                        Index right_step, Index first, Index last, Index rows, Index columns, bool add, T* to,
                        Index pitch) {
  constexpr Index N = tile_cols<T>;
  for (Index k = 0; k < count; k += adjoint_block) {
    const Index depth = count - k < adjoint_block ? count - k : adjoint_block;
    for (Index j = 0; j < columns; j += N) {
      const T* panel = right + j / N * right_step + k * right_pitch;
      for (Index i = first, height; i < last; i += height) {
        height = next_rows(last - i);
        with_rows(height, [&](auto tile) {
          constexpr int R = tile;
          // A column may not be read past its end: the last tile begins earlier and leaves out the rows it repeats.
          const Index begin = i + R <= rows ? i : rows - R;
          T* const corner = to + i * pitch + j;
          for (Index r = 0; r < height; ++r) expect_stores(corner + r * pitch);
          Pack<T> acc[R][tile_regs];
          clear(acc);
          fma_tile<R, tile_regs>(acc, depth, ColumnPointers<T>{column + k, offset + begin}, panel, right_pitch);
          if (height == R && begin == i && columns - j >= N) {
            if (add || k > 0) {
#pragma GCC unroll 16
              for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
                for (int v = 0; v < tile_regs; ++v) acc[r][v] += Pack<T>::load(corner + r * pitch + v * lanes_of<T>);
              }
            }
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
              for (int v = 0; v < tile_regs; ++v) acc[r][v].store(corner + r * pitch + v * lanes_of<T>);
            }
            return;
          }
          T part[R * N];
          store_tile(acc, part);
          copy_tile(part + (i - begin) * N, height, columns - j < N ? columns - j : N, add || k > 0, corner, pitch);
        });
      }
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel::detail
