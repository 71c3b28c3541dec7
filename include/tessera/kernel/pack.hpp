// SIMD packs over the compilers' vector extensions and a dozen builtins that g++ and clang share.
//
// Pack<float> holds native_width floats, Ints and Mask the same number of 32-bit integers; Pack<double> holds one number, so
// that a kernel written once over Pack<T> is also the plain loop used for gradient checks (and for TESSERA_SCALAR builds).
// No <immintrin.h>: it costs 0.85 s a translation unit, and gives the same code.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tessera/core/index.hpp>
#include <tessera/kernel/isa.hpp>
#include <type_traits>

namespace tessera::inline TESSERA_ISA::kernel {

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // everything here is always inlined: no vector crosses a call
#endif

// ---- storage: a vector of W lanes, or one scalar

template <class T, int W>
struct Lanes {
  typedef T Vector __attribute__((vector_size(sizeof(T) * W)));
};
template <class T>
struct Lanes<T, 1> {
  using Vector = T;
};

template <class T>
inline constexpr int lanes_of = 1;
template <>
inline constexpr int lanes_of<float> = native_width;

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Int = std::int32_t;
};
template <>
struct Bits<double> {
  using Int = std::int64_t;
};

/// Integers beside a Pack<T>: same number of lanes, same lane size.
template <class T>
struct Ints {
  using Int = typename Bits<T>::Int;
  using Vector = typename Lanes<Int, lanes_of<T>>::Vector;
  Vector v;
  Ints() = default;
  [[gnu::always_inline]] constexpr Ints(Vector x) : v(x) {}
  [[gnu::always_inline]] static Ints splat(Int x) {
    if constexpr (lanes_of<T> == 1)
      return Ints(x);
    else
      return Ints(Vector{} + x);
  }
};

/// All bits set in the lanes that hold.
template <class T>
struct Mask {
  typename Ints<T>::Vector v;
};

/// lanes_of<T> numbers in one register.
template <class T>
struct Pack {
  using Scalar = T;
  static constexpr int width = lanes_of<T>;
  using Vector = typename Lanes<T, width>::Vector;
  Vector v;

  Pack() = default;
  [[gnu::always_inline]] constexpr explicit Pack(Vector x) requires(width > 1) : v(x) {}
  [[gnu::always_inline]] Pack(T x) {
    if constexpr (width == 1)
      v = x;
    else
      v = x - Vector{};  // exact broadcast: x - 0 keeps the sign of zero
  }

