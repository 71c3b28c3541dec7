// Sums, maxima and dot products: of a whole array, of rows, of columns, of the middle axis of [outer, reduced, inner].
//
// The order of additions depends on the extents and the instruction set alone, never on threads: fixed blocks, within a
// block four packs side by side, blocks of floats added up in double. The error so grows like the block (1024), not
// like the array.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// What a reduction does: how two partial results join (V: Pack<T>, T or double), and what an empty one is.
struct Add {
  template <class T>
  static constexpr T none = T(0);
  template <class T>
  using Total = double;
  template <class V>
  [[gnu::always_inline]] static V join(V a, V b) {
    return a + b;
  }
};
struct Greatest {  // NaN if there is one; -inf of nothing
  template <class T>
  static constexpr T none = static_cast<T>(-__builtin_huge_val());
  template <class T>
  using Total = T;
  template <class T>
  [[gnu::always_inline]] static Pack<T> join(Pack<T> a, Pack<T> b) {
    return select(is_nan(a), a, max(a, b));
  }
  template <class T>
  [[gnu::always_inline]] static T join(T a, T b) {
    return a > b || a != a ? a : b;
  }
};

namespace detail {

template <class Op, class T>
[[gnu::always_inline]] inline T join_lanes(Pack<T> a) {
  T lane[Pack<T>::width];
  a.store(lane);
  for (int half = Pack<T>::width / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] = Op::join(lane[i], lane[i + half]);
  }
  return lane[0];
}

/// Joins n terms in one thread. terms(i, count) is the pack of terms i, i + 1, ...; lanes from count on are not looked
/// at.
template <class Op, class T, class Terms>
[[gnu::flatten]] typename Op::template Total<T> fold(Index n, const Terms& terms) {
  constexpr Index width = Pack<T>::width, block = 1024;
  const Pack<T> none(Op::template none<T>);
  typename Op::template Total<T> total = Op::template none<T>;
  for (Index begin = 0; begin < n; begin += block) {
    const Index end = n - begin < block ? n : begin + block;
    Pack<T> a = none, b = none, c = none, d = none;
    Index i = begin;
    for (; i + 4 * width <= end; i += 4 * width) {
      a = Op::join(a, terms(i, width));
      b = Op::join(b, terms(i + width, width));
      c = Op::join(c, terms(i + 2 * width, width));
      d = Op::join(d, terms(i + 3 * width, width));
    }
    for (; i < end; i += width) a = Op::join(a, select(first_lanes<T>(end - i), terms(i, end - i), none));
    const T part = join_lanes<Op>(Op::join(Op::join(a, b), Op::join(c, d)));
    total = Op::join(total, static_cast<typename Op::template Total<T>>(part));
  }
  return total;
}

/// The same for a large n on all threads: at most 64 pieces, cut by n alone. terms_from(begin) gives the terms of a
/// piece.
template <class Op, class T, class TermsFrom>
T fold_pieces(Index n, const TermsFrom& terms_from) {
  constexpr Index most = 64, least = 32768;
  if (n < 2 * least) return static_cast<T>(fold<Op, T>(n, terms_from(Index{0})));
  const Index even = (n + most - 1) / most, piece = even > least ? even : least;
  typename Op::template Total<T> part[most], total = Op::template none<T>;
  parallel_for(n, piece,
               [&](Index begin, Index end) { part[begin / piece] = fold<Op, T>(end - begin, terms_from(begin)); });
  for (Index k = 0; k * piece < n; ++k) total = Op::join(total, part[k]);
  return static_cast<T>(total);
}

template <class T>
[[gnu::always_inline]] inline Pack<T> load_up_to(const T* p, Index count) {
  return count >= Pack<T>::width ? Pack<T>::load(p) : load_some(p, count);
}

/// Terms that are numbers in memory, [rows, cols].
template <class T>
struct Stored {
  const T* x;
  Index cols;
  [[gnu::always_inline]] Pack<T> operator()(Index r, Index c, Index count) const {
    return load_up_to(x + r * cols + c, count);
  }
};

