// Products with weights in half precision: y[row, out] = epilogue(sum over k of x[row, k] W[out, k]), widened in a
// register on the way.
//
// Weights [out, in] stand in panels of 32 outputs, [k][32], read once from front to back. Sums run as in tile.hpp: each
// number is one chain of fma's a block of k. So the result has the bits of gemm with the widened weights, whatever the
// number of rows or threads.
#pragma once

#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/half.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/quantized_gemm.hpp>
#include <tessera/kernel/scratch.hpp>
#include <tessera/kernel/tile.hpp>
#include <type_traits>
#include <utility>

namespace tessera::inline TESSERA_ISA::kernel {

/// Outputs in a panel of halves or floats: a cache line of halves.
inline constexpr Index wide_outputs = 32;

/// Numbers in a whole matrix in such panels.
constexpr Index wide_size(Index out, Index in) { return (out + wide_outputs - 1) / wide_outputs * wide_outputs * in; }

/// Puts one row of weights where panels have it. The matrix was zero.
template <class Stored>
void put_wide_row(const Stored* w, Index row, Index in, Stored* matrix) {
  Stored* to = matrix + row / wide_outputs * wide_outputs * in + row % wide_outputs;
  for (Index k = 0; k < in; ++k) to[k * wide_outputs] = w[k];
}
template <class Stored>
void get_wide_row(const Stored* matrix, Index row, Index in, Stored* w) {
  const Stored* from = matrix + row / wide_outputs * wide_outputs * in + row % wide_outputs;
  for (Index k = 0; k < in; ++k) w[k] = from[k * wide_outputs];
}

namespace detail {

[[gnu::always_inline]] inline F load_wide(const Half* p) { return load_half(p); }
[[gnu::always_inline]] inline F load_wide(const float* p) { return F::load(p); }

/// Terms of a product that are summed together: blocks of k_block(in), after earlier ones or not.
struct Terms {
  Index count, block;
  bool later;
};

/// Rows in a tile with two registers a row, two of weights and one of activations.
inline constexpr int most_wide_rows = native_width == 16 ? 12 : native_width == 1 ? 1 : 6;

/// R rows of activations times V registers of a panel into y[R][V registers], rows of y ldy apart; later terms are
/// added to what stands there. The first of the terms are at `panel` and `x`.
template <int R, int V, class Stored>
[[gnu::noinline]] void wide_tile(const Stored* panel, Terms terms, const float* x, Index ldx, float* y, Index ldy) {
  F total[R][V];
  clear(total);
  if (terms.later) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) total[r][v] = F::load(y + r * ldy + v * native_width);
    }
  }
  for (Index kb = 0; kb < terms.count; kb += terms.block) {
    const Index end = kb + terms.block < terms.count ? kb + terms.block : terms.count;
    F acc[R][V];
    clear(acc);
#pragma GCC unroll 4
    for (Index k = kb; k < end; ++k) {
      const Stored* line = panel + k * wide_outputs;
#pragma GCC unroll 2
      for (Index c = 0; c < wide_outputs; c += 64 / static_cast<Index>(sizeof(Stored)))
        R == most_wide_rows ? keep_ahead(line + c) : stream_ahead(line + c);
      F w[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) w[v] = load_wide(line + v * native_width);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const F factor(x[r * ldx + k]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] = fma(factor, w[v], acc[r][v]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) total[r][v] = terms.later || kb > 0 ? total[r][v] + acc[r][v] : acc[r][v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) total[r][v].store(y + r * ldy + v * native_width);
  }
}

using wide_heights = std::conditional_t<
    native_width == 16, std::integer_sequence<int, 12, 6, 3, 2, 1>,
    std::conditional_t<native_width == 1, std::integer_sequence<int, 1>, std::integer_sequence<int, 6, 3, 2, 1>>>;

