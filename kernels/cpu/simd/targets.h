// Which instruction sets the vector code is compiled for. Include before any Highway header.
//
// One for each generation that differs in width: a portable fallback, AVX2, AVX-512 (with the sets
// of Skylake) and NEON. What lies between them would add build time and nothing else here, but for
// integers: a source that defines TRANSEPT_SIMD_VNNI before it includes this is compiled for
// AVX-512 with its products of bytes too (Ice Lake, Zen 4).
#pragma once

#ifdef TRANSEPT_SIMD_VNNI
#define HWY_WANT_AVX3_DL
#define TRANSEPT_AVX3_LATER ((1LL << 7) - 1)
#else
#define TRANSEPT_AVX3_LATER ((1LL << 8) - 1)
#endif

// TRANSEPT_AVX3_LATER: HWY_AVX3_DL (bit 7), and below it variants of AVX-512 that only newer
// versions of Highway know.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | TRANSEPT_AVX3_LATER | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
