// The adjoint of a gated residual layer (gated_residual.hpp), from the gradients of x' and skip', with t and s kept, the
// factors of u:
//
//   du = g_x M[:K] + g_skip M[K:]        da = du [s (1 - t^2); t s (1 - s)]
//   dx_t = g_x + sum over taps k of da[t + (taps - 1 - k) dilation] W[k]^T
//   dW[k] = sum of x[t - (taps - 1 - k) dilation]^T da_t     dshift = sum of da
//   dM = sum of [g_x; g_skip]^T u     dm = sum of [g_x; g_skip]
//
// da of a block of rows goes at once, in the second cache, into the three gradients that want it; da of the whole sound
// never exists. dx wants da of its own rows and of rows after them, so da runs ahead of dx in a window of rows, and dx
// replaces g_x where that lies.
//
// dx has the same bits whatever is beside it; the sums over rows add fixed parts in order.
#pragma once

#include <cstring>

#include <tessera/kernel/gated_residual.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// What the adjoint makes; each may be nullptr: not wanted. dx may be the gradient of x' itself, which is then
/// replaced.
template <class T>
struct GatedGradients {
  T *dx = nullptr, *dw = nullptr, *dshift = nullptr, *dmix = nullptr, *dbias = nullptr;
};

namespace detail {

template <class T>
std::size_t bytes_of(Index numbers) {
  return static_cast<std::size_t>(numbers) * sizeof(T);
}

/// to[j] += sum over rows of from[i step + j].
template <class T>
[[gnu::noinline]] void add_columns(Index rows, Index columns, const T* from, Index step, T* to) {
  constexpr Index L = lanes_of<T>, many = 4;  // chains side by side
  Index j = 0;
  for (; j + many * L <= columns; j += many * L) {
    Pack<T> sum[many];
#pragma GCC unroll 4
    for (Index v = 0; v < many; ++v) sum[v] = Pack<T>::load(to + j + v * L);
    for (Index i = 0; i < rows; ++i) {
#pragma GCC unroll 4
      for (Index v = 0; v < many; ++v) sum[v] += Pack<T>::load(from + i * step + j + v * L);
    }
#pragma GCC unroll 4
    for (Index v = 0; v < many; ++v) sum[v].store(to + j + v * L);
  }
  for (; j < columns; j += L) {
    Pack<T> sum = load_lanes<T>(to + j, columns - j);
    for (Index i = 0; i < rows; ++i) sum += load_lanes<T>(from + i * step + j, columns - j);
    store_lanes<T>(to + j, sum, columns - j);
  }
}

/// The adjoint of a run of blocks of rows, by one thread.
template <class T>
class GatedAdjoint {
 public:
  // The weights of da = (g_x M_x + g_skip M_skip) slopes, and of dx = g_x + da W^T.
  struct Packed {
    GatedPanels<T> panels;
    Index tap_room;
    Scratch<T> on, out, taps;
    Packed(const GatedShape& s, const T* w, const T* mix)
        : panels(s.residual),
          tap_room(panels.room(2 * s.residual)),
          on(panels.room(s.kept)),
          out(panels.room(s.skip)),
          taps(s.taps * tap_room) {
      const Index R = s.residual;
      panels.pack(on.data(), {mix, R, 1}, s.kept, R);
      panels.pack(out.data(), {mix + s.kept * R, R, 1}, s.skip, R);
      for (Index k = 0; k < s.taps; ++k)
        panels.pack(taps.data() + k * tap_room, {w + k * R * 2 * R, 1, 2 * R}, 2 * R, R);
    }
  };
  struct Operands {
    const T *x, *halves, *g_x, *g_skip;  // either gradient may be nullptr: zero
  };

  GatedAdjoint(const GatedShape& s, const Operands& in, const Packed& packed, const GatedGradients<T>& to)
      : s_(s),
        in_(in),
        packed_(packed),
        to_(to),
        capacity_(gated_block + 2 * s.reach()),
        window_(capacity_ * 2 * s.residual),
        gated_(gated_block * s.residual),
        terms_(s.taps) {}

