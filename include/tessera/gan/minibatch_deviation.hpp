// Minibatch deviation (Karras et al., 2018, arXiv 1710.10196): one more feature for a critic, how much the items of a
// group differ, so that a maker which makes the same thing again and again is found out.
//
//   s = mean over features of sqrt(variance over the group's items + 1e-8), the same number for every item of the group
// The last group is what is left over. Real and made objects must come in calls of their own.
#pragma once

#include <tessera/autodiff/op/slice.hpp>
#include <tessera/autodiff/op/sqrt.hpp>

namespace tessera::inline TESSERA_ISA {

/// [B, F] -> [B, F + 1].
template <Value X>
X minibatch_deviation(const X& x, Index group = 8) {
  using T = ScalarOf<X>;
  if (x.rank() != 2) throw shape_error("minibatch_deviation: [B, F] wanted, shape is " + x.shape().to_string());
  if (group < 2)
    throw argument_error("minibatch_deviation: groups of " + std::to_string(group) + " items, wanted 2 or more");
  const Index b = x.extent(0), f = x.extent(1);
  std::vector<X> parts;
  for (Index begin = 0; begin < b; begin += group) {
    const Index end = begin + group < b ? begin + group : b;
    const X own = slice(x, 0, begin, end);
    const X s = mean(sqrt(var(own, {0}, true) + T(1e-8)), Axes::all(), true);  // [1, 1]
    parts.push_back(concat({own, broadcast_to(s, {end - begin, 1})}, 1));
  }
  if (parts.empty()) throw shape_error("minibatch_deviation: an empty batch " + Shape{b, f}.to_string());
  return concat(std::span<const X>(parts), 0);
}

}  // namespace tessera::inline TESSERA_ISA
