// Blocks of p x p pixels as one position with p^2 times the channels, and back.
#pragma once

#include <tessera/autodiff/op/permute.hpp>

namespace tessera::inline TESSERA_ISA {

/// [B, H, W, C] -> [B, H / p, W / p, p p C]. Throws shape_error when p does not divide H and W.
template <Value X>
X patchify(const X& x, Index p) {
  if (p == 1) return x;
  const Shape s = x.shape();
  if (s.rank() != 4 || p < 1 || s[1] % p != 0 || s[2] % p != 0)
    throw shape_error("patchify: " + s.to_string() + " does not divide into blocks of " + std::to_string(p) + " x " +
                      std::to_string(p));
  const X blocks = permute(reshape(x, {s[0], s[1] / p, p, s[2] / p, p, s[3]}), {0, 1, 3, 2, 4, 5});
  return reshape(blocks, {s[0], s[1] / p, s[2] / p, p * p * s[3]});
}
/// [B, H, W, p p C] -> [B, p H, p W, C].
template <Value X>
X unpatchify(const X& x, Index p) {
  if (p == 1) return x;
  const Shape s = x.shape();
  if (s.rank() != 4 || p < 1 || s[3] % (p * p) != 0)
    throw shape_error("unpatchify: the channels of " + s.to_string() + " are not " + std::to_string(p * p) +
                      " times something");
  const Index c = s[3] / (p * p);
  const X pixels = permute(reshape(x, {s[0], s[1], s[2], p, p, c}), {0, 1, 3, 2, 4, 5});
  return reshape(pixels, {s[0], s[1] * p, s[2] * p, c});
}

}  // namespace tessera::inline TESSERA_ISA