/// Rows a task for `cols` columns: some ten microseconds.
inline Index rows_together(Index cols) { return cols < 16384 ? 16384 / (cols + 1) + 1 : 1; }

/// y[c] = join over rows [begin, end) of terms(r, c, count), the pack of terms (r, c), (r, c + 1), ...; columns [first,
/// last). Four sums in flight: four packs of a row, or four rows of the packs that are left.
template <class Op, class T, class Terms>
[[gnu::flatten, gnu::noinline]] void fold_strip(Index begin, Index end, Index first, Index last, const Terms& terms,
                                                T* y) {
  constexpr Index width = Pack<T>::width, block = 256;
  const Pack<T> none(Op::template none<T>);
  Index col = first;
  for (; col + 4 * width <= last; col += 4 * width) {
    Pack<T> total[4] = {none, none, none, none};
    for (Index from = begin; from < end; from += block) {
      const Index to = end - from < block ? end : from + block;
      Pack<T> a = none, b = none, c = none, d = none;
      for (Index r = from; r < to; ++r) {
        a = Op::join(a, terms(r, col, width));
        b = Op::join(b, terms(r, col + width, width));
        c = Op::join(c, terms(r, col + 2 * width, width));
        d = Op::join(d, terms(r, col + 3 * width, width));
      }
      total[0] = Op::join(total[0], a);
      total[1] = Op::join(total[1], b);
      total[2] = Op::join(total[2], c);
      total[3] = Op::join(total[3], d);
    }
    for (int k = 0; k < 4; ++k) total[k].store(y + col + k * width);
  }
  for (; col < last; col += width) {  // what is left: the four sums are of rows, and one code makes them all
    const Index count = last - col;
    Pack<T> total = none;
    for (Index from = begin; from < end; from += block) {
      const Index to = end - from < block ? end : from + block;
      Pack<T> sum[4] = {none, none, none, none};
#pragma GCC unroll 1
      for (Index r = from; r < to; ++r) sum[(r - from) % 4] = Op::join(sum[(r - from) % 4], terms(r, col, count));
      total = Op::join(total, Op::join(Op::join(sum[0], sum[1]), Op::join(sum[2], sum[3])));
    }
    if (count >= width)
      total.store(y + col);
    else
      store_some(y + col, total, count);
  }
}

/// y[c] = join over r of terms(r, c, count), for [rows, cols].
template <class Op, class T, class Terms>
void fold_columns(Index rows, Index cols, const Terms& terms, T* y) {
  constexpr Index strip = 4 * Pack<T>::width, room = 8192, most_pieces = 16, work = 65536;
  Index pieces = rows * cols / work;  // of rows, as many as are worth it and their sums have room for
  if (pieces > most_pieces) pieces = most_pieces;
  if (pieces * cols > room) pieces = room / cols;
  if (pieces < 2) {
    const Index together = rows * strip < work ? work / (rows * strip + 1) + 1 : 1;  // strips a task
    parallel_for(cols, together * strip,
                 [&](Index first, Index last) { fold_strip<Op>(Index{0}, rows, first, last, terms, y); });
    return;
  }
  // Few columns and many rows: pieces of rows, cut by the extents alone, joined in order.
  T part[room];
  const Index piece = (rows + pieces - 1) / pieces, used = (rows + piece - 1) / piece;
  parallel_for(rows, piece, [&](Index begin, Index end) {
    fold_strip<Op>(begin, end, Index{0}, cols, terms, part + begin / piece * cols);
  });
  fold_strip<Op>(Index{0}, used, Index{0}, cols, Stored<T>{part, cols}, y);
}

template <class Op, class T>
void fold_columns_of(Index rows, Index cols, const T* x, T* y) {
  fold_columns<Op>(rows, cols, Stored<T>{x, cols}, y);
}

}  // namespace detail

// ---- of an array

template <class T>
T sum(Index n, const T* x) {
  return detail::fold_pieces<Add, T>(
      n, [x](Index from) { return [p = x + from](Index i, Index count) { return detail::load_up_to(p + i, count); }; });
}

