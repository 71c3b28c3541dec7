// Normalisation of channels with adjoints: group norm (Wu and He 2018, arXiv 1803.08494) on channels-last [batch,
// space, channels], and batch norm (Ioffe and Szegedy 2015, arXiv 1502.03167), which is group norm of one item with
// every channel its own group.
//
//   y = activation((x - mean) rstd gain + bias),   rstd = 1 / sqrt(variance + eps), mean and rstd [batch, groups]
//
// The activation (SiLU in every U-Net) runs in the same pass, in both directions. Means are sums of x minus its first
// element, variances a second pass over x - mean; gain and bias may be null. Sums run in blocks that the extents alone
// fix.
#pragma once

#include <cmath>
#include <tessera/kernel/elementwise.hpp>
#include <tessera/kernel/math.hpp>
#include <tessera/kernel/reduce.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

struct NoActivation {
  static constexpr bool identity = true;
  template <class T>
  [[gnu::always_inline]] static Pack<T> value(Pack<T> x) {
    return x;
  }
  template <class T>
  [[gnu::always_inline]] static Pack<T> slope(Pack<T>) {
    return Pack<T>(T(1));
  }
};
struct SiluActivation {
  static constexpr bool identity = false;
  template <class T>
  [[gnu::always_inline]] static Pack<T> value(Pack<T> x) {
    return silu(x);
  }
  template <class T>
  [[gnu::always_inline]] static Pack<T> slope(Pack<T> x) {
    return silu_slope(x);
  }
};

