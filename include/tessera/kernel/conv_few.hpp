// Direct convolution from one to four channels (the first layer of what reads pictures), and its adjoint by the weights.
//
// So few channels make neighbours of a kernel's row neighbours in memory: what tap (ky, 0) of a pixel reads is followed
// by all that the other taps of row ky read. So a picture with its padding written out is already the matrix of the
// product, its rows overlapping: the forward pass reads it by rows (of kernel_w channels each, kernel_h times), the
// adjoint by columns; nothing else is copied. Two threads, AVX-512, 3 -> 64 at 64 x 64, 3 x 3, beside a copy of all taps
// of each pixel: forward 1.6 times as fast, the adjoint 4 times.
//
// Every output number is one chain, bias first, then taps and channels in rising order, as in conv_direct.hpp. A weight's
// gradient is summed over some rows of pixels at a time, and these in rising order.
#pragma once

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>

namespace tessera::inline TESSERA_ISA::kernel::detail {

/// Is this the way for a convolution of so few channels? Never looks at the batch.
inline bool conv_few(const ConvShape& s) {
  return s.groups == 1 && s.in_channels <= 4 && s.out_channels > 4 && s.taps() > 1 && s.dilation_w == 1 &&
         s.out_height() > 0 && s.out_width() > 0;
}

/// What the output rows [first, last) of a picture read, its padding written out as zeros.
struct Band {
  Index first, last, rows, numbers;  // rows of `numbers` each

  Band(const ConvShape& s, Index begin, Index end)
      : first(begin * s.stride_h - s.pad_top),
        last(first + (end - begin - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1),
        rows(last - first),
        numbers(((s.out_width() - 1) * s.stride_w + s.kernel_w) * s.in_channels) {}

  /// to[row][number], from one picture.
  template <class T>
  void copy(const ConvShape& s, const T* picture, T* to) const {
    const Index shift = s.pad_left * s.in_channels, wide = s.width * s.in_channels;
    const auto within = [&](Index at) { return at < 0 ? 0 : at < numbers ? at : numbers; };
    const Index begin = within(shift), end = within(shift + wide);  // where the picture lies in a row
    for (Index y = first; y < last; ++y, to += numbers) {
      const bool inside = y >= 0 && y < s.height;
      const Index left = inside ? begin : numbers, right = inside ? end : numbers;
      const T* const from = picture + y * wide;
      for (Index i = 0; i < left; ++i) to[i] = T(0);
      for (Index i = left; i < right; ++i) to[i] = from[i - shift];
      for (Index i = right; i < numbers; ++i) to[i] = T(0);
    }
  }
};

/// Numbers behind a band that a tile higher than its rows may read.
inline constexpr Index band_slack = 16;

/// R pixels of an output row, `step` numbers apart in `from`, and V registers of its columns.
template <int R, int V, class T>
void few_tile(const ConvShape& s, const T* from, Index numbers, Index step, Index valid, const T* panel, Index left,
              const T* bias, const ConvAddends<T>& add, Index offset, T* y) {
  constexpr Index L = lanes_of<T>, N = tile_cols<T>;
  const Index depth = s.kernel_w * s.in_channels;
  Pack<T> acc[R][V];
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) {
    const Pack<T> start = Pack<T>::load(bias + v * L);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) acc[i][v] = start;
  }
  for (Index ky = 0; ky < s.kernel_h; ++ky) {
    fma_tile(acc, depth, RowPointers<T, R>::of(from + ky * s.dilation_h * numbers, step, valid), panel + ky * depth * N,
             N);
  }
  const bool whole = valid == R && left >= V * L && !add.last();
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const Index at = offset + i * s.out_channels + v * L;
      if (whole)
        acc[i][v].store(y + at);
      else if (i < valid)
        store_left(y + at, add.finish(acc[i][v], at, left - v * L), left - v * L);
    }
  }
}

