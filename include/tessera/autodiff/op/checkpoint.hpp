// Gradient checkpointing (Chen et al., 2016, arXiv 1604.06174): f runs unrecorded, and once more, recorded, in the backward pass.
// Same gradients, memory of one block at a time. f must outlive the tape and take everything recorded as an argument.
#pragma once

#include <tessera/autodiff/op/arithmetic.hpp>
#include <tuple>

namespace tessera::inline TESSERA_ISA {

template <class F, std::floating_point T, class... More>
auto checkpoint(const F& f, const Tensor<T>& x, const More&... more) {
  return f(x, more...);  // nothing is recorded on plain values, so there is nothing to save
}
template <class F, class V, class... More>
Var<V> checkpoint(const F& f, const Var<V>& first, const More&... more) {
  V y = f(first.value(), more.value()...);
  // Parameters inside f may need gradients even if no argument does, so this is always recorded.
  return first.tape()->record_joint(
      std::move(y), true, [&f, args = std::make_tuple(first, more...)](Tape<V>& outer, V g) {
        Tape<V> inner;
        const auto again = [&](const auto& v) {
          return v.needs_gradient() ? inner.input(v.value()) : inner.constant(v.value());
        };
        const auto inputs = std::apply([&](const auto&... v) { return std::make_tuple(again(v)...); }, args);
        const Var<V> out = std::apply(f, inputs);
        if (!out.needs_gradient()) return;
        inner.backward(out, std::move(g));
        outer.add_parameter_gradients(inner);
        [&]<std::size_t... I>(std::index_sequence<I...>) {
          ((std::get<I>(args).needs_gradient()
                ? outer.add(std::get<I>(args).id(), inner.take_gradient(std::get<I>(inputs)))
                : void()),
           ...);
        }
        (std::make_index_sequence<1 + sizeof...(More)>{});
      });
}

}  // namespace tessera::inline TESSERA_ISA
