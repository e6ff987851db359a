// T5's relative position bias as GPU kernels read it.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

// The bias of every head at every distance. Distances beyond `reach` have the bias of `reach`: from
// RelativeBias::max_distance on, all fall into the last bucket.
inline constexpr int32_t kMaxReach = 4096;  // what shared memory has room for
struct BiasByDistance {
  const float* values = nullptr;  // [num_heads, 2 * reach + 1]; null = no bias
  int32_t reach = 0;
};

}  // namespace transept::kernels::cuda
