// Strided copies: what permute, slice, pad, concat and repeat are made of. Element (i, j, ...) sits at the sum of index times
// stride on both sides; axes of extent 1 go, neighbours that form one run are merged, and the rest is rows of memcpy where
// rows are contiguous.
#pragma once

#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

/// to[...] = from[...] over at most 8 axes; with `add`, to[...] += from[...]. The sides must not overlap.
template <class T>
void copy_strided(int rank, const Index* extents, const T* from, const Index* from_strides, T* to,
                  const Index* to_strides, bool add = false) {
  Index extent[8], in[8], out[8];
  int n = 0;
  for (int i = 0; i < rank; ++i) {
    if (extents[i] == 0) return;
    if (extents[i] == 1) continue;
    if (n > 0 && in[n - 1] == from_strides[i] * extents[i] && out[n - 1] == to_strides[i] * extents[i]) {
      extent[n - 1] *= extents[i];
      in[n - 1] = from_strides[i];
      out[n - 1] = to_strides[i];
    } else {
      extent[n] = extents[i];
      in[n] = from_strides[i];
      out[n++] = to_strides[i];
    }
  }
  if (n == 0) {
    *to = add ? *to + *from : *from;
    return;
  }
  const Index cols = extent[n - 1], cin = in[n - 1], cout = out[n - 1];
  Index rows = 1;
  for (int i = 0; i + 1 < n; ++i) rows *= extent[i];
  const Index grain = cols >= 16384 ? 1 : 16384 / cols;
  parallel_for(rows, grain, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      Index rest = r, a = 0, b = 0;
      for (int i = n - 2; i >= 0; --i) {
        const Index k = rest % extent[i];
        rest /= extent[i];
        a += k * in[i];
        b += k * out[i];
      }
      const T* p = from + a;
      T* q = to + b;
      if (add) {
        for (Index c = 0; c < cols; ++c) q[c * cout] += p[c * cin];
      } else if (cin == 1 && cout == 1) {
        std::memcpy(q, p, static_cast<std::size_t>(cols) * sizeof(T));
      } else {
        for (Index c = 0; c < cols; ++c) q[c * cout] = p[c * cin];
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
