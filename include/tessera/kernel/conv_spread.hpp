// Direct convolution to few channels by many taps: every source pixel is multiplied by the weights of all taps at once, and
// the products are added up where they belong.
//
//   P(q)[tap, c] = src(q) . W[tap, :, c]          one matrix product, taps x columns wide
//   dst(p)[c]    = bias[c] + sum over taps of P(p + tap)[tap, c]
// Panels of few outputs would leave most lanes empty (12 channels: 20 of two registers' 32); 9 taps side by side fill them: 3x3
// from 128 to 12 channels takes 0.6 of the time, its weight adjoint 0.5 (AVX-512).
// The weight adjoint is the same the other way round: dy is spread to dy(q - tap) for all taps, then one product.
//
// For stride 1 and one group. Every output number is a sum over taps in rising order, each tap's a chain as in gemm.hpp.
#pragma once

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {
namespace detail {

/// One direction of a convolution as this way sees it.
struct Spread {
  Index batch, src_height, src_width, dst_height, dst_width, depth, columns, taps, kernel_w;
  Index top, left, step_h, step_w;  // tap (i, j) reads (y + top + i step_h, x + left + j step_w)

  static Spread forward(const ConvShape& s) {
    return {s.batch,  s.height,   s.width,    s.out_height(), s.out_width(), s.in_channels, s.out_channels,
            s.taps(), s.kernel_w, -s.pad_top, -s.pad_left,    s.dilation_h,  s.dilation_w};
  }
  static Spread adjoint(const ConvShape& s) {
    return {s.batch,  s.out_height(), s.out_width(), s.height,   s.width,       s.out_channels, s.in_channels,
            s.taps(), s.kernel_w,     s.pad_top,     s.pad_left, -s.dilation_h, -s.dilation_w};
  }
  Index width() const { return taps * columns; }
  Index row_of(Index tap) const { return top + tap / kernel_w * step_h; }
  Index column_of(Index tap) const { return left + tap % kernel_w * step_w; }
  /// Of row_of: the least and the greatest.
  Index first_row() const { return at_most(row_of(0), row_of(taps - 1)); }
  Index last_row() const { return -at_most(-row_of(0), -row_of(taps - 1)); }
};

/// Calls see(tap, begin, end, first): outputs [begin, end) of row y read source pixels from `first` on.
template <class See>
void for_taps(const Spread& s, Index y, const See& see) {
  for (Index t = 0; t < s.taps; ++t) {
    const Index row = y + s.row_of(t), shift = s.column_of(t);
    if (row < 0 || row >= s.src_height) continue;
    const Index begin = shift < 0 ? -shift : 0, end = at_most(s.dst_width, s.src_width - shift);
    if (begin < end) see(t, begin, end, row * s.src_width + begin + shift);
  }
}

}  // namespace detail

/// Is this the way to go? `adjoint`: by the input. Up to four columns: conv_narrow.hpp; more than half a panel are
/// enough for conv_direct.hpp.
template <class T>
bool conv_spreads(const ConvShape& s, bool adjoint) {
  const Index depth = adjoint ? s.out_channels : s.in_channels, columns = adjoint ? s.in_channels : s.out_channels;
  return s.groups == 1 && s.stride_h == 1 && s.stride_w == 1 && s.taps() >= 4 && depth >= 2 * lanes_of<T> &&
         columns > 4 && 2 * columns <= tile_cols<T> && s.pad_top >= 0 && s.pad_left >= 0;
}

/// to[k][tap][column]: as many numbers as there are weights.
template <class T>
void conv_spread_weights(const ConvShape& s, const T* w, bool adjoint, T* to) {
  const Index depth = adjoint ? s.out_channels : s.in_channels, columns = adjoint ? s.in_channels : s.out_channels;
  const Index k_step = adjoint ? 1 : s.out_channels, column_step = adjoint ? s.out_channels : 1;
  for (Index k = 0; k < depth; ++k) {
    for (Index t = 0; t < s.taps(); ++t) {
      const T* from = w + t * s.in_channels * s.out_channels + k * k_step;
      for (Index c = 0; c < columns; ++c) *to++ = from[c * column_step];
    }
  }
}

/// dst = bias + conv(src), or the adjoint by the input, from weights as above.
template <class T>
void conv_spread(const ConvShape& shape, bool adjoint, const T* src, const T* weights, const T* bias, T* dst) {
  using namespace detail;
  constexpr Index L = lanes_of<T>;
  const Spread s = adjoint ? Spread::adjoint(shape) : Spread::forward(shape);
  const Index wide = s.width(), C = s.columns;
  // Rows of output at a time: their products fit into L2.
  const Index block = (Index{1} << 16) / (s.src_width * wide) + 1;
  parallel_for(s.batch * s.dst_height, block, [&](Index begin, Index end) {
    // Source rows, counted through the batch, that these rows read.
    const auto clipped = [&](Index row, Index offset) {
      const Index y = row % s.dst_height + offset;
      return row / s.dst_height * s.src_height + (y < 0 ? 0 : at_most(y, s.src_height));
    };
    const Index first = clipped(begin, s.first_row()), last = clipped(end - 1, s.last_row() + 1);
    const Index pixels = last > first ? (last - first) * s.src_width : 0;
    const Scratch<T> products(pixels * wide + L);
    gemm_serial<T>(pixels, wide, s.depth, {src + first * s.src_width * s.depth, s.depth, 1}, {weights, wide, 1},
                   products.data(), wide);
    for (Index row = begin; row < end; ++row) {
      const Index image = row / s.dst_height;
      const Index of_image = (image * s.src_height - first) * s.src_width;
      T* to = dst + row * s.dst_width * C;
      for (Index i = 0; i < s.dst_width; ++i) {
        for (Index c = 0; c < C; ++c) to[i * C + c] = bias ? bias[c] : T(0);
      }
      for_taps(s, row % s.dst_height, [&](Index t, Index from, Index until, Index at) {
        const T* p = products.data() + (of_image + at) * wide + t * C;
        for (Index i = from; i < until; ++i, p += wide) {
          T* y = to + i * C;
          for (Index c = 0; c < C; c += L)  // what stands behind a tap's columns is not stored
            store_left(y + c, load_left(y + c, C - c) + Pack<T>::load(p + c), C - c);
        }
      });
    }
  });
}

/// dw for a convolution to few channels.
template <class T>
void conv_spread_weight_adjoint(const ConvShape& shape, const T* x, const T* dy, T* dw) {
  using namespace detail;
  const Spread s = Spread::forward(shape);
  const Index wide = s.width(), C = s.columns, rows = s.batch * s.src_height;
  const Index block =
      (Index{1} << 18) / (s.src_width * wide) + 1;  // source rows at a time: their spread dy fits into L2
  const Scratch<T> spread(at_most(block, rows) * s.src_width * wide), total(s.depth * wide);
  for (Index i = 0; i < s.depth * wide; ++i) total[i] = T(0);
  for (Index first = 0; first < rows; first += block) {
    const Index count = at_most(block, rows - first);
    parallel_for(count, 1, [&](Index begin, Index end) {
      for (Index row = first + begin; row < first + end; ++row) {
        const Index image = row / s.src_height, y = row % s.src_height;
        T* to = spread.data() + (row - first) * s.src_width * wide;
        for (Index q = 0; q < s.src_width; ++q) {
          for (Index t = 0; t < s.taps; ++t, to += C) {
            const Index oy = y - s.row_of(t), ox = q - s.column_of(t);
            if (oy >= 0 && oy < s.dst_height && ox >= 0 && ox < s.dst_width) {
              const T* from = dy + ((image * s.dst_height + oy) * s.dst_width + ox) * C;
              for (Index c = 0; c < C; ++c) to[c] = from[c];
            } else {
              for (Index c = 0; c < C; ++c) to[c] = T(0);
            }
          }
        }
      }
    });
    gemm<T>(s.depth, wide, count * s.src_width, {x + first * s.src_width * s.depth, 1, s.depth},
            {spread.data(), wide, 1}, total.data(), wide, true);
  }
  for (Index k = 0; k < s.depth; ++k) {
    for (Index t = 0; t < s.taps; ++t) {
      for (Index c = 0; c < C; ++c) dw[(t * s.depth + k) * C + c] = total[k * wide + t * C + c];
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
