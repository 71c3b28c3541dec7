// A gated residual layer over sound, with skips: the layer of WaveNet (van den Oord et al., 2016, arXiv 1609.03499).
//
//   a_t = sum over taps k of x[t - (taps - 1 - k) dilation] W[k] + shift        u_t = tanh(a_t[:R]) sigmoid(a_t[R:])
//   x'_t = x_t + (M u_t + m)[:R]         skip'_t = skip_t + (M u_t + m)[R:]
//
//   du = g_x M[:R] + g_skip M[R:]        da = du [s (1 - t^2); t s (1 - s)],    t and s the factors of u
//   dx = g_x + da *^T W     dW[k] = x[.. k]^T da     dshift = sum da     dM = [g_x; g_skip]^T u     dskip = g_skip
// One op, because apart it is a convolution, a sum, a gate, two linear maps and two sums, each of which takes all of the
// sound through the caches again, each way (kernel/gated_residual.hpp). Higher derivatives are those of the parts.
//
// The two results are two entries of the tape. That of skip' unwinds first: it leaves its gradient with a leaf between
// the two, where the entry of x' finds it and does the work of both.
#pragma once

#include <tessera/autodiff/op/conv.hpp>
#include <tessera/autodiff/op/gated.hpp>
#include <tessera/autodiff/op/matmul.hpp>
#include <tessera/autodiff/op/slice.hpp>
#include <tessera/kernel/gated_residual_adjoint.hpp>

namespace tessera::inline TESSERA_ISA {

template <Value X>
struct GatedResidual {
  X x, skip;
};

struct GatedLayout {
  Index dilation = 1;
  /// Rows of mix, the last, that go to the skips; before them there are R for x, or none: x' is empty then.
  Index skip = 1;
};

namespace detail {

template <Value X>
kernel::GatedShape gated_shape(const X& x, const X& skip, const X& w, const X& shift, const X& mix, const X& bias,
                               const GatedLayout& o) {
  const auto want = [](bool holds, const char* what, const Shape& seen, const std::string& wanted) {
    if (!holds)
      throw shape_error(std::string("gated_residual: ") + what + " " + seen.to_string() + ", wanted " + wanted);
  };
  want(x.rank() == 3, "x is", x.shape(), "sound [B, T, R]");
  const Index B = x.extent(0), T = x.extent(1), R = x.extent(2), out = bias.size(), kept = out - o.skip;
  const std::string given = " for x " + x.shape().to_string();
  want(w.rank() == 3 && w.extent(0) > 0 && w.extent(1) == R && w.extent(2) == 2 * R, "weights are", w.shape(),
       "[taps, R, 2R]" + given);
  const Index frames = shift.rank() == 3 ? shift.extent(1) : 0;
  want(shift.shape() == Shape{2 * R} || (frames > 0 && T % frames == 0 && shift.shape() == Shape{B, frames, 2 * R}),
       "shift is", shift.shape(), "[2R], or [B, F, 2R] where F divides T," + given);
  want(bias.rank() == 1 && o.skip >= 0 && (kept == 0 || kept == R), "bias is", bias.shape(),
       "[S] or [R + S], S = " + std::to_string(o.skip) + "," + given);
  want(mix.shape() == Shape{out, R}, "mix is", mix.shape(), Shape{out, R}.to_string() + given);
  want(!skip || skip.shape() == Shape{B, T, o.skip}, "the sum of skips is", skip.shape(),
       Shape{B, T, o.skip}.to_string() + " or none" + given);
  if (o.dilation < 1)
    throw argument_error("gated_residual: dilation is " + std::to_string(o.dilation) + ", wanted at least 1");
  return {.lines = B,
          .length = T,
          .residual = R,
          .kept = kept,
          .skip = o.skip,
          .taps = w.extent(0),
          .dilation = o.dilation,
          .frames = frames};
}

/// The layer out of its parts.
template <Value X>
GatedResidual<X> gated_residual_by_parts(const X& x, const X& skip, const X& w, const X& shift, const X& mix,
                                         const X& bias, const GatedLayout& o) {
  const kernel::GatedShape s = gated_shape(x, skip, w, shift, mix, bias, o);
  X a = conv1d(x, w, no_bias<X>(), {.pad_before = (s.taps - 1) * s.dilation, .dilation = s.dilation});
  if (s.frames > 0) {
    const Shape whole = a.shape();
    a = reshape(reshape(a, {s.lines, s.frames, s.length / s.frames, 2 * s.residual}) +
                    reshape(shift, {s.lines, s.frames, 1, 2 * s.residual}),
                whole);
  } else {
    a = a + shift;
  }
  const X y = linear(gated(a), mix, bias), more = slice(y, -1, s.kept, s.mixed());
  return {s.kept > 0 ? x + slice(y, -1, 0, s.kept) : X(), skip ? skip + more : more};
}

/// halves [B, T, 2R] receives tanh and sigmoid, unless it is empty.
template <std::floating_point T>
GatedResidual<Tensor<T>> gated_residual_forward(const kernel::GatedShape& s, const Tensor<T>& x, Tensor<T> skip,
                                                const Tensor<T>& w, const Tensor<T>& shift, const Tensor<T>& mix,
                                                const Tensor<T>& bias, Tensor<T>& halves) {
  const bool begun = static_cast<bool>(skip);
  if (!begun) skip = Tensor<T>({s.lines, s.length, s.skip});
  Tensor<T> next = s.kept > 0 ? Tensor<T>(x.shape()) : Tensor<T>();
  T* sum = skip.data();
  kernel::gated_residual(s, x.data(), begun ? sum : nullptr, w.data(), shift.data(), mix.data(), bias.data(),
                         next.data(), sum, halves.data());
  return {std::move(next), std::move(skip)};
}

}  // namespace detail

/// `skip` is added to where nobody else holds it; none yet: an empty one. Throws shape_error.
template <std::floating_point T>
GatedResidual<Tensor<T>> gated_residual(const Tensor<T>& x, Tensor<T> skip, const Tensor<T>& w, const Tensor<T>& shift,
                                        const Tensor<T>& mix, const Tensor<T>& bias, const GatedLayout& o) {
  const kernel::GatedShape s = detail::gated_shape(x, skip, w, shift, mix, bias, o);
  Tensor<T> none;
  return detail::gated_residual_forward(s, x, std::move(skip), w, shift, mix, bias, none);
}

namespace detail {

/// What the layer owes to its operands but the skips.
template <class V>
struct GatedPull {
  kernel::GatedShape s;
  std::uint32_t x_id, w_id, shift_id, mix_id, bias_id;
  V x, w, mix, halves;  // halves: tanh and sigmoid [B, T, 2R]
  Shape shift;

