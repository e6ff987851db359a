// Powers of two, in one instruction.
#pragma once

#include <cuda_runtime.h>

namespace transept::kernels::cuda {

inline constexpr float kLog2E = 1.4426950408889634f;

// 2^x, to 2 units in the last place; 0 where that is not a normal number.
__device__ inline float Exp2(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}

}  // namespace transept::kernels::cuda
