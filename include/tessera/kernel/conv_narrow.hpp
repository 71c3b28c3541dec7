// Direct convolution to one to four channels (a picture from its features, or the adjoint of a first layer).
//
// Panels of outputs would leave most lanes of a register empty, so here the lanes run over the input channels: each
// output is a dot product, a few pixels x 4 channels at a time, and the lanes are summed at the end by a transpose. The
// weight adjoint likewise keeps input channels in lanes.
#pragma once

#include <tessera/kernel/conv_gather.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/transpose.hpp>

namespace tessera::inline TESSERA_ISA::kernel {
namespace detail {

template <class T>
bool narrow(Index depth, Index columns) {
  return columns <= 4 && depth >= lanes_of<T>;
}
inline constexpr Index narrow_columns = 4;  // two or three are filled up with zeros

template <class T>
Index narrow_packed(Index taps, Index depth) {
  return taps * narrow_columns * round_up(depth, lanes_of<T>);
}
/// to[tap][column][k], zeros where there is no such column or k.
template <class T>
void pack_narrow(const ConvShape& s, Index group, bool transposed, const Tap* tap, Index taps, const T* w, T* to) {
  const Index depth = transposed ? s.group_out() : s.group_in(), columns = transposed ? s.group_in() : s.group_out();
  const Index k_step = transposed ? 1 : s.out_channels, column_step = transposed ? s.out_channels : 1;
  for (Index t = 0; t < taps; ++t) {
    const T* from = w + tap[t].weight * s.group_in() * s.out_channels + group * s.group_out();
    for (Index c = 0; c < narrow_columns; ++c) {
      for (Index k = 0; k < round_up(depth, lanes_of<T>); ++k) {
        *to++ = c < columns && k < depth ? from[k * k_step + c * column_step] : T(0);
      }
    }
  }
}

/// to[i] = the sum of a[i]'s lanes.
template <int N, class T>
[[gnu::always_inline]] inline void sum_each(const Pack<T> (&a)[N], T* to) {
  constexpr int L = lanes_of<T>;
#pragma GCC unroll 16
  for (int i = 0; i < N; i += L) {  // unrolled, or `a` would live in memory
    Pack<T> square[L];
#pragma GCC unroll 16
    for (int j = 0; j < L; ++j) square[j] = i + j < N ? a[i + j] : Pack<T>(T(0));
    transpose_square<T>(square);
#pragma GCC unroll 16
    for (int j = 1; j < L; ++j) square[0] += square[j];
    square[0].store(to + i);
  }
}

/// acc[p * C + c] += x(p) . w(c) over one register of channels, `left` of them real.
template <int P, int C, class T>
[[gnu::always_inline]] inline void add_dots(Pack<T> (&acc)[P * C], const T* const (&x)[P], const T* w, Index pitch,
                                            Index left) {
  Pack<T> value[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) value[p] = load_left(x[p], left);
#pragma GCC unroll 4
  for (int c = 0; c < C; ++c) {
    const Pack<T> weight = Pack<T>::load(w + c * pitch);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[p * C + c] = fma(value[p], weight, acc[p * C + c]);
  }
}

/// The pixels [begin, end), P at a time for C columns; P C sums fit the registers.
template <int P, int C, class T>
void gather_narrow_block(Gather<T> g, const T* weights, Index begin, Index end) {
  constexpr Index L = lanes_of<T>;
  constexpr int together = P * C < L ? static_cast<int>(L) / (P * C) : 1;  // so many that sums fill a transpose
  const Index count = end - begin, pitch = round_up(g.depth, L), whole = g.depth / L * L;
  const ConvAddends<T> last{.rectify = g.rectify, .gate = g.gate};
  Scratch<const T*> source(g.taps * count);
  Scratch<T*> target(count);
  Scratch<T> zeros(g.depth);
  for (Index k = 0; k < g.depth; ++k) zeros[k] = T(0);
  g.sources(begin, count, zeros.data(), source.data());
  g.targets(begin, count, target.data());
  for (Index i = 0; i < count; i += together * P) {
    Pack<T> all[together * P * C];
#pragma GCC unroll 2
    for (int u = 0; u < together; ++u) {
      Pack<T> acc[P * C];
#pragma GCC unroll 16
      for (int a = 0; a < P * C; ++a) acc[a] = Pack<T>(T(0));
      for (Index t = 0; t < g.taps; ++t) {
        const T* x[P];
        const T* w = weights + t * narrow_columns * pitch;
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const Index q = i + u * P + p;
          x[p] = source[t * count + (q < count ? q : count - 1)];
        }
        for (Index k = 0; k < whole; k += L) {
          add_dots<P, C>(acc, x, w + k, pitch, L);
#pragma GCC unroll 8
          for (int p = 0; p < P; ++p) x[p] += L;
        }
        if (whole < g.depth) add_dots<P, C>(acc, x, w + whole, pitch, g.depth - whole);
      }
#pragma GCC unroll 16
      for (int a = 0; a < P * C; ++a) all[u * P * C + a] = acc[a];
    }
    T total[together * P * C + L];
    sum_each(all, total);
    for (Index p = 0; p < together * P && i + p < count; ++p) {
      for (Index c = 0; c < g.columns; ++c) {
        const T sum = total[p * C + c] + (g.bias ? g.bias[c] : T(0));
        target[i + p][c] = last.finish_one(sum, target[i + p] - g.dst + c);
      }
    }
  }
}

template <class T>
void gather_narrow(const Gather<T>& gather, const T* packed) {
  constexpr int P = native_width == 16 ? 4 : 2;
  parallel_for(gather.pixels(), 128, [&](Index begin, Index end) {
    if (gather.columns == 1)
      gather_narrow_block<2 * P, 1>(gather, packed, begin, end);
    else
      gather_narrow_block<P, narrow_columns>(gather, packed, begin, end);
  });
}

/// total[c][i] += sum over k of dy(k)[c] source(k)[i], for 4 columns c and two registers of channels i, `left` of them
/// real.
template <bool Whole, class T>
void add_narrow_products(const T* const* source, Index channel, Index left, const T* dy, Index dy_pitch, Index columns,
                         Index count, T* total, Index pitch) {
  constexpr int C = narrow_columns, L = lanes_of<T>;
  Index column[C];
  for (int c = 0; c < C; ++c) column[c] = c < columns ? c : 0;
  for (Index first = 0; first < count; first += adjoint_block) {
    const Index last = first + adjoint_block < count ? first + adjoint_block : count;
    Pack<T> acc[C][2];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) acc[c][0] = acc[c][1] = Pack<T>(T(0));
    for (Index k = first; k < last; ++k) {
      const T* x = source[k] + channel;
      const Pack<T> x0 = Whole ? Pack<T>::load(x) : load_left(x, left);
      const Pack<T> x1 = Whole ? Pack<T>::load(x + L) : left > L ? load_left(x + L, left - L) : Pack<T>(T(0));
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const Pack<T> d(dy[k * dy_pitch + column[c]]);
        acc[c][0] = fma(d, x0, acc[c][0]);
        acc[c][1] = fma(d, x1, acc[c][1]);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      (Pack<T>::load(total + c * pitch) + acc[c][0]).store(total + c * pitch);
      (Pack<T>::load(total + c * pitch + L) + acc[c][1]).store(total + c * pitch + L);
    }
  }
}

}  // namespace detail

