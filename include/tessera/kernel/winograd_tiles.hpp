// Tiles of pictures for Winograd's minimal filtering (see winograd.hpp): where they lie, and the way of their pixels to the
// points and back.
//
//   V = B^T x B      y = A^T P A      and the latter's adjoint P = A dy A^T
#pragma once

#include <tessera/kernel/conv_tiles.hpp>
#include <tessera/kernel/winograd_weights.hpp>

namespace tessera::inline TESSERA_ISA::kernel::detail {

/// The tiles of a convolution from pictures of `height` x `width` x `in` to `out_height` x `out_width` x `out`.
struct Tiling {
  Index height, width, in, out_height, out_width, out, pad_top, pad_left, down, across, total;
  Index in_step = 1;                      // pixels of the input from output to output
  Index in_pixel;                         // numbers from pixel to pixel of the input
  Index out_pixel, out_row, out_picture;  // numbers from output to output

  Tiling(const ConvShape& s, bool adjoint, Index side)
      : height(adjoint ? s.out_height() : s.height),
        width(adjoint ? s.out_width() : s.width),
        in(adjoint ? s.out_channels : s.in_channels),
        out_height(adjoint ? s.height : s.out_height()),
        out_width(adjoint ? s.width : s.out_width()),
        out(adjoint ? s.in_channels : s.out_channels),
        pad_top(adjoint ? 2 - s.pad_top : s.pad_top),
        pad_left(adjoint ? 2 - s.pad_left : s.pad_left),
        down((out_height + side - 1) / side),
        across((out_width + side - 1) / side),
        total(s.batch * down * across),
        in_pixel(in),
        out_pixel(out),
        out_row(out_width * out_pixel),
        out_picture(out_height * out_row) {}

  struct Place {
    Index picture, y, x;  // of the tile's first output
  };
  Place place(Index tile, Index side) const {
    return {tile / (down * across), tile / across % down * side, tile % across * side};
  }
  Index offset(const Place& at) const { return at.picture * out_picture + at.y * out_row + at.x * out_pixel; }
};

/// Distances within V and P.
struct Rows {
  Index pitch, step;  // from tile to tile, from point to point
  Rows(Index tiles, Index channels) : pitch(odd_lines(channels)), step(odd_lines(tiles * pitch)) {}
};

/// Reads packs of `Count` pixels; where fewer channels are left than a pack has, by way of a copy with zeros behind
/// them: one test a pack of channels instead of one a pixel.
template <int Count, class T>
class PixelPacks {
 public:
  /// Channels from c on, `left` of them.
  PixelPacks(const T* const (&pixel)[Count], Index c, Index left) : pixel_(pixel), from_(pixel), at_(c) {
    if (left < lanes_of<T>) copy(left);
  }
  PixelPacks(const PixelPacks&) = delete;
  [[gnu::always_inline]] Pack<T> operator[](int i) const { return Pack<T>::load(from_[i] + at_); }

 private:
  [[gnu::noinline]] void copy(Index left) {
    for (int i = 0; i < Count; ++i) {
      load_some<T>(pixel_[i] + at_, left).store(room_ + i * lanes_of<T>);
      copied_[i] = room_ + i * lanes_of<T>;
    }
    from_ = copied_;
    at_ = 0;
  }

