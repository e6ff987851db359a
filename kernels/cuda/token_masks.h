// Sets of tokens become bit masks on the GPU.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {

// A set as the host has it: in TokenMasks::data from `first` on, `count` tokens, or, if it is
// negative, the mask itself.
struct MaskJob {
  int64_t mask;  // which of the masks it becomes
  int64_t first;
  int64_t count;
};

// Token i is bit i % 32 of word i / 32.
struct TokenMasks {
  uint32_t* masks = nullptr;  // in device memory, `words` each
  int64_t words = 0;
  const MaskJob* jobs = nullptr;  // these and `data` may lie in pinned host memory
  int64_t num_jobs = 0;
  const uint32_t* data = nullptr;  // tokens have bits in the mask
};

// Puts the writing of all jobs' masks, which differ from each other, on the device's stream.
void WriteTokenMasks(const TokenMasks& masks, Device& device);

}  // namespace transept::kernels::cuda
