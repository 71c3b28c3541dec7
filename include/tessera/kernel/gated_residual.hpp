// A layer of a gated residual network over sound [lines, length, R], a block of rows at a time:
//
//   a_t = shift + sum over taps k of x[t - (taps - 1 - k) dilation] W[k]     W [taps, R, 2R]; rows before the line are zero
//   u_t = tanh(a_t[:R]) sigmoid(a_t[R:])
//   y_t = M u_t + m                                                          M [K + S, R], K = R, or 0: nothing goes on
//   x'_t = x_t + y_t[:K]      skip'_t = skip_t + y_t[K:]
//
// Op by op the layer is memory traffic: [length, 2R] is written and read a dozen times. Here a block of rows goes through
// all of it in the second cache; what is kept for the adjoint (gated_residual_adjoint.hpp) are tanh and sigmoid. 64
// channels, 20 layers, 16,000 rows, one core: 1.29 times as fast a training step; 138 GFLOP/s forward, 177 back, where
// fma's alone reach 199.
//
// A row's bits depend on nothing but the rows it is made of.
#pragma once

#include <tessera/kernel/epilogue.hpp>
#include <tessera/kernel/gemm.hpp>
#include <tessera/kernel/math.hpp>
#include <tessera/kernel/parallel.hpp>
#include <tessera/kernel/row_products.hpp>
#include <tessera/kernel/scratch.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

struct GatedShape {
  Index lines = 1, length = 1;
  Index residual = 1, kept = 1, skip = 1;  // R, K, S
  Index taps = 2, dilation = 1;
  Index frames = 0;  // rows of shift a line, each for length / frames rows; 0: one row for all

  /// Rows before it that a row of the line may be made of.
  Index reach() const { return (taps - 1) * dilation < length ? (taps - 1) * dilation : length; }
  Index weights() const { return taps * residual * 2 * residual; }
  Index mixed() const { return kept + skip; }
  Index shift_rows() const { return frames > 0 ? lines * frames : 1; }
  /// The row of shift that row t of a line has.
  Index shift_row(Index line, Index t) const { return frames > 0 ? line * frames + t / (length / frames) : 0; }
};

