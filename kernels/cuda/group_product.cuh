// The matrix product of a warpgroup of an H100 or H200: wgmma.mma_async of the PTX manual, both
// operands in shared memory, 16-bit elements and float32 sums. For sm_90a.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/tensor_copy.cuh"

namespace transept::kernels::cuda {

// What one instruction multiplies: 64 rows by 128 features, 16 deep.
constexpr int kGroupRows = 64;
constexpr int kGroupFeatures = 128;
constexpr int kGroupDepth = 16;

// Describes an operand: a tile that CopyTile brought, from a row that is a multiple of 8 on.
__device__ inline uint64_t OperandAt(const void* tile) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kEightRows = uint64_t{1024 / 16} << 32;
  constexpr uint64_t kUnused = uint64_t{1} << 16;  // the other stride, which the swizzle implies
  return (SharedAddress(tile) & 0x3FFFF) / 16 | kUnused | kEightRows | kSwizzle128;
}
// The same, so many elements further along the depth: a multiple of 8 within the tile's columns.
__device__ inline uint64_t Along(uint64_t operand, int depth) {
  return operand + depth * 2 / 16;
}

// By all warps of a warpgroup: how many registers each of its threads has from here on.
template <int kCount>
__device__ inline void GrowRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ inline void ShrinkRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}

__device__ inline void BeginGroupProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void CommitGroupProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits until at most kPending committed groups are under way.
template <int kPending>
__device__ inline void WaitForGroupProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// The sums that a thread of the warpgroup holds. With w, the warp's number in the group, and g =
// lane / 4, t = lane % 4: c[4 j + 2 h + e] is of row 16 w + g + 8 h and feature 8 j + 2 t + e.
struct GroupSums {
  float c[kGroupRows * kGroupFeatures / 128];
};

#define TRANSEPT_SUMS_4(i) "+f"(s.c[i]), "+f"(s.c[i + 1]), "+f"(s.c[i + 2]), "+f"(s.c[i + 3])
#define TRANSEPT_SUMS_16(i) \
  TRANSEPT_SUMS_4(i), TRANSEPT_SUMS_4(i + 4), TRANSEPT_SUMS_4(i + 8), TRANSEPT_SUMS_4(i + 12)
#define TRANSEPT_MULTIPLY(type)                                                               \
  asm volatile(                                                                               \
      "{\n"                                                                                   \
      ".reg .pred add;\n"                                                                     \
      "setp.ne.b32 add, %66, 0;\n"                                                            \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                            \
      " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "              \
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "      \
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "      \
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "     \
      "%64, %65, add, 1, 1, 0, 0;\n"                                                          \
      "}"                                                                                     \
      : TRANSEPT_SUMS_16(0), TRANSEPT_SUMS_16(16), TRANSEPT_SUMS_16(32), TRANSEPT_SUMS_16(48) \
      : "l"(rows), "l"(features), "r"(static_cast<int>(add)))

// sums = rows * featuresᵀ, or that added to them, over kGroupDepth of the depth. By all threads of
// the warpgroup, between BeginGroupProducts and CommitGroupProducts.
template <typename T>
__device__ inline void GroupMultiply(GroupSums& s, uint64_t rows, uint64_t features, bool add) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    TRANSEPT_MULTIPLY("bf16");
  } else {
    TRANSEPT_MULTIPLY("f16");
  }
}

#undef TRANSEPT_MULTIPLY
#undef TRANSEPT_SUMS_16
#undef TRANSEPT_SUMS_4

}  // namespace transept::kernels::cuda
