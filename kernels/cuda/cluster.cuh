// Thread blocks that run together and write to each other's shared memory: compute capability 9.0
// and later.
#pragma once

#include <cstdint>

namespace transept::kernels::cuda {

// A block's number in its cluster of `kBlocks` neighbours along x.
template <int kBlocks>
__device__ inline int ClusterRank() {
  return kBlocks == 1 ? 0 : static_cast<int>(blockIdx.x) % kBlocks;
}

// By all threads of all blocks of the cluster: what they wrote before they arrive is seen by those
// that have waited. No arrival without its wait.
__device__ inline void ArriveAtCluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
__device__ inline void WaitForCluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

// Writes to where `shared`, of this block, lies in block `rank` of the cluster, which must have
// started.
__device__ inline void StoreToCluster(float* shared, int rank, const float4& value) {
#if __CUDA_ARCH__ >= 900
  const uint32_t here = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
  asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(there), "f"(value.x),
               "f"(value.y), "f"(value.z), "f"(value.w)
               : "memory");
#else
  __trap();  // no such kernel is launched there
#endif
}

}  // namespace transept::kernels::cuda