/// R rows of activations times a panel into y[R][32]. One row takes as many registers at a time as it can: each is one
/// chain of fma's, which must not wait for each other.
template <int R, class Stored>
void wide_rows(const Stored* panel, Terms terms, const float* x, Index ldx, float* y, Index ldy) {
  constexpr int whole = static_cast<int>(wide_outputs) / native_width, most = R == 1 ? 8 : 2;
  constexpr int V = whole < most ? whole : most;
  for (int v = 0; v < whole; v += V)
    wide_tile<R, V>(panel + v * native_width, terms, x, ldx, y + v * native_width, ldy);
}

/// Panels that pass over all rows together, and how many of their terms do: 400 KB of floats, which stay in L2.
inline constexpr Index wide_group = 4, wide_terms = 768;

/// Panels for one thread, of as many rows as pay for bringing them to L2.
inline Index wide_grain(Index panels, Index rows, Index in) {
  const Index grain = even_grain(panels, rows * in * wide_outputs, Index{1} << 16);
  return rows > 1 && grain < wide_group ? wide_group : grain;
}

}  // namespace detail

/// y[rows, out] = epilogue(x[rows, in] W^T) for W in panels of halves (or floats), rows of x and y ldx and ldy apart.
template <class Stored, class Epilogue = Identity>
void wide_gemm(Index rows, Index out, Index in, const float* x, Index ldx, const Stored* weight, float* y, Index ldy,
               const Epilogue& epilogue = {}, bool threads = true) {
  if (rows <= 0 || out <= 0) return;
  const Index kc = k_block(in), group = detail::wide_group;
  const bool many = rows > detail::most_wide_rows;
  const bool widening = std::is_same_v<Stored, Half> && rows >= 3 * detail::most_wide_rows;  // ahead of the tiles
  const Index step = many && in > detail::wide_terms ? detail::wide_terms / kc * kc : in;
  const bool crowded = many && ldx % 512 == 0;  // rows 2 or 4 KB apart fight for the same lines of L1
  const auto panels = [&](Index begin, Index end) {
    const bool carried = step < in;  // sums wait for their next terms
    const Index ldsums = carried ? group * wide_outputs : wide_outputs;
    alignas(64) float here[12 * wide_outputs];
    const Scratch<float> widened(widening ? group * step * wide_outputs : 0);
    const Scratch<float> near(crowded ? detail::most_wide_rows * (step + 16) : 0);
    const Scratch<float> kept(carried ? rows * group * wide_outputs : 0);
    for (Index first = begin; first < end; first += group) {
      const Index last = first + group < end ? first + group : end;
      Index k0 = 0;
      do {  // once for no terms, too
        const Index k = in - k0 < step ? in - k0 : step;
        if constexpr (std::is_same_v<Stored, Half>) {
          for (Index p = first; widening && p < last; ++p)
            widen(weight + (p * in + k0) * wide_outputs, k * wide_outputs,
                  widened.data() + (p - first) * step * wide_outputs);
        }
        detail::cut_rows(rows, detail::wide_heights{}, [&](auto height, Index r) {
          const float* factors = x + r * ldx + k0;
          Index ldfactors = ldx;
          if (crowded) {
            for (Index i = 0; i < height; ++i)
              std::memcpy(near.data() + i * (step + 16), factors + i * ldx,
                          static_cast<std::size_t>(k) * sizeof(float));
            factors = near.data();
            ldfactors = step + 16;
          }
          for (Index p = first; p < last; ++p) {
            float* sums = carried ? kept.data() + r * ldsums + (p - first) * wide_outputs : here;
            const auto run = [&](const auto* panel) {
              detail::wide_rows<height>(panel, {k, kc, k0 > 0}, factors, ldfactors, sums, ldsums);
            };
            if (widening)
              run(widened.data() + (p - first) * step * wide_outputs);
            else
              run(weight + (p * in + k0) * wide_outputs);
            if (k0 + k == in)
              detail::deliver(sums, ldsums, wide_outputs, height, r, p * wide_outputs, out, y, ldy, epilogue);
          }
        });
        k0 += step;
      } while (k0 < in);
    }
  };
  const Index count = (out + wide_outputs - 1) / wide_outputs;
  if (threads)
    parallel_for(count, detail::wide_grain(count, rows, in), panels);
  else
    panels(0, count);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