/// y = conv(x) from the weights of conv_direct_weights.
template <class T>
void conv_few_forward(const ConvShape& s, const T* x, const T* packed, const ConvAddends<T>& add, T* y) {
  constexpr Index L = lanes_of<T>, N = tile_cols<T>;
  const Index oh = s.out_height(), ow = s.out_width(), co = s.out_channels, step = s.stride_w * s.in_channels;
  const Index depth = s.taps() * s.in_channels, columns = round_up(co, N);
  const Scratch<T> bias(columns);
  for (Index j = 0; j < columns; ++j) bias[j] = add.bias && j < co ? add.bias[j] : T(0);
  const Index rows = s.batch * oh;
  parallel_for(rows, even_grain(rows, ow * depth * co, Index{1} << 21), [&](Index begin, Index end) {
    for (Index row = begin, some; row < end; row += some) {  // those of one picture
      const Index n = row / oh, top = row % oh;
      some = oh - top < end - row ? oh - top : end - row;
      const Band band(s, top, top + some);
      const Scratch<T> source(band.rows * band.numbers + band_slack);
      band.copy(s, x + n * s.height * s.width * s.in_channels, source.data());
      for (Index j = 0; j < co; j += N) {
        const T* const panel = packed + j * depth;
        for (Index i = 0; i < some; ++i) {
          for (Index p = 0, height; p < ow; p += height) {
            height = next_rows(ow - p);
            const T* const from = source.data() + i * s.stride_h * band.numbers + p * step;
            const Index offset = ((row + i) * ow + p) * co + j, left = co - j;
            with_rows(height, [&](auto r) {
              if (left > L)
                few_tile<r(), tile_regs>(s, from, band.numbers, step, height, panel, left, bias.data() + j, add, offset,
                                         y);
              else
                few_tile<r(), 1>(s, from, band.numbers, step, height, panel, left, bias.data() + j, add, offset, y);
            });
          }
        }
      }
    }
  });
}

/// dw of R numbers of a kernel's row and V registers of columns: from[k * step + r] dy[k][...], rows of pixels one
/// after the other.
template <int R, int V, class T>
[[gnu::noinline]] void few_outer(const ConvShape& s, const T* from, Index row_step, Index picture_step, Index valid,
                                 const T* dy, T* dw) {
  constexpr Index L = lanes_of<T>;
  const Index oh = s.out_height(), ow = s.out_width(), rows = s.batch * oh, co = s.out_channels;
  const Index together = ow < adjoint_block ? adjoint_block / ow : 1;
  for (Index row = 0; row < rows; row += together) {
    Pack<T> acc[R][V];
    clear(acc);
    for (Index i = row; i < row + together && i < rows; ++i) {
      const T* const at = from + i / oh * picture_step + i % oh * row_step;
      fma_tile(acc, ow, Columns<T>{at, s.stride_w * s.in_channels}, dy + i * ow * co, co);
    }
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        T* const to = dw + i * co + v * L;
        if (i < valid) (row > 0 ? Pack<T>::load(to) + acc[i][v] : acc[i][v]).store(to);
      }
    }
  }
}

/// Can the adjoint read dy as it lies, a register at a time?
template <class T>
bool conv_few_adjoint(const ConvShape& s) {
  return conv_few(s) && s.out_channels % lanes_of<T> == 0;
}

/// dw from x and dy.
template <class T>
void conv_few_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  constexpr Index L = lanes_of<T>, N = tile_cols<T>;
  const Index co = s.out_channels, depth = s.kernel_w * s.in_channels;
  const Band band(s, 0, s.out_height());
  const Index picture = band.rows * band.numbers, row_step = s.stride_h * band.numbers;
  const Scratch<T> source(s.batch * picture + band_slack);
  for (Index i = 0; i < band_slack; ++i) source[s.batch * picture + i] = T(0);
  parallel_for(s.batch, even_grain(s.batch, picture, Index{1} << 15), [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n)
      band.copy(s, x + n * s.height * s.width * s.in_channels, source.data() + n * picture);
  });
  // A task is some numbers of a kernel's row, and a panel of columns: it owns that part of dw.
  const Index parts = (depth + tile_rows - 1) / tile_rows, panels = (co + N - 1) / N,
              tasks = s.kernel_h * parts * panels;
  const Index each = s.batch * s.out_height() * s.out_width() * tile_rows * N;
  parallel_for(tasks, even_grain(tasks, each, Index{1} << 20), [&](Index begin, Index end) {
    for (Index task = begin; task < end; ++task) {
      const Index ky = task % s.kernel_h, part = task / s.kernel_h % parts, j = task / s.kernel_h / parts * N;
      const Index first = part * tile_rows, height = next_rows(depth - first);
      const T* const from = source.data() + ky * s.dilation_h * band.numbers + first;
      T* const to = dw + (ky * depth + first) * co + j;
      const auto outer = [&](auto r) {
        if (co - j > L)
          few_outer<r(), tile_regs>(s, from, row_step, picture, height, dy + j, to);
        else
          few_outer<r(), 1>(s, from, row_step, picture, height, dy + j, to);
      };
      constexpr int square = 9;  // three taps of three colours, the most common
      if (square < tile_rows && height == square)
        outer(std::integral_constant < int, square<tile_rows ? square : tile_rows>{});
      else
        with_rows(height, outer);
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel::detail