  /// Blocks [begin, end) of all lines' blocks. Rows of g_x from the end on are another's, who may have changed them:
  /// those within reach are read from `saved`. The first row of shift is summed into `first_shift`, the others are this
  /// one's.
  void run(Index begin, Index end, const T* saved, T* first_shift) {
    const Index blocks = ceil_div(s_.length, gated_block);
    shift_row_ = -1;
    for (Index b = begin; b < end; ++b) {
      const Index line = b / blocks, first = b % blocks * gated_block, last = at_most(first + gated_block, s_.length);
      const Index own = at_most(s_.length, (end - line * blocks) * gated_block);
      if (b == begin || first == 0) base_ = ready_ = first;
      const Index wanted = at_most(last + s_.reach(), s_.length);
      make_room(first, last + s_.reach());
      while (ready_ < wanted) {
        const Index limit = ready_ < own ? at_most(wanted, own) : wanted, till = at_most(ready_ + gated_block, limit);
        const T* g = in_.g_x;
        if (g) g = ready_ < own ? g + (line * s_.length + ready_) * s_.kept : saved + (ready_ - own) * s_.kept;
        gate_gradients(line, ready_, till, g);
        ready_ = till;
      }
      std::memset(da(wanted), 0, bytes_of<T>((last + s_.reach() - wanted) * 2 * s_.residual));  // after the line
      weight_gradients(line, first, last);
      shift_gradients(line, first, last, first_shift);
      input_gradients(line, first, last);
    }
  }

 private:
  T* da(Index t) const { return window_.data() + (t - base_) * 2 * s_.residual; }

  /// The window shall hold rows [first, end).
  void make_room(Index first, Index end) {
    if (end - base_ <= capacity_) return;
    std::memmove(window_.data(), da(first), bytes_of<T>((ready_ - first) * 2 * s_.residual));
    base_ = first;
  }

  /// da of rows [first, last) from g_x there.
  void gate_gradients(Index line, Index first, Index last, const T* g_x) {
    const Index R = s_.residual, row0 = line * s_.length;
    RowTerm<T> terms[2];
    Index count = 0;
    if (g_x) terms[count++] = {g_x, s_.kept, s_.kept, packed_.on.data()};
    if (in_.g_skip) terms[count++] = {in_.g_skip + (row0 + first) * s_.skip, s_.skip, s_.skip, packed_.out.data()};
    const GatedPanels<T>& panels = packed_.panels;
    const auto finish = [&](Index from, Index rows, Index p, const T* c) {
      const Pack<T> one(T(1));
      for (Index at = first + from; at < first + from + rows; ++at, c += panels.W) {
        const T* half = in_.halves + (row0 + at) * 2 * R;
        T* const to = da(at);
        for_panel<T>(p, panels.W, R, [&](Index j, Index col, Index lanes) {
          const auto t = load_lanes<T>(half + col, lanes), s = load_lanes<T>(half + R + col, lanes);
          const auto gs = Pack<T>::load(c + j) * s;
          store_lanes<T>(to + col, gs * fnma(t, t, one), lanes);
          store_lanes<T>(to + R + col, gs * t * (one - s), lanes);
        });
      }
    };
    row_products<T>(last - first, panels.count, panels.regs, terms, count, finish);
  }