namespace detail {

inline constexpr Index gated_block = 252;  // rows; a multiple of the tile's

/// Panels of W columns over `columns`, and over the pairs (j, columns / 2 + j) where a panel's halves are gated.
template <class T>
struct GatedPanels {
  int regs;
  Index W, count;
  GatedPanels(Index columns, bool pairs = false)
      : regs(panel_registers<T>(columns)), W(regs * lanes_of<T>), count(ceil_div(columns, W)) {
    if (pairs) count = ceil_div(columns / 2, W / 2);
  }
  Index room(Index depth) const { return count * W * depth; }
  /// B [depth, columns].
  void pack(T* to, View<T> b, Index depth, Index columns) const {
    pack_row_weights<T>(to, b, depth, count, W,
                        [=, W = W](Index p, Index j) { return p * W + j < columns ? p * W + j : -1; });
  }
  void pack_pairs(T* to, View<T> b, Index depth, Index columns) const {
    pack_row_weights<T>(to, b, depth, count, W, [=, H = W / 2](Index p, Index j) {
      const Index from = p * H + j % H;
      return from < columns / 2 ? from + j / H * (columns / 2) : -1;
    });
  }
};

/// body(register's column, lanes left) for the columns of panel p, W each, out of `columns`.
template <class T, class Body>
[[gnu::always_inline]] inline void for_panel(Index p, Index W, Index columns, const Body& body) {
  const Index end = at_most(W, columns - p * W);
  for (Index j = 0; j < end; j += lanes_of<T>) body(j, p * W + j, end - j);
}

/// The weights of the forward pass, packed.
template <class T>
struct GatedWeights {
  GatedPanels<T> gates, on, out;  // of a, and of the two parts of y
  Index tap_room;
  Scratch<T> taps, mix_on, mix_out;
  GatedWeights(const GatedShape& s, const T* w, const T* mix)
      : gates(2 * s.residual, true),
        on(s.kept),
        out(s.skip),
        tap_room(gates.room(s.residual)),
        taps(s.taps * tap_room),
        mix_on(on.room(s.residual)),
        mix_out(out.room(s.residual)) {
    const Index R = s.residual;
    for (Index k = 0; k < s.taps; ++k)
      gates.pack_pairs(taps.data() + k * tap_room, {w + k * R * 2 * R, 2 * R, 1}, R, 2 * R);
    on.pack(mix_on.data(), {mix, 1, R}, R, s.kept);
    out.pack(mix_out.data(), {mix + s.kept * R, 1, R}, R, s.skip);
  }
};

/// u of rows [first, last) of a line. u: that block's rows; halves: of the rows of all lines, or nullptr.
template <class T>
void gate_block(const GatedShape& s, const GatedWeights<T>& weights, Index line, Index first, Index last, const T* x,
                const T* shift, T* u, T* halves) {
  const Index R = s.residual, W = weights.gates.W, H = W / 2, row0 = line * s.length;
  const Scratch<RowTerm<T>> terms(s.taps);
  for (Index t = first, next; t < last; t = next) {  // rows that reach equally many taps
    Index count = 0;
    next = last;
    for (Index k = 0; k < s.taps; ++k) {
      const Index back = (s.taps - 1 - k) * s.dilation;
      if (back <= t)
        terms[count++] = {x + (row0 + t - back) * R, R, R, weights.taps.data() + k * weights.tap_room};
      else
        next = at_most(back, next);
    }
    const auto finish = [&](Index from, Index rows, Index p, const T* c) {
      for (Index at = t + from; at < t + from + rows; ++at, c += W) {
        const T* add = shift + s.shift_row(line, at) * 2 * R;
        T* const to = u + (at - first) * R;
        T* const half = halves ? halves + (row0 + at) * 2 * R : nullptr;
        for_panel<T>(p, H, R, [&](Index j, Index col, Index lanes) {
          const auto th = tanh(Pack<T>::load(c + j) + load_lanes<T>(add + col, lanes));
          const auto sg = sigmoid(Pack<T>::load(c + H + j) + load_lanes<T>(add + R + col, lanes));
          store_lanes<T>(to + col, th * sg, lanes);
          if (half) {
            store_lanes<T>(half + col, th, lanes);
            store_lanes<T>(half + R + col, sg, lanes);
          }
        });
      }
    };
    row_products<T>(next - t, weights.gates.count, weights.gates.regs, terms.data(), count, finish);
  }
}

/// to = from + (u B + bias) for the rows of a block, `columns` each; from may be nullptr or `to`.
template <class T>
void mix_block(Index rows, Index R, Index columns, const T* u, const GatedPanels<T>& panels, const T* b, const T* bias,
               const T* from, T* to) {
  const RowTerm<T> term{u, R, R, b};
  const auto finish = [&](Index first, Index count, Index p, const T* c) {
    for (Index row = first * columns; row < (first + count) * columns; row += columns, c += panels.W) {
      for_panel<T>(p, panels.W, columns, [&](Index j, Index col, Index lanes) {
        auto y = Pack<T>::load(c + j) + load_lanes<T>(bias + col, lanes);
        if (from) y = load_lanes<T>(from + row + col, lanes) + y;
        store_lanes<T>(to + row + col, y, lanes);
      });
    }
  };
  row_products<T>(rows, panels.count, panels.regs, &term, 1, finish);
}

}  // namespace detail

/// `skip` may be nullptr (zeros) or skip_out; `halves` [rows, 2R] receives tanh and sigmoid unless it is nullptr. x_out
/// is not touched where K = 0.
template <class T>
void gated_residual(const GatedShape& s, const T* x, const T* skip, const T* w, const T* shift, const T* mix,
                    const T* bias, T* x_out, T* skip_out, T* halves) {
  using namespace detail;
  const Index R = s.residual, blocks = ceil_div(s.length, gated_block);
  const GatedWeights<T> weights(s, w, mix);
  parallel_for(s.lines * blocks, 1, [&](Index begin, Index end) {
    const Scratch<T> u(gated_block * R);
    for (Index b = begin; b < end; ++b) {
      const Index line = b / blocks, first = b % blocks * gated_block, rows = at_most(gated_block, s.length - first);
      const Index row = line * s.length + first;
      gate_block<T>(s, weights, line, first, first + rows, x, shift, u.data(), halves);
      if (s.kept > 0)
        mix_block<T>(rows, R, s.kept, u.data(), weights.on, weights.mix_on.data(), bias, x + row * s.kept,
                     x_out + row * s.kept);
      mix_block<T>(rows, R, s.skip, u.data(), weights.out, weights.mix_out.data(), bias + s.kept,
                   skip ? skip + row * s.skip : nullptr, skip_out + row * s.skip);
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
