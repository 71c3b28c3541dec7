// Products with quantised weights: y[row, out] = epilogue(sum over blocks of scale_w scale_x (q_w . q_x)), for one row
// of activations (a step of generation) or some (a prompt, a batch).
//
// Block by block in rising order each lane adds fma(float(q_w . q_x), scale_w scale_x, y): the same roundings for every
// row, whatever stands beside it, for any number of threads. One row waits for memory, so a panel is read once, front
// to back, with prefetches beyond its end; more rows share what was read and unpacked, some at a time.
#pragma once

#include <cstdint>
#include <tessera/core/index.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/half.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/quantized_activation.hpp>
#include <tessera/kernel/quantized_dot.hpp>
#include <tessera/kernel/quantized_panel.hpp>
#include <tessera/kernel/scratch.hpp>
#include <type_traits>
#include <utility>

namespace tessera::inline TESSERA_ISA::kernel {

namespace detail {

/// Asks for what a stream of weights at p will want, far ahead, because the hardware's own prefetching stops at the end
/// of a page and is not enough for fewer bytes than the arithmetic of F32 has. The weights are not kept in the second
/// cache, and so do not push each other out of the third, which on some processors holds what the second drops: of a
/// model a third larger than that cache most is still there for the next token. On two Zen 5 cores beside `keep_ahead`:
/// a model of 43 MB 1.20 times as fast, of 500 MB 1.09, its halves 1.06.
[[gnu::always_inline]] inline void stream_ahead(const void* p) {
  if constexpr (native_width > 1) __builtin_prefetch(static_cast<const char*>(p) + 6144, 0, 0);
}
/// The same for weights that the next rows will want, too: into the second cache, and from there into the first.
[[gnu::always_inline]] inline void keep_ahead(const void* p) {
  if constexpr (native_width > 1) {
    __builtin_prefetch(static_cast<const char*>(p) + 6144, 0, 1);
    __builtin_prefetch(static_cast<const char*>(p) + 1024, 0, 3);
  }
}
/// The same for blocks of integers, whose arithmetic leaves time to ask again nearby: 8 bits 1.13 times as fast as with
/// keeping, and as by the far distance alone, 4 bits 1.03.
[[gnu::always_inline]] inline void stream_blocks_ahead(const void* p) {
  stream_ahead(p);
  if constexpr (native_width > 1) __builtin_prefetch(static_cast<const char*>(p) + 1024, 0, 3);
}

/// R rows of activations times one panel into y[R][16].
template <class Format, class Dot, int R>
[[gnu::noinline]] void quantized_tile(const std::uint8_t* panel, Index in, const ActivationBlock* x, float* y) {
  constexpr int V = static_cast<int>(panel_outputs) / native_width;
  const Index blocks = blocks_of(in);
  const std::uint8_t* words = panel + panel_words(in);
  F acc[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[r][v] = F(0.0f);
  }
  for (Index b = 0; b < blocks; ++b) {
#pragma GCC unroll 8
    for (Index line = 0; line < Format::quants * panel_outputs; line += 64) stream_blocks_ahead(words + line);
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      const std::uint8_t* part = words + v * native_width * 4;
      Dot dot[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) dot[r] = Dot::start(-Format::offset * x[r * blocks + b].sum);
      if constexpr (Format::quants == 32) {
#pragma GCC unroll 8
        for (int g = 0; g < 8; ++g) {
          const auto w = Dot::bytes(load_words(part + g * panel_outputs * 4));
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) dot[r].multiply(w, x[r * blocks + b].words, g);
        }
      } else {
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) {
          const I both = load_words(part + g * panel_outputs * 4);
          const auto low = Dot::low_nibbles(both), high = Dot::high_nibbles(both);
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) {
            dot[r].multiply(low, x[r * blocks + b].words, g);
            dot[r].multiply(high, x[r * blocks + b].words, g + 4);
          }
        }
      }
      const F scale = load_half(reinterpret_cast<const Half*>(panel) + b * panel_outputs + v * native_width);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        acc[r][v] = fma(to_float(dot[r].total()), scale * F(x[r * blocks + b].scale), acc[r][v]);
    }
    words += Format::quants * panel_outputs;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[r][v].store(y + r * panel_outputs + v * native_width);
  }
}

