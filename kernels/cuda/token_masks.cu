#include "kernels/cuda/token_masks.h"

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Grid: jobs.
__global__ void __launch_bounds__(kThreads) WriteMask(const TokenMasks p) {
  LetSuccessorStart();
  const MaskJob job = p.jobs[blockIdx.x];
  uint32_t* const mask = p.masks + job.mask * p.words;
  const uint32_t* const data = p.data + job.first;
  WaitForPredecessor();
  for (int64_t i = threadIdx.x; i < p.words; i += kThreads) mask[i] = job.count < 0 ? data[i] : 0;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < job.count; i += kThreads) {
    atomicOr(mask + data[i] / 32, 1u << data[i] % 32);
  }
}

}  // namespace

void WriteTokenMasks(const TokenMasks& masks, Device& device) {
  Launch(device, "writing sets of tokens", {dim3(static_cast<unsigned>(masks.num_jobs)), kThreads},
         WriteMask, masks);
}

}  // namespace transept::kernels::cuda