namespace detail {

/// A few numbers a channel: the only memory these kernels allocate.
template <class T>
struct Partials {
  T* data;
  explicit Partials(Index n) : data(new T[static_cast<std::size_t>(n)]) {}
  ~Partials() { delete[] data; }
  Partials(const Partials&) = delete;
  Partials& operator=(const Partials&) = delete;
};

/// Items in parallel while they are small; large ones in turn, each on all threads.
template <class Task>
void for_items(Index batch, Index size, const Task& task) {
  if (size >= 262144) {
    for (Index b = 0; b < batch; ++b) task(b);
  } else {
    parallel_for(batch, rows_together(size), [&](Index begin, Index end) {
      for (Index b = begin; b < end; ++b) task(b);
    });
  }
}

/// Rows of y = f(x[0], ..., per_channel[0], ...), columns [0, n) of `cols`, n a multiple of two registers. What belongs
/// to a channel stays in registers for all rows.
template <int Full, class T, class Fn, int N>
[[gnu::flatten]] void map_strips(Index rows, Index cols, Index n, const Fn& f, T* y, const T* const (&operands)[N]) {
  constexpr Index L = lanes_of<T>;
  constexpr std::make_index_sequence<N> operand;
  for (Index c = 0; c < n; c += 2 * L) {
    Pack<T> low[N], high[N];
    for (int k = 0; k < N; ++k) low[k] = Pack<T>::load(operands[k] + c), high[k] = Pack<T>::load(operands[k] + c + L);
    for (Index r = 0; r < rows; ++r) {
      const Index at = r * cols + c;
      for (int k = 0; k < Full; ++k) {
        low[k] = Pack<T>::load(operands[k] + at);
        high[k] = Pack<T>::load(operands[k] + at + L);
        __builtin_prefetch(operands[k] + at + 16 * cols);
        __builtin_prefetch(operands[k] + at + 16 * cols + L);
      }
      call(f, low, operand).store(y + at);
      call(f, high, operand).store(y + at + L);
    }
  }
}

/// y = f(x[0], ..., per_channel[0], ...) for every row: the first `Full` operands are [rows, cols], the others [cols].
template <int Full, class T, class Fn, int N>
void map_columns(Index rows, Index cols, const Fn& f, T* y, const T* const (&operands)[N]) {
  constexpr Index together = 8;  // rows walked side by side: they stay in L1, and memory is read nearly in order
  const Index strips = cols > 512 ? 0 : cols / (2 * lanes_of<T>)*(2 * lanes_of<T>);
  parallel_for(rows, rows_together(cols), [&](Index begin, Index end) {
    const T* at[N];
    for (int k = 0; k < N; ++k) at[k] = operands[k];
    for (Index r = begin; r < end; r += together) {
      const Index count = end - r < together ? end - r : together;
      for (int k = 0; k < Full; ++k) at[k] = operands[k] + r * cols;
      map_strips<Full>(count, cols, strips, f, y + r * cols, at);
    }
    for (int k = 0; k < N; ++k) at[k] = operands[k] + strips;
    for (Index r = begin; strips < cols && r < end; ++r) {
      for (int k = 0; k < Full; ++k) at[k] = operands[k] + r * cols + strips;
      apply<T>(cols - strips, f, y + r * cols + strips, at);
    }
  });
}

/// What normalising does to a channel: (x - centre) scale + shift.
template <class T>
struct GroupAffine {
  Partials<T> numbers;
  T *centre, *scale, *shift;
  explicit GroupAffine(Index channels)
      : numbers(3 * channels), centre(numbers.data), scale(centre + channels), shift(scale + channels) {}
};

/// (x - centre)^power for rows of x, power 1 or 2: one code for means and variances.
template <class T>
struct Deviations {
  const T *x, *centre;
  Index channels;
  bool squared;
  [[gnu::always_inline]] Pack<T> operator()(Index r, Index c, Index count) const {
    const Pack<T> d = load_up_to(x + r * channels + c, count) - load_up_to(centre + c, count), one(T(1));
    return d * (squared ? d : one);
  }
};

/// The statistics of one item [space, channels]: `to`, and mean, variance, rstd [groups] (each may be null).
template <class T>
void group_statistics(Index space, Index channels, Index groups, const T* x, const T* gain, const T* bias, double eps,
                      const GroupAffine<T>& to, T* mean, T* variance, T* rstd) {
  const Index each = channels / groups;
  const double n = static_cast<double>(space * each);
  T *const centre = to.centre, *const scale = to.scale, *const shift = to.shift;
  T* const sums = scale;  // a group's are read before its scale is written
  const auto group_sum = [&](Index g) {
    double total = 0;
    for (Index c = g * each; c < (g + 1) * each; ++c) total += static_cast<double>(sums[c]);
    return total;
  };
  for (Index c = 0; c < channels; ++c) centre[c] = x[c - c % each];
  fold_columns<Add>(space, channels, Deviations<T>{x, centre, channels, false}, sums);
  for (Index g = 0; g < groups; ++g) {
    const double exact = static_cast<double>(centre[g * each]) + group_sum(g) / n;
    const T m = static_cast<T>(exact),
            left = static_cast<T>(exact - static_cast<double>(m));  // left: beyond T's digits
    for (Index c = g * each; c < (g + 1) * each; ++c) centre[c] = m, shift[c] = left;
  }
  fold_columns<Add>(space, channels, Deviations<T>{x, centre, channels, true}, sums);
  for (Index g = 0; g < groups; ++g) {
    const double left = static_cast<double>(shift[g * each]), v = group_sum(g) / n - left * left;
    const double spread = v < 0 ? 0.0 : v, s = 1.0 / std::sqrt(spread + eps);
    if (mean) mean[g] = centre[g * each];
    if (variance) variance[g] = static_cast<T>(spread);
    if (rstd) rstd[g] = static_cast<T>(s);
    for (Index c = g * each; c < (g + 1) * each; ++c) {
      scale[c] = static_cast<T>(s * (gain ? static_cast<double>(gain[c]) : 1.0));
      shift[c] = (bias ? bias[c] : T(0)) - static_cast<T>(left) * scale[c];
    }
  }
}

/// One item [space, channels]: y, and mean, variance, rstd [groups] (each may be null).
template <class Activation, class T>
void group_norm_item(Index space, Index channels, Index groups, const T* x, const T* gain, const T* bias, double eps,
                     T* y, T* mean, T* variance, T* rstd) {
  const GroupAffine<T> affine(channels);
  group_statistics(space, channels, groups, x, gain, bias, eps, affine, mean, variance, rstd);
  const T* const in[] = {x, affine.centre, affine.scale, affine.shift};
  map_columns<1>(
      space, channels, [](Pack<T> v, Pack<T> m, Pack<T> s, Pack<T> b) { return Activation::value(fma(v - m, s, b)); },
      y, in);
}

/// The adjoint of normalising one item: from d, the gradient of h gain + bias with h = (x - mean) rstd, and with
/// averages over the group:
///   dgain = sum d h,  dbias = sum d,  dx = rstd (d gain - avg(d gain) - h avg(d gain h))
template <class T>
void normalised_adjoint(Index space, Index channels, Index groups, const T* x, const T* gain, const T* mean,
                        const T* rstd, const T* d, T* dx, T* dgain, T* dbias) {
  const Index each = channels / groups;
  const double n = static_cast<double>(space * each);
  Partials<T> scratch(5 * channels);
  T *centre = scratch.data, *inverse = centre + channels, *scale = inverse + channels;
  T *along = scale + channels, *level = along + channels;
  for (Index c = 0; c < channels; ++c) {
    centre[c] = mean[c / each], inverse[c] = rstd[c / each];
    scale[c] = gain ? inverse[c] * gain[c] : inverse[c];
  }
  fold_columns<Add>(space, channels, Stored<T>{d, channels}, dbias);
  fold_columns<Add>(
      space, channels,
      [=](Index r, Index c, Index count) {
        const Index at = r * channels + c;
        const Pack<T> h = (load_up_to(x + at, count) - load_up_to(centre + c, count)) * load_up_to(inverse + c, count);
        return load_up_to(d + at, count) * h;
      },
      dgain);
  for (Index g = 0; g < groups; ++g) {
    double flat = 0, tilted = 0;
    for (Index c = g * each; c < (g + 1) * each; ++c) {
      flat += static_cast<double>(scale[c]) * static_cast<double>(dbias[c]);  // rstd gain sum d
      tilted += static_cast<double>(scale[c]) * static_cast<double>(dgain[c]);
    }
    const T a = static_cast<T>(flat / n), t = static_cast<T>(tilted / n * static_cast<double>(rstd[g]));
    for (Index c = g * each; c < (g + 1) * each; ++c) level[c] = a, along[c] = t;
  }
  const T* const in[] = {x, d, centre, scale, along, level};
  map_columns<2>(
      space, channels,
      [](Pack<T> v, Pack<T> g, Pack<T> m, Pack<T> s, Pack<T> t, Pack<T> a) { return fnma(v - m, t, fma(g, s, -a)); },
      dx, in);
}

/// One item's dx, and its share of dgain and dbias [channels].
template <class Activation, class T>
void group_norm_item_adjoint(Index space, Index channels, Index groups, const T* x, const T* gain, const T* bias,
                             const T* mean, const T* rstd, const T* dy, T* dx, T* dgain, T* dbias) {
  const T* d = dy;
  if constexpr (!Activation::identity) {
    const Index each = channels / groups;
    const GroupAffine<T> affine(channels);
    for (Index c = 0; c < channels; ++c) {
      affine.centre[c] = mean[c / each];
      affine.scale[c] = gain ? rstd[c / each] * gain[c] : rstd[c / each];
      affine.shift[c] = bias ? bias[c] : T(0);
    }
    const T* const in[] = {x, dy, affine.centre, affine.scale, affine.shift};
    map_columns<2>(
        space, channels,
        [](Pack<T> v, Pack<T> g, Pack<T> m, Pack<T> s, Pack<T> b) { return g * Activation::slope(fma(v - m, s, b)); },
        dx, in);
    d = dx;
  }
  normalised_adjoint(space, channels, groups, x, gain, mean, rstd, d, dx, dgain, dbias);
}

}  // namespace detail

