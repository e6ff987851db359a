// Reductions over each kLanes neighbouring lanes of a warp, which leave the result in every one of
// them. All lanes of the warp call them.
#pragma once

namespace transept::kernels::cuda {

template <int kLanes = 32, typename T>
__device__ inline T SumOverLanes(T value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(~0u, value, distance);
  }
  return value;
}

template <int kLanes = 32, typename T>
__device__ inline T MaxOverLanes(T value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = max(value, __shfl_xor_sync(~0u, value, distance));
  }
  return value;
}

}  // namespace transept::kernels::cuda