  const T* const* pixel_;
  const T* const* from_;
  Index at_;
  T room_[Count * lanes_of<T>];
  const T* copied_[Count];
};

/// Where the pixels of a tile of the input begin; `zeros` outside the picture.
template <class W, class T>
void winograd_pixels(const Tiling& g, const T* x, Index tile, const T* zeros, const T* (&pixel)[W::T * W::T]) {
  constexpr int N = W::T;
  const auto at = g.place(tile, W::Side);
  const Index iy = at.y * g.in_step - g.pad_top, ix = at.x * g.in_step - g.pad_left, last = (N - 1) * g.in_step;
  const Index place = ((at.picture * g.height + iy) * g.width + ix) * g.in_pixel;
  const Index column_step = g.in_step * g.in_pixel, row_step = g.width * column_step;
  const bool within = iy >= 0 && iy + last < g.height && ix >= 0 && ix + last < g.width;
#pragma GCC unroll 1
  for (int row = 0; row < N; ++row) {
    const bool row_within = iy + row * g.in_step >= 0 && iy + row * g.in_step < g.height;
#pragma GCC unroll 6
    for (int column = 0; column < N; ++column) {
      const Index across = ix + column * g.in_step;
      const bool inside = within || (row_within && across >= 0 && across < g.width);
      pixel[row * N + column] = inside ? x + (place + row * row_step + column * column_step) : zeros;
    }
  }
}

/// V[point][t] = B^T x B for the tiles first, first + 1, ..., first + count - 1. While a tile is transformed, the
/// pixels that the next one has for itself are fetched: activations that a backward pass reads again lie in memory.
template <class W, class T>
void winograd_input(const Tiling& g, const T* x, Index first, Index count, const Rows& rows, const T* zeros, T* v) {
  constexpr int N = W::T;
  const T* pixels[2][N * N];
  if (count > 0) winograd_pixels<W>(g, x, first, zeros, pixels[0]);
  for (Index t = 0; t < count; ++t) {
    const auto& pixel = pixels[t % 2];
    auto& next = pixels[1 - t % 2];
    winograd_pixels<W>(g, x, first + (t + 1 < count ? t + 1 : t), zeros, next);
    for (Index c = 0; c < g.in; c += lanes_of<T>) {
      const PixelPacks<N * N, T> x_at(pixel, c, g.in - c);
      T* to = v + t * rows.pitch + c;
      Pack<T> half[N * N];
#pragma GCC unroll 1
      for (int column = 0; column < N; ++column) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) {
          d[row] = x_at[row * N + column];
          if (column >= N - W::Side) __builtin_prefetch(next[row * N + column] + c);
        }
        W::input(d, 1, half + column, N);
      }
#pragma GCC unroll 1
      for (int row = 0; row < N; ++row) {
        Pack<T> d[N];
        W::input(half + row * N, 1, d, 1);
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) d[column].store(to + (row * N + column) * rows.step);
      }
    }
  }
}

/// y = A^T P A + bias + residual, columns [begin, end) of y, for the same tiles; P's first column is `begin`.
template <class W, class T>
void winograd_output(const Tiling& g, const T* p, const Rows& rows, Index first, Index count, Index begin, Index end,
                     const ConvAddends<T>& add, T* y) {
  constexpr int N = W::T, M = W::Side;
  constexpr Index L = lanes_of<T>;
  for (Index t = 0; t < count; ++t) {
    const auto at = g.place(first + t, M);
    const Index down = g.out_height - at.y < M ? g.out_height - at.y : M,
                across = g.out_width - at.x < M ? g.out_width - at.x : M;
    const Index offset = g.offset(at);
    T* const corner = y + offset;
    const T* const bias = add.bias ? add.bias + at.picture * add.bias_step : nullptr;
    const T* const residual = add.residual ? add.residual + offset : nullptr;
    for (Index c = begin; c < end; c += L) {
      const T* from = p + t * rows.pitch + c - begin;
      const Index lanes = end - c;
      const Pack<T> shift = bias ? load_left(bias + c, lanes) : Pack<T>(T(0));
      const bool straight = lanes >= L && !add.last();  // else the tile goes through `room`
      T room[M * M * L];
      T* const to = straight ? corner + c : room;
      const Index row_step = straight ? g.out_row : M * L, column_step = straight ? g.out_pixel : L;
      Pack<T> half[M * N];
      const auto column_of_half = [&](int column) __attribute__((always_inline)) {
        Pack<T> d[N];
#pragma GCC unroll 8
        for (int row = 0; row < N; ++row) d[row] = Pack<T>::load(from + (row * N + column) * rows.step);
        W::output(d, 1, half + column, N);
      };
      const auto row_of_y = [&](int row) __attribute__((always_inline)) {
        Pack<T> d[M];
        W::output(half + row * N, 1, d, 1);
        if (row >= down) return;
#pragma GCC unroll 4
        for (int column = 0; column < M; ++column) {
          if (column >= across) continue;
          const Index pixel = row * row_step + column * column_step;
          Pack<T> sum = d[column] + shift;
          if (straight && residual) sum += Pack<T>::load(residual + c + pixel);
          sum.store(to + pixel);
        }
      };
      if constexpr (M * N < 24) {  // `half` stays in registers, where there are 32
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) column_of_half(column);
#pragma GCC unroll 4
        for (int row = 0; row < M; ++row) row_of_y(row);
      } else {
#pragma GCC unroll 1
        for (int column = 0; column < N; ++column) column_of_half(column);
#pragma GCC unroll 1
        for (int row = 0; row < M; ++row) row_of_y(row);
      }
      if (straight) continue;
      for (Index i = 0; i < down * across; ++i) {
        const Index row = i / across, column = i % across, pixel = c + row * g.out_row + column * g.out_pixel;
        Pack<T> sum = Pack<T>::load(room + (row * M + column) * L);
        if (residual) sum += load_lanes<T>(residual + pixel, lanes);
        store_lanes<T>(corner + pixel, add.finish(sum, offset + pixel, lanes), lanes);
      }
    }
  }
}