/// mean and rstd [batch, groups] are what the adjoint needs; either may be null. groups divides channels. y may be x.
template <class Activation = NoActivation, class T>
void group_norm(Index batch, Index space, Index channels, Index groups, const T* x, const T* gain, const T* bias,
                double eps, T* y, T* mean, T* rstd) {
  if (space * channels == 0) return;
  detail::for_items(batch, space * channels, [=](Index b) {
    const Index at = b * space * channels, stat = b * groups;
    detail::group_norm_item<Activation, T>(space, channels, groups, x + at, gain, bias, eps, y + at,
                                           mean ? mean + stat : nullptr, nullptr, rstd ? rstd + stat : nullptr);
  });
}

/// dx may be dy. dgain and dbias [channels] may be null.
template <class Activation = NoActivation, class T>
void group_norm_adjoint(Index batch, Index space, Index channels, Index groups, const T* x, const T* gain,
                        const T* bias, const T* mean, const T* rstd, const T* dy, T* dx, T* dgain, T* dbias) {
  detail::Partials<T> shares(2 * batch * channels);  // added up in the order of the batch
  T* const gains = shares.data;
  T* const biases = gains + batch * channels;
  if (space * channels == 0) {
    for (Index i = 0; i < 2 * batch * channels; ++i) shares.data[i] = T(0);
  } else {
    detail::for_items(batch, space * channels, [=](Index b) {
      const Index at = b * space * channels, stat = b * groups, share = b * channels;
      detail::group_norm_item_adjoint<Activation, T>(space, channels, groups, x + at, gain, bias, mean + stat,
                                                     rstd + stat, dy + at, dx + at, gains + share, biases + share);
    });
  }
  if (dgain) sum_rows(batch, channels, static_cast<const T*>(gains), dgain);
  if (dbias) sum_rows(batch, channels, static_cast<const T*>(biases), dbias);
}