  void weight_gradients(Index line, Index first, Index last) {
    constexpr Index part = gated_block / 2;  // rows that a product reads in place
    const Index R = s_.residual, K = s_.kept, S = s_.skip, row0 = line * s_.length;
    if (to_.dmix) {
      const T* half = in_.halves + (row0 + first) * 2 * R;
      for (Index i = 0; i < last - first; ++i, half += 2 * R) {
        T* u = gated_.data() + i * R;
        for (Index j = 0; j < R; j += lanes_of<T>)
          store_lanes<T>(u + j, load_lanes<T>(half + j, R - j) * load_lanes<T>(half + R + j, R - j), R - j);
      }
    }
    for (Index t = first; t < last; t += part) {
      const Index rows = at_most(last - t, part);
      const View<T> u{gated_.data() + (t - first) * R, R, 1}, d{da(t), 2 * R, 1};
      if (to_.dmix && in_.g_x) gemm_serial<T>(K, R, rows, {in_.g_x + (row0 + t) * K, 1, K}, u, to_.dmix, R, true);
      if (to_.dmix && in_.g_skip)
        gemm_serial<T>(S, R, rows, {in_.g_skip + (row0 + t) * S, 1, S}, u, to_.dmix + K * R, R, true);
      for (Index k = 0; to_.dw && k < s_.taps; ++k) {
        const Index back = (s_.taps - 1 - k) * s_.dilation, skipped = t < back ? at_most(back - t, rows) : 0;
        if (skipped == rows) continue;
        gemm_serial<T>(R, 2 * R, rows - skipped, {in_.x + (row0 + t + skipped - back) * R, 1, R}, d.at(skipped, 0),
                       to_.dw + k * R * 2 * R, 2 * R, true);
      }
    }
    if (to_.dbias && in_.g_x) add_columns<T>(last - first, K, in_.g_x + (row0 + first) * K, K, to_.dbias);
    if (to_.dbias && in_.g_skip) add_columns<T>(last - first, S, in_.g_skip + (row0 + first) * S, S, to_.dbias + K);
  }

  void shift_gradients(Index line, Index first, Index last, T* first_shift) {
    if (!to_.dshift) return;
    const Index R2 = 2 * s_.residual;
    for (Index t = first, next; t < last; t = next) {
      const Index row = s_.shift_row(line, t);
      next = s_.frames > 0 ? at_most(last, (row - line * s_.frames + 1) * (s_.length / s_.frames)) : last;
      if (row != shift_row_) {  // a new one
        sum_ = shift_row_ < 0 ? first_shift : to_.dshift + row * R2;
        for (Index j = 0; j < R2; ++j) sum_[j] = T(0);
        shift_row_ = row;
      }
      add_columns<T>(next - t, R2, da(t), R2, sum_);
    }
  }

  void input_gradients(Index line, Index first, Index last) {
    if (!to_.dx) return;
    const Index R = s_.residual, row0 = line * s_.length;
    Index count = 0;
    for (Index k = 0; k < s_.taps; ++k) {
      const Index from = first + (s_.taps - 1 - k) * s_.dilation;
      if (from < s_.length) terms_[count++] = {da(from), 2 * R, 2 * R, packed_.taps.data() + k * packed_.tap_room};
    }
    const GatedPanels<T>& panels = packed_.panels;
    const auto finish = [&](Index from, Index rows, Index p, const T* c) {
      for (Index row = (row0 + first + from) * R; row < (row0 + first + from + rows) * R; row += R, c += panels.W) {
        for_panel<T>(p, panels.W, R, [&](Index j, Index col, Index lanes) {
          auto d = Pack<T>::load(c + j);
          if (in_.g_x) d = load_lanes<T>(in_.g_x + row + col, lanes) + d;
          store_lanes<T>(to_.dx + row + col, d, lanes);
        });
      }
    };
    row_products<T>(last - first, panels.count, panels.regs, terms_.data(), count, finish);
  }

  const GatedShape& s_;
  const Operands& in_;
  const Packed& packed_;
  GatedGradients<T> to_;
  Index capacity_, base_ = 0, ready_ = 0;  // the window: rows [base, base + capacity) of the line, made up to ready
  Index shift_row_ = -1;
  T* sum_ = nullptr;
  Scratch<T> window_, gated_;
  Scratch<RowTerm<T>> terms_;
};

template <class T>
void clear_gradients(const GatedShape& s, const GatedGradients<T>& to) {
  const Index sizes[] = {s.weights(), s.shift_rows() * 2 * s.residual, s.mixed() * s.residual, s.mixed()};
  T* const all[] = {to.dw, to.dshift, to.dmix, to.dbias};
  for (int n = 0; n < 4; ++n) {
    for (Index i = 0; all[n] && i < sizes[n]; ++i) all[n][i] = T(0);
  }
}

}  // namespace detail

