// Convolution as an implicit matrix product: no im2col matrix, a table of row pointers instead (conv_gather.hpp).
//
// The table's rows are the rows of A for the register tile, the weights of a tap are B. The weight adjoint reads the
// same table by columns: dw[tap] = sum over pixels p of src(tap, p)^T dy(p). From one to four channels a picture with its
// padding is the matrix itself (conv_few.hpp); to one to four, lanes run over the input's (conv_narrow.hpp).
//
// Every output number is one chain, bias first, then taps and channels in rising order: its bits depend on nothing
// else.
#pragma once

#include <tessera/kernel/conv_few.hpp>
#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/conv_narrow.hpp>
#include <tessera/kernel/conv_tiles.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {
namespace detail {

/// Few channels make short chains: then the taps are copied side by side and become one deep tap.
inline bool thin(Index depth, Index taps) { return taps > 1 && depth < tile_rows; }

inline constexpr Index gather_block = 96;  // pixels whose table and rows are in use at a time

template <class T>
void gather_product(const Gather<T>& g, const T* panels) {
  constexpr Index N = tile_cols<T>;
  const bool copy = thin(g.depth, g.taps);
  const Index taps = copy ? 1 : g.taps, depth = copy ? g.taps * g.depth : g.depth;
  parallel_for(g.pixels(), gather_block, [&](Index begin, Index end) {
    const Index count = end - begin;
    Scratch<const T*> source(g.taps * count + tile_rows);
    Scratch<T*> target(count);
    Scratch<T> zeros(g.depth), copied(copy ? count * depth : 0), bias(round_up(g.columns, N));
    for (Index k = 0; k < g.depth; ++k) zeros[k] = T(0);
    for (Index j = 0; j < round_up(g.columns, N); ++j) bias[j] = g.bias && j < g.columns ? g.bias[j] : T(0);
    g.targets(begin, count, target.data());
    if (copy) {
      g.side_by_side(begin, count, depth, copied.data());
      for (Index q = 0; q < count; ++q) source[q] = copied.data() + q * depth;
    } else {
      g.sources(begin, count, zeros.data(), source.data());
    }
    for (Index q = 0; q < tile_rows; ++q)
      source[taps * count + q] = source[0];  // tiles may be higher than what remains
    for (Index j = 0; j < g.columns; j += N) {
      multiply_rows(source.data(), 0, taps, count, depth, panels + j * taps * depth, bias.data() + j, target.data(), j,
                    g.columns - j < N ? g.columns - j : N);
    }
    const ConvAddends<T> last{.rectify = g.rectify, .gate = g.gate};
    for (Index q = 0; last.last() && q < count; ++q) {  // while the pixels are in the nearest caches
      const Index at = target[q] - g.dst;
      for (Index j = 0; j < g.columns; j += lanes_of<T>) {
        const Index left = g.columns - j;
        store_left(target[q] + j, last.finish(load_left(target[q] + j, left), at + j, left), left);
      }
    }
  });
}

/// Weights of some taps as gather_apply wants them: to[numbers of one group].
template <class T>
Index packed_taps(Index taps, Index depth, Index columns) {
  return narrow<T>(depth, columns) ? narrow_packed<T>(taps, depth) : taps * depth * round_up(columns, tile_cols<T>);
}
template <class T>
void pack_taps(const ConvShape& s, Index group, bool transposed, const Tap* tap, Index taps, const T* w, T* to) {
  if (narrow<T>(transposed ? s.group_out() : s.group_in(), transposed ? s.group_in() : s.group_out()))
    pack_narrow(s, group, transposed, tap, taps, w, to);
  else
    pack_weights(s, group, transposed, tap, taps, w, to);
}
template <class T>
void gather_apply(const Gather<T>& g, const T* packed) {
  if (narrow<T>(g.depth, g.columns))
    gather_narrow(g, packed);
  else
    gather_product(g, packed);
}

}  // namespace detail