template <class T>
void conv_weight_adjoint_narrow(const ConvShape& s, const T* x, const T* dy, T* dw) {
  using namespace detail;
  constexpr Index L2 = 2 * lanes_of<T>;
  const Index ci = s.group_in(), co = s.group_out(), taps = s.taps(), pitch = round_up(ci, L2), blocks = pitch / L2;
  const Index pixels = s.batch * s.out_height() * s.out_width(), width = narrow_columns;
  Scratch<Tap> tap(taps);
  forward_taps(s, tap.data());
  Scratch<const T*> table(taps * adjoint_chunk);
  Scratch<T> zeros(ci), total(taps * width * pitch);
  for (Index k = 0; k < ci; ++k) zeros[k] = T(0);
  for (Index group = 0; group < s.groups; ++group) {
    const Gather<T> g = forward_gather<T>(s, tap.data(), x, {}, nullptr, group);
    for (Index i = 0; i < taps * width * pitch; ++i) total[i] = T(0);
    for (Index first = 0; first < pixels; first += adjoint_chunk) {
      const Index count = pixels - first < adjoint_chunk ? pixels - first : adjoint_chunk;
      parallel_for(count, 256, [&](Index begin, Index end) {
        g.sources(first + begin, end - begin, zeros.data(), table.data() + begin, count);
      });
      parallel_for(taps * blocks, 1, [&](Index begin, Index end) {
        for (Index u = begin; u < end; ++u) {
          const Index t = u / blocks, i = u % blocks * L2;
          const auto add = [&](auto add_products) {
            add_products(table.data() + t * count, i, ci - i, dy + first * s.out_channels + group * co, s.out_channels,
                         co, count, total.data() + t * width * pitch + i, pitch);
          };
          if (ci - i >= L2)
            add(add_narrow_products<true, T>);
          else
            add(add_narrow_products<false, T>);
        }
      });
    }
    for (Index t = 0; t < taps; ++t) {
      for (Index i = 0; i < ci; ++i) {
        for (Index c = 0; c < co; ++c)
          dw[(t * ci + i) * s.out_channels + group * co + c] = total[(t * width + c) * pitch + i];
      }
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