  [[gnu::always_inline]] static Pack load(const T* p) {
    Pack r;
    std::memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  [[gnu::always_inline]] void store(T* p) const { std::memcpy(p, &v, sizeof v); }

  [[gnu::always_inline]] friend Pack operator+(Pack a, Pack b) { return make(a.v + b.v); }
  [[gnu::always_inline]] friend Pack operator-(Pack a, Pack b) { return make(a.v - b.v); }
  [[gnu::always_inline]] friend Pack operator*(Pack a, Pack b) { return make(a.v * b.v); }
  [[gnu::always_inline]] friend Pack operator/(Pack a, Pack b) { return make(a.v / b.v); }
  [[gnu::always_inline]] Pack operator-() const { return make(-v); }
  [[gnu::always_inline]] Pack& operator+=(Pack b) { return *this = *this + b; }
  [[gnu::always_inline]] Pack& operator*=(Pack b) { return *this = *this * b; }

  [[gnu::always_inline]] static Pack make(Vector x) {
    Pack r;
    r.v = x;
    return r;
  }
};

using F = Pack<float>;
using I = Ints<float>;

// ---- bits

template <class T>
[[gnu::always_inline]] inline Ints<T> bits(Pack<T> a) {
  Ints<T> r;
  std::memcpy(&r.v, &a.v, sizeof r.v);
  return r;
}
template <class T>
[[gnu::always_inline]] inline Pack<T> from_bits(Ints<T> a) {
  Pack<T> r;
  std::memcpy(&r.v, &a.v, sizeof r.v);
  return r;
}
template <class T>
[[gnu::always_inline]] inline Ints<T> operator+(Ints<T> a, Ints<T> b) {
  if constexpr (lanes_of<T> == 1) {
    using U = std::make_unsigned_t<typename Ints<T>::Int>;
    return static_cast<typename Ints<T>::Int>(static_cast<U>(a.v) + static_cast<U>(b.v));
  } else {
    return {a.v + b.v};
  }
}
template <class T>
[[gnu::always_inline]] inline Ints<T> operator-(Ints<T> a, Ints<T> b) {
  if constexpr (lanes_of<T> == 1) {
    using U = std::make_unsigned_t<typename Ints<T>::Int>;
    return static_cast<typename Ints<T>::Int>(static_cast<U>(a.v) - static_cast<U>(b.v));
  } else {
    return {a.v - b.v};
  }
}
template <class T>
[[gnu::always_inline]] inline Ints<T> operator&(Ints<T> a, Ints<T> b) {
  return {a.v & b.v};
}
template <class T>
[[gnu::always_inline]] inline Ints<T> operator|(Ints<T> a, Ints<T> b) {
  return {a.v | b.v};
}
template <class T>
[[gnu::always_inline]] inline Ints<T> operator^(Ints<T> a, Ints<T> b) {
  return {a.v ^ b.v};
}
template <int N, class T>
[[gnu::always_inline]] inline Ints<T> shift_left(Ints<T> a) {
  if constexpr (lanes_of<T> == 1) {
    using U = std::make_unsigned_t<typename Ints<T>::Int>;
    return static_cast<typename Ints<T>::Int>(static_cast<U>(a.v) << N);
  } else {
    return {a.v << N};
  }
}
template <int N, class T>
[[gnu::always_inline]] inline Ints<T> shift_right(Ints<T> a) {  // arithmetic: the sign is kept
  return {a.v >> N};
}
template <int N, class T>
[[gnu::always_inline]] inline Ints<T> shift_right_logical(Ints<T> a) {
  typename Lanes<std::make_unsigned_t<typename Ints<T>::Int>, lanes_of<T>>::Vector u;
  std::memcpy(&u, &a.v, sizeof u);
  u = u >> N;
  std::memcpy(&a.v, &u, sizeof u);
  return a;
}
template <class T>
[[gnu::always_inline]] inline Pack<T> operator&(Pack<T> a, Pack<T> b) {
  return from_bits<T>(bits(a) & bits(b));
}
template <class T>
[[gnu::always_inline]] inline Pack<T> operator|(Pack<T> a, Pack<T> b) {
  return from_bits<T>(bits(a) | bits(b));
}
template <class T>
[[gnu::always_inline]] inline Pack<T> operator^(Pack<T> a, Pack<T> b) {
  return from_bits<T>(bits(a) ^ bits(b));
}
template <class T>
[[gnu::always_inline]] inline Pack<T> sign_of(Pack<T> a) {  // the sign bit alone
  return a & Pack<T>(T(-0.0));
}
template <class T>
[[gnu::always_inline]] inline Pack<T> abs(Pack<T> a) {
  return from_bits<T>(Ints<T>(bits(a).v & ~bits(Pack<T>(T(-0.0))).v));
}

// ---- comparison and choice

template <class T>
[[gnu::always_inline]] inline Mask<T> operator<(Pack<T> a, Pack<T> b) {
  if constexpr (lanes_of<T> == 1)
    return {a.v < b.v ? -1 : 0};
  else
    return {a.v < b.v};
}
template <class T>
[[gnu::always_inline]] inline Mask<T> operator<=(Pack<T> a, Pack<T> b) {
  if constexpr (lanes_of<T> == 1)
    return {a.v <= b.v ? -1 : 0};
  else
    return {a.v <= b.v};
}
template <class T>
[[gnu::always_inline]] inline Mask<T> operator>(Pack<T> a, Pack<T> b) {
  return b < a;
}
template <class T>
[[gnu::always_inline]] inline Mask<T> operator>=(Pack<T> a, Pack<T> b) {
  return b <= a;
}
template <class T>
[[gnu::always_inline]] inline Mask<T> operator==(Pack<T> a, Pack<T> b) {
  if constexpr (lanes_of<T> == 1)
    return {a.v == b.v ? -1 : 0};
  else
    return {a.v == b.v};
}
template <class T>
[[gnu::always_inline]] inline Mask<T> is_nan(Pack<T> a) {
  if constexpr (lanes_of<T> == 1)
    return {a.v != a.v ? -1 : 0};
  else
    return {a.v != a.v};
}
template <class T>
[[gnu::always_inline]] inline Pack<T> select(Mask<T> m, Pack<T> a, Pack<T> b) {  // m ? a : b
  return Pack<T>::make(m.v ? a.v : b.v);
}
template <class T>
[[gnu::always_inline]] inline Pack<T> min(Pack<T> a, Pack<T> b) {  // b where either is NaN
  return Pack<T>::make(a.v < b.v ? a.v : b.v);
}
template <class T>
[[gnu::always_inline]] inline Pack<T> max(Pack<T> a, Pack<T> b) {  // b where either is NaN
  return Pack<T>::make(a.v > b.v ? a.v : b.v);
}
template <class T>
[[gnu::always_inline]] inline bool any(Mask<T> m) {
  if constexpr (lanes_of<T> == 1) {
    return m.v != 0;
  } else {
    std::uint64_t words[sizeof m.v / 8], all = 0;
    std::memcpy(words, &m.v, sizeof m.v);
    for (std::uint64_t w : words) all |= w;
    return all != 0;
  }
}

// ---- arithmetic that needs a builtin

/// a b + c, rounded once where the machine has FMA (twice under SSE2 without it).
template <class T>
[[gnu::always_inline]] inline Pack<T> fma(Pack<T> a, Pack<T> b, Pack<T> c) {
  if constexpr (lanes_of<T> == 1) {
#if defined(__FMA__)
    return Pack<T>(std::fma(a.v, b.v, c.v));
#else
    return a * b + c;
#endif
  } else {
#if defined(__AVX512F__) && !defined(TESSERA_SCALAR)
    if constexpr (native_width == 16)
      return Pack<T>::make(__builtin_ia32_vfmaddps512_mask(a.v, b.v, c.v, static_cast<unsigned short>(0xFFFF), 4));
    else
#endif
#if defined(__FMA__) && defined(__AVX2__) && !defined(TESSERA_SCALAR)
        if constexpr (native_width == 8)
      return Pack<T>::make(__builtin_ia32_vfmaddps256(a.v, b.v, c.v));
    else
#endif
      return a * b + c;
  }
}
/// c - a b.
template <class T>
[[gnu::always_inline]] inline Pack<T> fnma(Pack<T> a, Pack<T> b, Pack<T> c) {
  return fma(-a, b, c);
}
template <class T>
[[gnu::always_inline]] inline Pack<T> sqrt(Pack<T> a) {
  if constexpr (lanes_of<T> == 1) {
    return Pack<T>(std::sqrt(a.v));
  } else {
    Pack<T> r;
#if defined(TESSERA_SCALAR)
#elif defined(__AVX512F__) && defined(__AVX512VL__)
    if constexpr (native_width == 16) {
#if defined(__clang__)
      r.v = __builtin_ia32_sqrtps512(a.v, 4);
#else
      r.v = __builtin_ia32_sqrtps512_mask(a.v, a.v, static_cast<unsigned short>(0xFFFF), 4);
#endif
    }
#elif defined(__AVX2__)
    r.v = __builtin_ia32_sqrtps256(a.v);
#elif defined(__SSE2__)
    r.v = __builtin_ia32_sqrtps(a.v);
#endif
    return r;
  }
}
/// Nearest integer, ties to even.
template <class T>
[[gnu::always_inline]] inline Pack<T> nearest(Pack<T> a) {
  if constexpr (lanes_of<T> == 1) {
    return Pack<T>(std::nearbyint(a.v));
  } else {
    Pack<T> r;
#if defined(TESSERA_SCALAR)
#elif defined(__AVX512F__) && defined(__AVX512VL__)
    if constexpr (native_width == 16)
      r.v = __builtin_ia32_rndscaleps_mask(a.v, 8, a.v, static_cast<unsigned short>(0xFFFF), 4);
#elif defined(__AVX2__)
    r.v = __builtin_ia32_roundps256(a.v, 8);
#else
    const Pack<T> magic = Pack<T>(8388608.0f) | sign_of(a);  // 2^23 pushes the fraction out; larger numbers are whole
    r = select(abs(a) < Pack<T>(8388608.0f), ((a + magic) - magic) | sign_of(a), a);
#endif
    return r;
  }
}
/// Nearest integer of the lane's size; |a| < 2^31.
template <class T>
[[gnu::always_inline]] inline Ints<T> to_int(Pack<T> a) {
  if constexpr (lanes_of<T> == 1) {
    return static_cast<typename Ints<T>::Int>(std::lrint(a.v));
  } else {
    Ints<T> r;
#if defined(TESSERA_SCALAR)
#elif defined(__AVX512F__) && defined(__AVX512VL__)
    if constexpr (native_width == 16)
      r.v = __builtin_ia32_cvtps2dq512_mask(a.v, Ints<T>::splat(0).v, static_cast<unsigned short>(0xFFFF), 4);
#elif defined(__AVX2__)
    r.v = __builtin_ia32_cvtps2dq256(a.v);
#elif defined(__SSE2__)
    r.v = __builtin_ia32_cvtps2dq(a.v);
#endif
    return r;
  }
}
template <class T>
[[gnu::always_inline]] inline Pack<T> to_float(Ints<T> a) {
  if constexpr (lanes_of<T> == 1)
    return Pack<T>(static_cast<T>(a.v));
  else
    return Pack<T>::make(__builtin_convertvector(a.v, typename Pack<T>::Vector));
}

// ---- part of a register

/// The first n lanes (n may be larger than the width, or 0).
template <class T>
[[gnu::always_inline]] inline Mask<T> first_lanes(Index n) {
  if constexpr (lanes_of<T> == 1) {
    return {n > 0 ? -1 : 0};
  } else {
    constexpr std::int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Ints<T> lane;
    std::memcpy(&lane.v, index, sizeof lane.v);
    return {lane.v < Ints<T>::splat(static_cast<std::int32_t>(n < 64 ? n : 64)).v};
  }
}
/// Loads n < width elements, zero elsewhere; touches no memory beyond them.
template <class T>
[[gnu::always_inline]] inline Pack<T> load_some(const T* p, Index n) {
  if constexpr (lanes_of<T> == 1) {
    return n > 0 ? Pack<T>(*p) : Pack<T>(T(0));
  } else {
#if defined(TESSERA_SCALAR)
#elif defined(__AVX512F__) && defined(__AVX512VL__)
    if constexpr (native_width == 16) {
      const auto m = static_cast<unsigned short>((1u << (n < 16 ? n : 16)) - 1u);
      return Pack<T>::make(__builtin_ia32_loadups512_mask(p, Pack<T>(T(0)).v, m));
    }
#elif defined(__AVX2__)
    return Pack<T>::make(
        __builtin_ia32_maskloadps256(reinterpret_cast<const typename Pack<T>::Vector*>(p), first_lanes<T>(n).v));
#endif
    T part[lanes_of<T>] = {};
    for (Index i = 0; i < n && i < lanes_of<T>; ++i) part[i] = p[i];
    return Pack<T>::load(part);
  }
}
/// Stores the first n < width lanes; touches no memory beyond them.
template <class T>
[[gnu::always_inline]] inline void store_some(T* p, Pack<T> a, Index n) {
  if constexpr (lanes_of<T> == 1) {
    if (n > 0) *p = a.v;
  } else {
#if defined(TESSERA_SCALAR)
#elif defined(__AVX512F__) && defined(__AVX512VL__)
    if constexpr (native_width == 16) {
      __builtin_ia32_storeups512_mask(p, a.v, static_cast<unsigned short>((1u << (n < 16 ? n : 16)) - 1u));
      return;
    }
#elif defined(__AVX2__)
    __builtin_ia32_maskstoreps256(reinterpret_cast<typename Pack<T>::Vector*>(p), first_lanes<T>(n).v, a.v);
    return;
#endif
    T part[lanes_of<T>];
    a.store(part);
    for (Index i = 0; i < n && i < lanes_of<T>; ++i) p[i] = part[i];
  }
}

// ---- across a register; the order of additions is fixed by the width

template <class T>
[[gnu::always_inline]] inline T sum(Pack<T> a) {
  if constexpr (lanes_of<T> == 1) {
    return a.v;
  } else {
    T part[lanes_of<T>];
    a.store(part);
    for (int half = lanes_of<T> / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) part[i] += part[i + half];
    }
    return part[0];
  }
}
template <class T>
[[gnu::always_inline]] inline T max_of(Pack<T> a) {
  if constexpr (lanes_of<T> == 1) {
    return a.v;
  } else {
    T part[lanes_of<T>];
    a.store(part);
    T top = part[0];
    for (int i = 1; i < lanes_of<T>; ++i) top = part[i] > top ? part[i] : top;
    return top;
  }
}

// ---- polynomials, lowest coefficient first: c0 + c1 x + c2 x^2 + ... by Horner

template <class T>
[[gnu::always_inline]] inline Pack<T> polynomial(Pack<T>, T c0) {
  return Pack<T>(c0);
}
template <class T, class... C>
[[gnu::always_inline]] inline Pack<T> polynomial(Pack<T> x, T c0, C... c) {
  return fma(polynomial(x, c...), x, Pack<T>(c0));
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel
