// Means of rows on the GPU.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/inputs.h"
#include "kernels/tensor.h"

namespace transept::kernels::cuda {

// out[i] = the mean of the rows `ranges[i]` of `in`, none of which is empty.
struct RowPooling {
  Activations in;
  const TokenRange* ranges = nullptr;  // [num_ranges]
  int64_t num_ranges = 0;
  float* out = nullptr;  // [num_ranges, in.width]; not where `in` is
};
void PoolRows(const RowPooling& pooling, Device& device);

}  // namespace transept::kernels::cuda
