// The tensor core instructions in use, for bfloat16 and float16 operands and float32 sums. Fragment
// layouts are those of the PTX manual, "Matrix fragments for mma.m16n8k16".
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/element.cuh"

namespace transept::kernels::cuda {

// c += a * b: a [16, 16] row-major, b [16, 8] column-major. With g = lane / 4 and t = lane % 4:
// a[0..3] hold rows (g, g + 8, g, g + 8) at columns 2t (+ 0, 0, 8, 8); b[0..1] column g at rows 2t
// (+ 0, 8); c[0..3] rows (g, g, g + 8, g + 8) at columns 2t + (0, 1, 0, 1).
template <typename T>
__device__ inline void Multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// Loads four 8x8 matrices of 16-bit elements from shared memory; lane i gives the address of row
// i % 8 of matrix i / 8.
__device__ inline void LoadMatrices(uint32_t (&r)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}
__device__ inline void LoadMatricesTransposed(uint32_t (&r)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

// Two elements in one register, the first in the low half.
template <typename T>
__device__ inline uint32_t PackPair(float low, float high) {
  if constexpr (std::is_same_v<T, BFloat16>) {  // one instruction for both
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return reinterpret_cast<const uint32_t&>(pair);
  }
  const Pack<T, 2> pair{{FromFloat<T>(low), FromFloat<T>(high)}};
  return reinterpret_cast<const uint32_t&>(pair);
}

}  // namespace transept::kernels::cuda