/// Sum of f(x), f: Pack<T> -> Pack<T>.
template <class T, class Fn>
T sum_of(Index n, const T* x, Fn f) {
  return detail::fold_pieces<Add, T>(n, [x, f](Index from) {
    return [p = x + from, f](Index i, Index count) { return f(detail::load_up_to(p + i, count)); };
  });
}

/// Sum of f(a, b).
template <class T, class Fn>
T sum_of(Index n, const T* a, const T* b, Fn f) {
  return detail::fold_pieces<Add, T>(n, [a, b, f](Index from) {
    return [p = a + from, q = b + from, f](Index i, Index count) {
      return f(detail::load_up_to(p + i, count), detail::load_up_to(q + i, count));
    };
  });
}

template <class T>
T dot(Index n, const T* a, const T* b) {
  return sum_of(n, a, b, [](Pack<T> p, Pack<T> q) { return p * q; });
}

/// The greatest of x: NaN if there is one, -inf of nothing.
template <class T>
T max(Index n, const T* x) {
  return detail::fold_pieces<Greatest, T>(
      n, [x](Index from) { return [p = x + from](Index i, Index count) { return detail::load_up_to(p + i, count); }; });
}

/// The first place of the greatest element; of the first NaN if there is one; 0 of nothing.
template <class T>
Index argmax(Index n, const T* x) {
  constexpr Index width = Pack<T>::width;
  const T top = detail::fold<Greatest, T>(n, [x](Index i, Index count) { return detail::load_up_to(x + i, count); });
  const auto found = [top](T v) { return v == top || v != v; };  // where there is a NaN, top is one and equals nothing
  Index i = 0;
  for (; i + width <= n; i += width) {
    const Pack<T> v = Pack<T>::load(x + i);
    if (any(is_nan(v)) || any(v >= Pack<T>(top))) break;
  }
  for (; i < n; ++i) {
    if (found(x[i])) return i;
  }
  return 0;
}

/// True if no element is NaN or infinite.
template <class T>
bool all_finite(Index n, const T* x) {
  return sum_of(n, x, [](Pack<T> v) { return v * Pack<T>(T(0)); }) == T(0);  // NaN * 0 and inf * 0 are NaN
}

// ---- of [outer, reduced, inner] over the middle axis, into y [outer, inner]

template <class Op, class T>
void reduce(Index outer, Index reduced, Index inner, const T* x, T* y) {
  if (inner == 1) {
    parallel_for(outer, detail::rows_together(reduced), [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const T* p = x + r * reduced;
        y[r] = static_cast<T>(
            detail::fold<Op, T>(reduced, [p](Index i, Index count) { return detail::load_up_to(p + i, count); }));
      }
    });
  } else if (reduced * inner >= 262144 || outer == 1) {
    for (Index r = 0; r < outer; ++r)
      detail::fold_columns_of<Op>(reduced, inner, x + r * reduced * inner, y + r * inner);
  } else {
    parallel_for(outer, 65536 / (reduced * inner + 16) + 1, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r)
        detail::fold_columns_of<Op>(reduced, inner, x + r * reduced * inner, y + r * inner);
    });
  }
}

template <class T>
void sum(Index outer, Index reduced, Index inner, const T* x, T* y) {
  reduce<Add>(outer, reduced, inner, x, y);
}
template <class T>
void max(Index outer, Index reduced, Index inner, const T* x, T* y) {
  reduce<Greatest>(outer, reduced, inner, x, y);
}

/// y[c] = sum over r of x[r, c]: the gradient of a bias.
template <class T>
void sum_rows(Index rows, Index cols, const T* x, T* y) {
  reduce<Add>(Index{1}, rows, cols, x, y);
}
/// y[r] = sum over c of x[r, c].
template <class T>
void sum_cols(Index rows, Index cols, const T* x, T* y) {
  reduce<Add>(rows, cols, Index{1}, x, y);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