/// From the gradients of x' [rows, K] and skip' [rows, S], nullptr where zero, and the halves kept.
template <class T>
void gated_residual_adjoint(const GatedShape& s, const T* x, const T* w, const T* mix, const T* halves, const T* g_x,
                            const T* g_skip, const GatedGradients<T>& to) {
  using namespace detail;
  const Index blocks = ceil_div(s.length, gated_block), all = s.lines * blocks;
  if (all == 0) return clear_gradients(s, to);
  const Index runs = at_most(all, 8), each = ceil_div(all, runs), R2 = 2 * s.residual;
  const typename GatedAdjoint<T>::Packed packed(s, w, mix);
  const typename GatedAdjoint<T>::Operands in{x, halves, g_x, g_skip};
  // Of every run: sums of its own, and the rows of g_x after it that it reads and another changes.
  const Index sizes[] = {to.dw ? s.weights() : 0, to.dmix ? s.mixed() * s.residual : 0, to.dbias ? s.mixed() : 0, R2};
  const Index size = sizes[0] + sizes[1] + sizes[2] + sizes[3];
  const Scratch<T> parts(runs * size);
  const bool changed = to.dx && to.dx == g_x;
  const Index reach = at_most(s.reach(), s.length);
  const Scratch<T> saved(changed ? runs * reach * s.kept : 0);
  const auto saved_rows = [&](Index run) -> const T* {
    const Index b = at_most((run + 1) * each, all), line = (b - 1) / blocks;
    const Index after = at_most(s.length, (b - line * blocks) * gated_block);
    const T* from = g_x + (line * s.length + after) * s.kept;
    if (!changed) return from;
    T* rows = saved.data() + run * reach * s.kept;
    std::memcpy(rows, from, bytes_of<T>(at_most(reach, s.length - after) * s.kept));
    return rows;
  };
  const Scratch<const T*> after(runs);
  for (Index r = 0; r < runs; ++r) after[r] = g_x && r * each < all ? saved_rows(r) : nullptr;

  parallel_for(runs, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      T* part = parts.data() + r * size;
      std::memset(part, 0, bytes_of<T>(size));
      T* const mix_part = part + sizes[0];
      T* const bias_part = mix_part + sizes[1];
      GatedAdjoint<T> run(
          s, in, packed,
          {to.dx, to.dw ? part : nullptr, to.dshift, to.dmix ? mix_part : nullptr, to.dbias ? bias_part : nullptr});
      run.run(r * each, at_most((r + 1) * each, all), after[r], bias_part + sizes[2]);
    }
  });

  T* const sums[] = {to.dw, to.dmix, to.dbias};
  Index offset = 0;
  for (int n = 0; n < 3; offset += sizes[n++]) {
    for (Index i = 0; i < sizes[n]; i += lanes_of<T>) {
      const Index left = sizes[n] - i;
      Pack<T> sum(T(0));
      for (Index r = 0; r < runs; ++r) sum += load_lanes<T>(parts.data() + r * size + offset + i, left);
      store_lanes<T>(sums[n] + i, sum, left);
    }
  }
  Index last_row = -1;  // that the runs before have begun
  for (Index r = 0; to.dshift && r < runs && r * each < all; ++r) {
    const auto row_of = [&](Index b, Index t) { return s.shift_row(b / blocks, t); };
    const Index b = r * each, e = at_most(b + each, all) - 1, row = row_of(b, b % blocks * gated_block);
    T* sum = to.dshift + row * R2;
    for (Index j = 0; j < R2; ++j) sum[j] = (row == last_row ? sum[j] : T(0)) + parts[r * size + offset + j];
    last_row = row_of(e, at_most((e % blocks + 1) * gated_block, s.length) - 1);
  }
}

}  // namespace tessera::inline TESSERA_ISA::kernel
