// Elementwise kernels: y = f(x), f(a, b), f(a, b, c), and the same with operands broadcast over rows, columns or any
// axes.
//
// f takes and returns Pack<T>. It is compiled once a kernel: the last, partial pack goes through the same instructions
// by way of a buffer, so an element's value never depends on where in the array it lies, on the batch around it or on
// the threads. y may be an operand of its own shape; an operand that is broadcast must not overlap y.
#pragma once

#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>
#include <utility>

namespace tessera::inline TESSERA_ISA::kernel {

inline constexpr int max_axes = 8;

namespace detail {

inline constexpr Index elementwise_block = 16384;  // elements a task: some microseconds of work, and it stays in L2

template <class T, class Fn, int N, std::size_t... K>
[[gnu::always_inline]] inline Pack<T> call(const Fn& f, const T* const (&x)[N], Index i, std::index_sequence<K...>) {
  return f(Pack<T>::load(x[K] + i)...);
}

template <class T, class Fn, int N, std::size_t... K>
[[gnu::always_inline]] inline Pack<T> call(const Fn& f, const Pack<T> (&x)[N], std::index_sequence<K...>) {
  return f(x[K]...);
}

/// y[i] = f(x[0][i], ...) in one thread. flatten: f must be inlined, or every pack pays a call and reloads its
/// constants.
template <class T, class Fn, int N>
[[gnu::flatten]] void apply(Index n, const Fn& f, T* y, const T* const (&operands)[N]) {
  constexpr Index width = Pack<T>::width;
  const Index rest = n % width, whole = n - rest;
  const T* x[N];
  for (int k = 0; k < N; ++k) x[k] = operands[k];
  T part[N][width], last[width];
  T* to = y;
  for (Index count = whole;; count = width) {
    for (Index i = 0; i < count; i += width) call<T>(f, x, i, std::make_index_sequence<N>()).store(to + i);
    if (rest == 0) return;
    if (to == last) break;
    for (int k = 0; k < N; ++k) {
      load_some(x[k] + whole, rest).store(part[k]);
      x[k] = part[k];
    }
    to = last;
  }
  store_some(y + whole, Pack<T>::load(last), rest);
}

/// Calls task(begin, end) over [0, n) in fixed blocks, at once in this thread when n is small.
template <class Task>
void in_blocks(Index n, Index block, const Task& task) {
  if (n <= 0) return;
  if (n < 2 * block)
    task(Index{0}, n);
  else
    parallel_for(n, block, task);
}

/// apply<T, Fn, N> of some f: all that shares out the work is compiled once, not once an f.
template <class T, int N>
struct AnyApply {
  const void* f;
  void (*run)(const void* f, Index n, T* y, const T* const (&x)[N]);

  template <class Fn>
  explicit AnyApply(const Fn& fn)
      : f(&fn), run([](const void* any, Index n, T* y, const T* const (&x)[N]) {
          apply<T>(n, *static_cast<const Fn*>(any), y, x);
        }) {}
};

/// y[i] = f(x[0][i], ...).
template <class T, int N>
void apply_blocks(Index n, const AnyApply<T, N>& f, T* y, const T* const (&x)[N]) {
  in_blocks(n, elementwise_block, [&](Index begin, Index end) {
    const T* at[N];
    for (int k = 0; k < N; ++k) at[k] = x[k] + begin;
    f.run(f.f, end - begin, y + begin, at);
  });
}

/// An operand seen as rows and columns at any two strides; 0 repeats.
template <class T>
struct StridedView {
  const T* data;
  Index row, col;
  StridedView at(Index r, Index c) const { return {data + r * row + c * col, row, col}; }
};

/// Makes a part of a view consecutive: in place where it already is, else copied into a buffer that stays in L1, and is
/// kept while the next part is the same.
template <class T>
struct Window {
  static constexpr Index room = 512;
  static constexpr Index width = Pack<T>::width;
  Index filled = -1;  // the row in the buffer
  T buffer[room + width];

  /// Rows [r, r + count) of columns [c, c + n): whole rows when count > 1, and count * n <= room unless consecutive.
  const T* operator()(const StridedView<T>& x, Index r, Index count, Index c, Index n) {
    const T* from = x.data + r * x.row + c * x.col;
    if (x.col == 1 && (count == 1 || x.row == n)) return from;
    const bool same_row = filled >= 0 && (x.row == 0 || filled == r);
    if (same_row && (x.col == 0 || count > 1)) return buffer;
    for (Index i = 0; i < count; ++i, from += x.row) {
      T* to = buffer + i * n;
      if (x.col == 0) {
        for (Index j = 0; j < n; j += width)
          Pack<T>(*from).store(to + j);  // runs over into the next row or the spare room
      } else {
        for (Index j = 0; j < n; ++j) to[j] = from[j * x.col];
      }
    }
    filled = r;
    return buffer;
  }
};

/// y [rows, cols], consecutive, = f(x[0], ...) in one thread.
template <class T, int N>
[[gnu::noinline]] void apply_rows(Index rows, Index cols, const AnyApply<T, N>& f, T* y, const StridedView<T> (&x)[N]) {
  constexpr Index room = Window<T>::room;
  const Index together = cols <= room / 8 ? room / cols : 1;  // short rows go several at a time
  const Index piece = cols < room ? cols : room;
  Window<T> window[N];
  const T* at[N];
  for (Index r = 0; r < rows; r += together) {
    const Index count = rows - r < together ? rows - r : together;
    for (Index c = 0; c < cols; c += piece) {
      const Index n = cols - c < piece ? cols - c : piece;
      for (int k = 0; k < N; ++k) at[k] = window[k](x[k], r, count, c, n);
      f.run(f.f, count * n, y + r * cols + c, at);
    }
  }
}

/// Axes of one operation once those of extent 1 are dropped and neighbours that can be walked as one are joined.
template <int N>
struct Axes {
  int rank = 2;  // at least rows and columns
  Index extent[max_axes + 2] = {1, 1};
  Index stride[N][max_axes + 2] = {};

