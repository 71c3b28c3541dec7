// Rotary position embedding: queries and keys are turned by an angle that grows with their position, so that their
// product depends on the distance alone (Su et al., 2021, arXiv 2104.09864).
//
//   (x, y) -> (x cos a - y sin a, x sin a + y cos a)      a = position * base^(-2 i / rotated)      for pair i
//
// Two conventions pair the numbers of a head: neighbours (2 i, 2 i + 1), as in the paper, or halves (i, i + rotated /
// 2), as in GPT-NeoX and Llama. A model trained with one is wrong under the other. Turning back is both the inverse and
// the adjoint.
#pragma once

#include <cmath>

#include <tessera/core/index.hpp>
#include <tessera/kernel/pack.hpp>
#include <tessera/kernel/parallel.hpp>

namespace tessera::inline TESSERA_ISA::kernel {

enum class RotaryPairs { neighbours, halves };

/// x[b, t, h, :] starts at x + b * batch_stride + t * row_stride + h * head_stride.
struct RotaryShape {
  Index batch = 1, rows = 1, heads = 1, width = 2;
  Index rotated = 0;  // the first so many numbers of a head, even; 0: all
  Index batch_stride = 0, row_stride = 0, head_stride = 0;
  RotaryPairs pairs = RotaryPairs::halves;

  static RotaryShape dense(Index batch, Index rows, Index heads, Index width) {
    RotaryShape s;
    s.batch = batch, s.rows = rows, s.heads = heads, s.width = width;
    s.head_stride = width, s.row_stride = heads * width, s.batch_stride = rows * s.row_stride;
    return s;
  }
  Index turned() const { return rotated == 0 ? width : rotated; }
};

/// cosine and sine [rows, rotated / 2] of the angles at positions first, first + 1, ... Computed in double: position
/// 10^5 turns by 10^5 radians, where a float's angle is off by 0.004.
template <class T>
void rotary_angles(Index first, Index rows, Index rotated, double base, T* cosine, T* sine) {
  const Index half = rotated / 2;
  for (Index i = 0; i < half; ++i) {
    const double speed = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(rotated));
    for (Index t = 0; t < rows; ++t) {
      const double angle = static_cast<double>(first + t) * speed;
      cosine[t * half + i] = static_cast<T>(std::cos(angle));
      sine[t * half + i] = static_cast<T>(std::sin(angle));
    }
  }
}

/// Turns every head of x in place by its row's angles; `back` turns by their negatives: the inverse, and the adjoint.
template <class T>
void rotary(const RotaryShape& s, const T* cosine, const T* sine, T* x, bool back = false) {
  const Index half = s.turned() / 2;
  const T sign = back ? T(-1) : T(1);
  parallel_for(s.batch * s.rows, 16384 / (s.heads * s.width + 1) + 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const Index b = r / s.rows, t = r % s.rows;
      const T *c = cosine + t * half, *d = sine + t * half;
      for (Index h = 0; h < s.heads; ++h) {
        T* p = x + b * s.batch_stride + t * s.row_stride + h * s.head_stride;
        Index i = 0;
        if (s.pairs == RotaryPairs::halves) {
          for (; i + lanes_of<T> <= half; i += lanes_of<T>) {
            const Pack<T> u = Pack<T>::load(p + i), v = Pack<T>::load(p + half + i);
            const Pack<T> cos = Pack<T>::load(c + i), sin = Pack<T>::load(d + i) * Pack<T>(sign);
            fnma(v, sin, u * cos).store(p + i);
            fma(u, sin, v * cos).store(p + half + i);
          }
        }
        const bool halves = s.pairs == RotaryPairs::halves;
        for (; i < half; ++i) {
          T &u = p[halves ? i : 2 * i], &v = p[halves ? half + i : 2 * i + 1];
          const T was = u, sin = d[i] * sign;
          u = was * c[i] - v * sin;
          v = was * sin + v * c[i];
        }
      }
    }
  });
}

}  // namespace tessera::inline TESSERA_ISA::kernel