/// Panels that stay in L2 while tile after tile of rows passes over them; the tile's activations stay in L1 meanwhile.
inline constexpr Index panel_group = 8;

/// Panels in a piece of work for one thread, whatever the number of threads: about 64 K weights times rows.
inline Index panel_grain(Index panels, Index rows, Index in, Index outputs) {
  const Index grain = even_grain(panels, rows * in * outputs, Index{1} << 16);
  return rows > 1 && grain < panel_group ? panel_group : grain;
}

/// Calls tile(std::integral_constant<int, height>{}, first row) over all rows, with the greatest heights that fit.
template <int... Heights, class Tile>
[[gnu::always_inline]] inline void cut_rows(Index rows, std::integer_sequence<int, Heights...>, const Tile& tile) {
  Index r = 0;
  const auto all_of = [&](auto height) {
    for (; r + height <= rows; r += height) tile(height, r);
  };
  (all_of(std::integral_constant<int, Heights>{}), ...);
}

/// Sends one panel's results [rows][outputs], rows `step` apart, where they belong, through the epilogue.
template <class Epilogue>
[[gnu::always_inline]] inline void deliver(const float* from, Index step, Index outputs, Index rows, Index row,
                                           Index col, Index out, float* y, Index ldy, const Epilogue& epilogue) {
  for (Index r = 0; r < rows; ++r) {
    for (Index j = 0; j < outputs && col + j < out; j += native_width) {
      const Index lanes = out - col - j < native_width ? out - col - j : Index{native_width};
      const F value = epilogue(F::load(from + r * step + j), row + r, col + j, lanes);
      store_lanes<float>(y + (row + r) * ldy + col + j, value, lanes);
    }
  }
}

/// Rows that share a panel's words while they are in registers.
using quantized_heights = std::conditional_t<
    native_width == 16, std::integer_sequence<int, 8, 4, 2, 1>,
    std::conditional_t<native_width == 1, std::integer_sequence<int, 1>, std::integer_sequence<int, 2, 1>>>;

}  // namespace detail

/// y[rows, out] = epilogue(x[rows, in] W^T) for a weight W [out, in] in panels, rows of x and y ldx and ldy apart.
/// `threads` false keeps it on this thread.
template <class Format, class Dot = NativeDot, class Epilogue = Identity>
void quantized_gemm(Index rows, Index out, Index in, const float* x, Index ldx, const std::uint8_t* weight, float* y,
                    Index ldy, const Epilogue& epilogue = {}, bool threads = true) {
  if (rows <= 0 || out <= 0) return;
  const Index blocks = blocks_of(in);
  const Scratch<ActivationBlock> activations(rows * blocks);
  const auto quantize_rows = [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) quantize_activations<Dot>(x + r * ldx, in, activations.data() + r * blocks);
  };
  const auto panels = [&](Index begin, Index end) {
    alignas(64) float sums[8 * panel_outputs];
    for (Index first = begin; first < end; first += detail::panel_group) {
      const Index last = first + detail::panel_group < end ? first + detail::panel_group : end;
      detail::cut_rows(rows, detail::quantized_heights{}, [&](auto height, Index r) {
        for (Index p = first; p < last; ++p) {
          detail::quantized_tile<Format, Dot, height>(weight + p * panel_bytes<Format>(in), in,
                                                      activations.data() + r * blocks, sums);
          detail::deliver(sums, panel_outputs, panel_outputs, height, r, p * panel_outputs, out, y, ldy, epilogue);
        }
      });
    }
  };
  if (threads) {
    parallel_for(rows, (Index{1} << 14) / (in + 1) + 1, quantize_rows);
    parallel_for(panels_of(out), detail::panel_grain(panels_of(out), rows, in, panel_outputs), panels);
  } else {
    quantize_rows(0, rows);
    panels(0, panels_of(out));
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