  bool wanted() const {
    for (const std::uint32_t id : {x_id, w_id, shift_id, mix_id, bias_id}) {
      if (id != no_gradient) return true;
    }
    return false;
  }

  /// g_x may be empty: zero; so may g_skip, if not both.
  void operator()(Tape<V>& t, V g_x, V g_skip) {
    const auto room = [](std::uint32_t id, const Shape& shape) { return id != no_gradient ? V(shape) : V(); };
    V dx, dw = room(w_id, w.shape()), dshift = room(shift_id, shift), dmix = room(mix_id, mix.shape()),
          dbias = room(bias_id, {s.mixed()});
    const bool given = static_cast<bool>(g_x);
    if (x_id != no_gradient) dx = given ? std::move(g_x) : V(x.shape());
    ScalarOf<V>* to = dx.data();  // a buffer of its own
    const auto* from = given ? (dx ? to : std::as_const(g_x).data()) : nullptr;
    kernel::gated_residual_adjoint<ScalarOf<V>>(
        s, std::as_const(x).data(), std::as_const(w).data(), std::as_const(mix).data(), std::as_const(halves).data(),
        from, std::as_const(g_skip).data(), {to, dw.data(), dshift.data(), dmix.data(), dbias.data()});
    x = V();  // before the next buffer is asked for
    halves = V();
    t.add(w_id, std::move(dw));
    t.add(shift_id, std::move(dshift));
    t.add(mix_id, std::move(dmix));
    t.add(bias_id, std::move(dbias));
    t.add(x_id, std::move(dx));
  }
};

}  // namespace detail

template <class V>
GatedResidual<Var<V>> gated_residual(const Var<V>& x, Var<V> skip, const Var<V>& w, const Var<V>& shift,
                                     const Var<V>& mix, const Var<V>& bias, const GatedLayout& o) {
  if constexpr (depth_of<V> == 0) {
    const kernel::GatedShape s = detail::gated_shape(x, skip, w, shift, mix, bias, o);
    Tape<V>& tape = *x.tape();
    const std::uint32_t skip_id = skip ? skip.id() : no_gradient;
    detail::GatedPull<V> pull{s, x.id(), w.id(), shift.id(), mix.id(), bias.id(), {}, {}, {}, {}, shift.shape()};
    const bool wanted = pull.wanted();
    if (wanted) {
      pull.x = x.value();
      pull.w = w.value();
      pull.mix = mix.value();
      pull.halves = V({s.lines, s.length, 2 * s.residual});
    }
    auto y = detail::gated_residual_forward(s, x.value(), std::move(skip).value(), w.value(), shift.value(),
                                            mix.value(), bias.value(), pull.halves);
    if (s.kept == 0) {
      return {{},
              tape.record_joint(std::move(y.skip), wanted || skip_id != no_gradient,
                                [pull = std::move(pull), skip_id](Tape<V>& t, V g) mutable {
                                  if (pull.wanted()) pull(t, V(), g);
                                  t.add(skip_id, std::move(g));
                                })};
    }
    const std::uint32_t left = wanted ? tape.input(V()).id() : no_gradient;
    Var<V> next = tape.record_joint(std::move(y.x), wanted, [pull = std::move(pull), left](Tape<V>& t, V g) mutable {
      V* there = t.pending(left);
      pull(t, g.size() > 0 ? std::move(g) : V(), there ? std::exchange(*there, V()) : V());
    });
    Var<V> sum = tape.record_joint(std::move(y.skip), wanted || skip_id != no_gradient,
                                   [left, skip_id, id = next.id()](Tape<V>& t, V g) {
                                     t.add(left, g);
                                     // Where nothing uses x', its entry runs all the same.
                                     if (id != no_gradient && !t.pending(id)) t.add(id, V(Shape{0}));
                                     t.add(skip_id, std::move(g));
                                   });
    return {std::move(next), std::move(sum)};
  } else {
    return detail::gated_residual_by_parts(x, skip, w, shift, mix, bias, o);
  }
}

}  // namespace tessera::inline TESSERA_ISA