/// Batch statistics: mean and variance [cols] (divided by rows) are returned; either may be null. y may be x.
template <class T>
void batch_norm(Index rows, Index cols, const T* x, const T* gain, const T* bias, double eps, T* y, T* mean,
                T* variance) {
  if (rows * cols == 0) return;
  detail::group_norm_item<NoActivation, T>(rows, cols, cols, x, gain, bias, eps, y, mean, variance, nullptr);
}

/// dx may be dy; dgain and dbias may be null.
template <class T>
void batch_norm_adjoint(Index rows, Index cols, const T* x, const T* gain, const T* mean, const T* variance, double eps,
                        const T* dy, T* dx, T* dgain, T* dbias) {
  detail::Partials<T> rstd(cols);
  for (Index c = 0; c < cols; ++c)
    rstd.data[c] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(variance[c]) + eps));
  group_norm_adjoint<NoActivation, T>(1, rows, cols, cols, x, gain, nullptr, mean, rstd.data, dy, dx, dgain, dbias);
}

/// Given statistics (running averages). y may be x.
template <class T>
void batch_norm_evaluate(Index rows, Index cols, const T* x, const T* gain, const T* bias, const T* mean,
                         const T* variance, double eps, T* y) {
  detail::Partials<T> scratch(2 * cols);
  T *scale = scratch.data, *shift = scale + cols;
  for (Index c = 0; c < cols; ++c) {
    const double s = 1.0 / std::sqrt(static_cast<double>(variance[c]) + eps);
    scale[c] = static_cast<T>(s * (gain ? static_cast<double>(gain[c]) : 1.0));
    shift[c] = bias ? bias[c] : T(0);
  }
  const T* const in[] = {x, mean, scale, shift};
  detail::map_columns<1>(
      rows, cols, [](Pack<T> v, Pack<T> m, Pack<T> s, Pack<T> b) { return fma(v - m, s, b); }, y, in);
}

}  // namespace tessera::inline TESSERA_ISA::kernel