  Axes(int count, const Index* extents, const Index* const (&strides)[N]) {
    for (int d = 0; d < count; ++d) {
      if (extents[d] == 1) continue;
      bool joins = true;
      for (int k = 0; k < N; ++k) joins = joins && stride[k][rank - 1] == strides[k][d] * extents[d];
      if (!joins && extent[rank - 1] > 1) extent[rank++] = 1;
      extent[rank - 1] *= extents[d];
      for (int k = 0; k < N; ++k) stride[k][rank - 1] = strides[k][d];
    }
  }
  Index rows() const { return extent[rank - 2]; }
  Index cols() const { return extent[rank - 1]; }
  Index outer() const {
    Index n = 1;
    for (int d = 0; d < rank - 2; ++d) n *= extent[d];
    return n;
  }
  /// Where operand k is at position i of the outer axes.
  Index offset(int k, Index i) const {
    Index at = 0;
    for (int d = rank - 3; d >= 0; --d) {
      at += i % extent[d] * stride[k][d];
      i /= extent[d];
    }
    return at;
  }
};

/// y, consecutive, = f(x[0], ...) over axes. Short rows are dealt out together, long ones in pieces.
template <class T, int N>
void apply_axes(const Axes<N>& axes, const AnyApply<T, N>& f, T* y, const T* const (&x)[N]) {
  const Index rows = axes.rows(), cols = axes.cols(), all = rows * axes.outer();
  if (all <= 0 || cols <= 0) return;
  const Index pieces = cols < 2 * elementwise_block ? 1 : (cols + elementwise_block - 1) / elementwise_block;
  const Index most = pieces == 1 ? cols : elementwise_block;
  const Index grain = most < elementwise_block ? elementwise_block / most : 1;
  in_blocks(all * pieces, grain, [&](Index begin, Index end) {
    while (begin < end) {
      const Index line = begin / pieces, outer = line / rows, r = line % rows, c = begin % pieces * most;
      const Index count = pieces > 1 ? 1 : (end - begin < rows - r ? end - begin : rows - r);
      StridedView<T> part[N];
      for (int k = 0; k < N; ++k) {
        const Index* stride = axes.stride[k] + axes.rank - 2;
        part[k] = StridedView<T>{x[k] + axes.offset(k, outer), stride[0], stride[1]}.at(r, c);
      }
      apply_rows<T>(count, cols - c < most ? cols - c : most, f, y + line * cols + c, part);
      begin += count;
    }
  });
}

}  // namespace detail

/// y = f(x).
template <class T, class Fn>
void map(Index n, const T* x, T* y, Fn f) {
  detail::apply_blocks<T>(n, detail::AnyApply<T, 1>(f), y, {x});
}

/// y = f(a, b).
template <class T, class Fn>
void zip(Index n, const T* a, const T* b, T* y, Fn f) {
  detail::apply_blocks<T>(n, detail::AnyApply<T, 2>(f), y, {a, b});
}

/// y = f(a, b, c).
template <class T, class Fn>
void zip3(Index n, const T* a, const T* b, const T* c, T* y, Fn f) {
  detail::apply_blocks<T>(n, detail::AnyApply<T, 3>(f), y, {a, b, c});
}

/// y = f(a, b), row-major over `extents`, up to max_axes of them; strides in elements, 0 along an axis where an operand
/// repeats.
template <class T, class Fn>
void zip_broadcast(int rank, const Index* extents, const Index* a_strides, const Index* b_strides, const T* a,
                   const T* b, T* y, Fn f) {
  const Index* const strides[] = {a_strides, b_strides};
  const T* const in[] = {a, b};
  detail::apply_axes<T>(detail::Axes<2>(rank, extents, strides), detail::AnyApply<T, 2>(f), y, in);
}

/// y = f(a, b, c) likewise.
template <class T, class Fn>
void zip3_broadcast(int rank, const Index* extents, const Index* a_strides, const Index* b_strides,
                    const Index* c_strides, const T* a, const T* b, const T* c, T* y, Fn f) {
  const Index* const strides[] = {a_strides, b_strides, c_strides};
  const T* const in[] = {a, b, c};
  detail::apply_axes<T>(detail::Axes<3>(rank, extents, strides), detail::AnyApply<T, 3>(f), y, in);
}

/// y = f(x) with x at any strides: a transposed or sliced or repeated operand made consecutive on the way.
template <class T, class Fn>
void map_strided(int rank, const Index* extents, const Index* x_strides, const T* x, T* y, Fn f) {
  const Index* const strides[] = {x_strides};
  const T* const in[] = {x};
  detail::apply_axes<T>(detail::Axes<1>(rank, extents, strides), detail::AnyApply<T, 1>(f), y, in);
}

/// y[r, c] = f(a[r, c], b[c]).
template <class T, class Fn>
void zip_row(Index rows, Index cols, const T* a, const T* b, T* y, Fn f) {
  const Index extents[] = {rows, cols}, a_strides[] = {cols, 1}, b_strides[] = {0, 1};
  zip_broadcast(2, extents, a_strides, b_strides, a, b, y, f);
}

/// y[r, c] = f(a[r, c], b[r]).
template <class T, class Fn>
void zip_col(Index rows, Index cols, const T* a, const T* b, T* y, Fn f) {
  const Index extents[] = {rows, cols}, a_strides[] = {cols, 1}, b_strides[] = {1, 0};
  zip_broadcast(2, extents, a_strides, b_strides, a, b, y, f);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