/// Numbers in the packed weights.
template <class T>
Index conv_direct_packed(const ConvShape& s) {
  return s.groups * detail::packed_taps<T>(s.taps(), s.group_in(), s.group_out());
}
template <class T>
void conv_direct_weights(const ConvShape& s, const T* w, T* packed) {
  Scratch<detail::Tap> tap(s.taps());
  detail::forward_taps(s, tap.data());
  const Index step = conv_direct_packed<T>(s) / s.groups;
  for (Index g = 0; g < s.groups; ++g) detail::pack_taps(s, g, false, tap.data(), s.taps(), w, packed + g * step);
}

/// y = conv(x) from packed weights; of what is added one bias for all pictures, relu and gate.
template <class T>
void conv_direct(const ConvShape& s, const T* x, const T* packed, const ConvAddends<T>& add, T* y) {
  if (detail::conv_few(s)) return detail::conv_few_forward(s, x, packed, add, y);
  Scratch<detail::Tap> tap(s.taps());
  detail::forward_taps(s, tap.data());
  const Index step = conv_direct_packed<T>(s) / s.groups;
  for (Index g = 0; g < s.groups; ++g) {
    detail::gather_apply(detail::forward_gather(s, tap.data(), x, add, y, g), packed + g * step);
  }
}

/// y = conv(x) from weights as they are, packed some columns at a time where they are many.
template <class T>
void conv_direct_once(const ConvShape& s, const T* x, const T* w, const ConvAddends<T>& add, T* y) {
  const Index depth = s.taps() * s.group_in(), most = (Index{1} << 22) / (depth + 1) / tile_cols<T> * tile_cols<T>;
  Scratch<detail::Tap> tap(s.taps());
  detail::forward_taps(s, tap.data());
  if (s.group_out() <= most || most == 0 || detail::narrow<T>(s.group_in(), s.group_out())) {
    const Scratch<T> packed(conv_direct_packed<T>(s));
    conv_direct_weights(s, w, packed.data());
    return conv_direct(s, x, static_cast<const T*>(packed.data()), add, y);
  }
  const Scratch<T> packed(depth * most);
  for (Index g = 0; g < s.groups; ++g) {
    for (Index first = 0; first < s.group_out(); first += most) {
      detail::Gather<T> part = detail::forward_gather(s, tap.data(), x, add, y, g);
      part.dst += first;
      if (part.gate) part.gate += first;
      if (part.bias) part.bias += first;
      part.columns = s.group_out() - first < most ? s.group_out() - first : most;
      detail::pack_weights(s, g, false, tap.data(), s.taps(), w, packed.data(), {first, part.columns});
      detail::gather_product(part, packed.data());
    }
  }
}

template <class T>
void conv_input_adjoint_direct(const ConvShape& s, const T* dy, const T* w, const ConvAddends<T>& add, T* dx) {
  const Index oh = s.out_height(), ow = s.out_width();
  Scratch<detail::Tap> tap(s.taps());
  Scratch<T> packed(detail::packed_taps<T>(s.taps(), s.group_out(), s.group_in()));
  for (Index group = 0; group < s.groups; ++group) {
    for (Index phase = 0; phase < s.stride_h * s.stride_w; ++phase) {
      // Inputs iy = py + stride q take part in outputs oy = (iy + pad - ky dilation) / stride, where that divides.
      const Index py = phase / s.stride_w, px = phase % s.stride_w;
      if (py >= s.height || px >= s.width) continue;
      Index taps = 0;
      for (Index t = 0; t < s.taps(); ++t) {
        const Index ay = py + s.pad_top - t / s.kernel_w * s.dilation_h;
        const Index ax = px + s.pad_left - t % s.kernel_w * s.dilation_w;
        if (ay % s.stride_h == 0 && ax % s.stride_w == 0) tap[taps++] = {ay / s.stride_h, ax / s.stride_w, t};
      }
      detail::pack_taps(s, group, true, tap.data(), taps, w, packed.data());
      const Index first = (py * s.width + px) * s.in_channels + group * s.group_in();
      const detail::Gather<T> gather{s.batch,
                                     (s.height - py + s.stride_h - 1) / s.stride_h,
                                     (s.width - px + s.stride_w - 1) / s.stride_w,
                                     dy + group * s.group_out(),
                                     oh,
                                     ow,
                                     s.out_channels,
                                     1,
                                     1,
                                     dx + first,
                                     s.height,
                                     s.width,
                                     s.in_channels,
                                     s.stride_h,
                                     s.stride_w,
                                     tap.data(),
                                     taps,
                                     s.group_out(),
                                     s.group_in(),
                                     add.bias ? add.bias + group * s.group_in() : nullptr,
                                     add.rectify,
                                     add.gate ? add.gate + first : nullptr};
      detail::gather_apply(gather, packed.data());
    }
  }
}

