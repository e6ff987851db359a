// Which instruction sets the vector code is compiled for. Include before any Highway header.
//
// One for each generation that differs in width: a portable fallback, AVX2, AVX-512 (with the sets
// of Skylake) and NEON. What lies between them would add build time and nothing else here.
#pragma once

#define HWY_DISABLED_TARGETS                                                                     \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | TRANSEPT_AVX3_LATER | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | \
   HWY_SVE2_128)

// Highway's bits below HWY_AVX3_DL: variants of AVX-512 that only newer versions know.
#define TRANSEPT_AVX3_LATER ((1LL << 7) - 1)
