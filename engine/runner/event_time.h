// Time on the GPU.
#pragma once

#include <cuda_runtime.h>

#include <chrono>

#include "engine/types/clock.h"

namespace transept {

// From one event to another, which have both happened; zero if a device failed meanwhile.
inline Duration TimeBetween(cudaEvent_t begin, cudaEvent_t end) {
  float milliseconds = 0.0f;
  if (cudaEventElapsedTime(&milliseconds, begin, end) != cudaSuccess) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<float, std::milli>(milliseconds));
}

}  // namespace transept