template <class T>
void conv_weight_adjoint_direct(const ConvShape& s, const T* x, const T* dy, T* dw) {
  if (detail::narrow<T>(s.group_in(), s.group_out())) return conv_weight_adjoint_narrow(s, x, dy, dw);
  if (detail::conv_few_adjoint<T>(s)) return detail::conv_few_weight_adjoint(s, x, dy, dw);
  constexpr Index N = tile_cols<T>;
  const Index ci = s.group_in(), co = s.group_out(), panels = (co + N - 1) / N, taps = s.taps();
  const bool copy = ci < tile_rows;  // a tile of rows must fit into a column
  const Index depth = copy ? detail::round_up(taps * ci, tile_rows) : ci, parts = copy ? 1 : taps;
  const Index pixels = s.batch * s.out_height() * s.out_width();
  const Index chunk = pixels < detail::adjoint_chunk ? pixels : detail::adjoint_chunk;
  if (pixels == 0) {
    for (Index i = 0; i < s.weights(); ++i) dw[i] = T(0);
    return;
  }
  Scratch<detail::Tap> tap(taps);
  detail::forward_taps(s, tap.data());
  Scratch<const T*> table(taps * chunk);  // [tap][pixel]
  Scratch<T> zeros(ci), columns(copy ? chunk * depth : 0), packed(panels * chunk * N);
  for (Index k = 0; k < ci; ++k) zeros[k] = T(0);
  for (Index group = 0; group < s.groups; ++group) {
    const detail::Gather<T> g = detail::forward_gather<T>(s, tap.data(), x, {}, nullptr, group);
    for (Index first = 0; first < pixels; first += chunk) {
      const Index count = pixels - first < chunk ? pixels - first : chunk;
      const Index step = count * N;
      parallel_for(count, 128, [&](Index begin, Index end) {
        const T** const source = table.data() + begin;
        if (copy) {
          T* const to = columns.data() + begin * depth;
          g.side_by_side(first + begin, end - begin, depth, to);
          for (Index q = 0; q < end - begin; ++q) source[q] = to + q * depth;
        } else {
          g.sources(first + begin, end - begin, zeros.data(), source, count);
        }
        for (Index p = 0; p < panels; ++p) {
          const View<T> from{dy + (first + begin) * s.out_channels + group * co + p * N, s.out_channels, 1};
          pack_panel<N>(packed.data() + p * step + begin * N, from, end - begin, co - p * N < N ? co - p * N : N);
        }
      });
      // One unit is a tap and a few tiles of its rows: each number of dw has one owner, who adds chunk after chunk.
      const Index rows = copy ? taps * ci : ci, unit = 4 * tile_rows, units = (rows + unit - 1) / unit;
      // Where these are few, each panel of its columns is a unit.
      const Index strips = parts * units < 8 ? panels : 1, across = strips > 1 ? N : co;
      parallel_for(parts * units * strips, 1, [&](Index begin, Index end) {
        for (Index u = begin; u < end; ++u) {
          const Index t = u / strips / units, i = u / strips % units * unit, p = u % strips;
          detail::add_outer_products(table.data() + t * count, 0, count, packed.data() + p * step, N, step, i,
                                     i + unit < rows ? i + unit : rows, depth,
                                     co - p * across < across ? co - p * across : across, first > 0,
                                     dw + t * ci * s.out_channels + group * co + p * across, s.out_channels);
        }
      });
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
