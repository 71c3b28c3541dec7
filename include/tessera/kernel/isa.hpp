// Which instruction set this translation unit is built for. ISA-dependent code sits in an inline namespace named for it,
// so two translation units built with different flags link into one program without sharing a wrong instance.
// TESSERA_ISA is the library's only macro: an inline namespace cannot be chosen by the preprocessor without one.
// Define TESSERA_SCALAR to build without SIMD.
#pragma once

#if defined(TESSERA_SCALAR)
#define TESSERA_ISA isa_scalar
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#if defined(__AVX512VNNI__)
#define TESSERA_ISA isa_avx512_vnni
#else
#define TESSERA_ISA isa_avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#if defined(__AVXVNNI__)
#define TESSERA_ISA isa_avx2_vnni
#else
#define TESSERA_ISA isa_avx2
#endif
#elif defined(__SSE2__)
#define TESSERA_ISA isa_sse2
#else
#define TESSERA_ISA isa_scalar
#endif

namespace tessera::inline TESSERA_ISA::kernel {

/// float lanes of the widest register: 16, 8, 4 or 1.
inline constexpr int native_width =
#if defined(TESSERA_SCALAR)
    1;
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
    16;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
    8;
#elif defined(__SSE2__)
    4;
#else
    1;
#endif

}  // namespace tessera::inline TESSERA_ISA::kernel
