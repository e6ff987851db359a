// How the blocks of a cluster, which share the depth of a product, add up what they came to.
#pragma once

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/product_cut.cuh"

namespace transept::kernels::cuda {

// Adds the warps' sums up and leaves every block of the cluster those of the rows that it finishes:
// in `gathered`, [rank][own row][kStride]. All blocks arrived at the cluster's barrier when they
// started.
template <typename C>
__device__ void Exchange(const float* sums, float* gathered, int rows) {
  constexpr int kFours = C::kFeatures / 4;
  float* const mine = gathered + ClusterRank<C::kBlocks>() * C::kOwnRows * C::kStride;
  WaitForCluster();
  for (int i = threadIdx.x; i < min(rows, C::kRows) * kFours; i += C::kThreads) {
    const int row = i / kFours, column = i % kFours * 4;
    const float* const from = sums + row * C::kStride + column;
    float4 sum = {};
#pragma unroll
    for (int warp = 0; warp < C::kDepthWarps; ++warp) {
      const float4 more = *reinterpret_cast<const float4*>(from + warp * C::kSumsOfWarp);
      sum = make_float4(sum.x + more.x, sum.y + more.y, sum.z + more.z, sum.w + more.w);
    }
    StoreToCluster(mine + row % C::kOwnRows * C::kStride + column, row / C::kOwnRows, sum);
  }
  ArriveAtCluster();
  WaitForCluster();
}

}  // namespace transept::kernels::cuda
