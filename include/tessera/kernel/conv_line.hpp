// Convolutions along one axis with stride 1 (sound [B, T, C], dilated or not), all three directions, as sums of products of
// shifted rows:
//
//   y[t] = bias + sum over taps of x[t + shift(tap)] W[tap]        rows outside the line count as zero
//
// The rows of a line lie one after another, so no table of pointers is needed and the product's own tile (gemm.hpp: three
// registers across, which loads least) serves: a block of rows is multiplied tap by tap while it stays in the second cache,
// with small weights read in place. The weight adjoint is one product a tap and block, dW[tap] += x[t + shift]^T dy[t].
// 64 -> 128 channels, 2 taps, 16,000 rows: 1.05 to 1.2 times as fast as by conv_direct.hpp's table.
//
// A row's bits depend on nothing but the row; a weight adjoint adds fixed blocks in rising order.
#pragma once

#include <tessera/kernel/conv_shape.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/scratch.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// Is this the way for a convolution of floats, and its adjoints? Never looks at the batch.
inline bool conv_line(const ConvShape& s) {
  return native_width > 1 && s.height == 1 && s.kernel_h == 1 && s.kernel_w >= 2 && s.kernel_w <= 4 &&
         s.stride_w == 1 && s.groups == 1 && s.pad_top == 0 && s.pad_bottom == 0 && s.in_channels >= 32 &&
         s.out_channels >= 32 && s.in_channels * s.out_channels <= (Index{1} << 14) && s.out_width() >= 64;
}

namespace detail {

inline constexpr Index line_block = 256;  // rows: y's block and what it reads stay in L2

/// y[t] = bias + sum over taps of x[t + shift + tap step] W[tap], W[tap] [in, out] by rows; lines of n rows to lines of
/// m.
template <class T>
void line_product(Index lines, Index n, Index m, Index in, Index out, Index taps, Index shift, Index step, const T* x,
                  const T* w, const T* bias, T* y) {
  const Index blocks = ceil_div(m, line_block);
  parallel_for(lines * blocks, 1, [&](Index begin, Index end) {
    for (Index b = begin; b < end; ++b) {
      const Index line = b / blocks, first = b % blocks * line_block, last = at_most(first + line_block, m);
      const T* from = x + line * n * in;
      T* to = y + (line * m + first) * out;
      for (Index t = 0; t < taps; ++t) {
        const Index move = shift + t * step, low = first + move < 0 ? -move : first, high = at_most(last, n - move);
        const bool whole = low <= first && high == last;  // the first tap that reads all rows need not be told of zeros
        if (t == 0 && !whole) {
          for (Index i = 0; i < (last - first) * out; ++i) to[i] = T(0);
        }
        if (low >= high) continue;
        gemm_serial<T>(high - low, out, in, {from + (low + move) * in, in, 1}, {w + t * in * out, out, 1},
                       to + (low - first) * out, out, t > 0 || !whole);
      }
      if (!bias) continue;
      for (Index r = 0; r < last - first; ++r) {
        for (Index j = 0; j < out; j += lanes_of<T>) {
          T* p = to + r * out + j;
          store_lanes<T>(p, load_lanes<T>(p, out - j) + load_lanes<T>(bias + j, out - j), out - j);
        }
      }
    }
  });
}

}  // namespace detail

template <class T>
void conv_line_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  detail::line_product(s.batch, s.width, s.out_width(), s.in_channels, s.out_channels, s.kernel_w, -s.pad_left,
                       s.dilation_w, x, w, bias, y);
}

template <class T>
void conv_line_input_adjoint(const ConvShape& s, const T* dy, const T* w, T* dx, const T* bias = nullptr) {
  const Scratch<T> turned(s.weights());  // W[tap]^T
  constexpr Index W = 2 * lanes_of<T>;
  const Scratch<T> panel(s.out_channels * W + panel_slack<T>);
  for (Index t = 0; t < s.kernel_w; ++t) {
    const View<T> tap{w + t * s.in_channels * s.out_channels, s.out_channels, 1};
    for (Index j = 0; j < s.in_channels; j += W) {
      const Index columns = detail::at_most(s.in_channels - j, W);
      pack_panel<W>(panel.data(), tap.transposed().at(0, j), s.out_channels, columns);
      for (Index k = 0; k < s.out_channels; ++k) {
        T* to = turned.data() + (t * s.out_channels + k) * s.in_channels + j;
        for (Index c = 0; c < columns; ++c) to[c] = panel[k * W + c];
      }
    }
  }
  detail::line_product(s.batch, s.out_width(), s.width, s.out_channels, s.in_channels, s.kernel_w, s.pad_left,
                       -s.dilation_w, dy, turned.data(), bias, dx);
}

template <class T>
void conv_line_weight_adjoint(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  // Pieces of whole blocks, cut by the shape alone; each adds its blocks up, then the pieces are added in order.
  constexpr Index block = 128;  // rows of dy that are read in place by all taps
  const Index in = s.in_channels, out = s.out_channels, m = s.out_width(), across = ceil_div(m, block);
  const Index all = s.batch * across, pieces = at_most(all, 8), each = ceil_div(all, pieces), size = s.weights();
  const Scratch<T> part((pieces - 1) * size);
  parallel_for(pieces, 1, [&](Index begin, Index end) {
    for (Index piece = begin; piece < end; ++piece) {
      T* to = piece == 0 ? dw : part.data() + (piece - 1) * size;
      for (Index i = 0; i < size; ++i) to[i] = T(0);
      for (Index b = piece * each; b < at_most((piece + 1) * each, all); ++b) {
        const Index line = b / across, first = b % across * block, last = at_most(first + block, m);
        for (Index t = 0; t < s.kernel_w; ++t) {
          const Index move = t * s.dilation_w - s.pad_left;
          const Index low = first + move < 0 ? -move : first, high = at_most(last, s.width - move);
          if (low >= high) continue;
          gemm_serial<T>(in, out, high - low, {x + (line * s.width + low + move) * in, 1, in},
                         {dy + (line * m + low) * out, out, 1}, to + t * in * out, out, true);
        }
      }
    }
  });
  for (Index p = 1; p < pieces; ++p) {
    for (Index i = 0; i < size; ++i) dw[i] += part[(p - 1) * size + i];
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