/// Where the outputs of a tile begin in dy; `zeros` beyond the picture.
template <class W, class T>
void winograd_outputs(const Tiling& g, const T* dy, Index tile, const T* zeros, const T* (&pixel)[W::Side * W::Side]) {
  constexpr int M = W::Side;
  const auto at = g.place(tile, M);
  const T* const corner = dy + g.offset(at);
  for (int row = 0; row < M; ++row) {
    for (int column = 0; column < M; ++column) {
      const bool inside = at.y + row < g.out_height && at.x + column < g.out_width;
      pixel[row * M + column] = inside ? corner + (row * g.out_row + column * g.out_pixel) : zeros;
    }
  }
}

/// P = A dy A^T, the transpose of the output transform; outputs beyond the picture count as zero.
template <class W, class T>
void winograd_output_adjoint(const Tiling& g, const T* dy, Index first, Index count, const Rows& rows, const T* zeros,
                             T* p) {
  constexpr int N = W::T, M = W::Side;
  const T* pixels[2][M * M];
  if (count > 0) winograd_outputs<W>(g, dy, first, zeros, pixels[0]);
  for (Index t = 0; t < count; ++t) {
    const auto& pixel = pixels[t % 2];
    auto& next = pixels[1 - t % 2];
    winograd_outputs<W>(g, dy, first + (t + 1 < count ? t + 1 : t), zeros, next);
    for (Index c = 0; c < round_up(g.out, tile_cols<T>); c += lanes_of<T>) {
      const Index left = g.out - c;
      T* to = p + t * rows.pitch + c;
      if (left <= 0) {  // the rest of the last panel: whatever lay there might be slow to multiply
        for (int i = 0; i < N * N; ++i) Pack<T>(T(0)).store(to + i * rows.step);
        continue;
      }
      const PixelPacks<M * M, T> dy_at(pixel, c, left);
      Pack<T> half[N * M];
#pragma GCC unroll 1
      for (int column = 0; column < M; ++column) {
        Pack<T> d[M];
#pragma GCC unroll 4
        for (int row = 0; row < M; ++row) {
          d[row] = dy_at[row * M + column];
          __builtin_prefetch(next[row * M + column] + c);
        }
        W::output_adjoint(d, 1, half + column, M);
      }
#pragma GCC unroll 1
      for (int row = 0; row < N; ++row) {
        Pack<T> d[N];
        W::output_adjoint(half + row * M, 1, d, 1);
#pragma GCC unroll 8
        for (int column = 0; column < N; ++column) d[column].store(to + (row * N + column) * rows.step);
      }
    }
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel::detail
