// A row of scores in brief, summed up in parts by thread blocks of kSelectThreads threads. Grid:
// (splits, rows).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/process_logits.cuh"

namespace transept::kernels::cuda {

// Of a row, or a part of it.
struct Summary {
  float max = -INFINITY;
  int32_t argmax = INT32_MAX;  // the lowest id with that score; none is behind all others
  float sum = 0.0f;            // of exp(score - max)

  __device__ float LogProb(float score) const {
    if (max == INFINITY && score == max) return 0.0f;
    if (isinf(max) || isnan(score)) return -INFINITY;
    return score - max - logf(sum);
  }
};

// Lane-wise, for reductions. Empty parts have max -infinity and sum 0.
__device__ inline Summary Merge(const Summary& a, const Summary& b) {
  const bool second = b.max > a.max || (b.max == a.max && b.argmax < a.argmax);
  const Summary& top = second ? b : a;
  const Summary& other = second ? a : b;
  const float share = other.max == -INFINITY ? 0.0f : other.sum * expf(other.max - top.max);
  return {top.max, top.argmax, top.sum + share};
}

__device__ inline Summary MergeWarp(Summary s) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    const Summary other{__shfl_xor_sync(~0u, s.max, distance),
                        __shfl_xor_sync(~0u, s.argmax, distance),
                        __shfl_xor_sync(~0u, s.sum, distance)};
    s = Merge(s, other);
  }
  return s;
}

// In every thread of warp 0 the result of the block.
__device__ inline Summary MergeBlock(Summary s) {
  __shared__ Summary warps[kSelectWarps];
  s = MergeWarp(s);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = s;
  __syncthreads();
  return MergeWarp(threadIdx.x < kSelectWarps ? warps[threadIdx.x] : Summary{});
}

__device__ inline Summary Summarize(const RowPart& part) {
  Summary mine;
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    if (part.scores[i] > mine.max) {
      mine.max = part.scores[i];
      mine.argmax = i;
    }
  }
  for (int i = part.begin + threadIdx.x; i < part.end; i += kSelectThreads) {
    if (part.scores[i] > -INFINITY) mine.sum += expf(part.scores[i] - mine.max);
  }
  return MergeBlock(mine);
}

// What the blocks of a row know of each other.
struct RowParts {
  Summary* parts;     // [rows, splits]
  uint32_t* arrived;  // [rows], zero between launches

  // Leaves a part's summary to the block that is the last of its row to do so, and returns whether
  // that is this one.
  __device__ bool ArrivesLast(const Summary& mine) const {
    __shared__ bool last;
    if (threadIdx.x == 0) {
      const int64_t row = blockIdx.y;
      Summary* part = parts + row * gridDim.x + blockIdx.x;
      __stcg(&part->max, mine.max);
      __stcg(&part->argmax, mine.argmax);
      __stcg(&part->sum, mine.sum);
      __threadfence();
      last = atomicAdd(arrived + row, 1) == gridDim.x - 1;
      if (last) arrived[row] = 0;
      __threadfence();
    }
    __syncthreads();
    return last;
  }

  // In every thread, by the block that was last.
  __device__ Summary Total() const {
    Summary total;
    const int splits = static_cast<int>(gridDim.x);
    for (int i = threadIdx.x % 32; i < splits; i += 32) {
      const Summary* part = parts + int64_t{blockIdx.y} * splits + i;
      total = Merge(total, {__ldcg(&part->max), __ldcg(&part->argmax), __ldcg(&part->sum)});
    }
    return MergeWarp(total);
  }
};

// The part of a row that a block works on.
__device__ inline RowPart PartOf(const Activations& scores) {
  const int width = static_cast<int>(scores.width);
  const int each = (width + gridDim.x - 1) / gridDim.x;
  RowPart part;
  part.scores = static_cast<float*>(scores.data) + blockIdx.y * scores.stride;
  part.begin = min(static_cast<int>(blockIdx.x) * each, width);
  part.end = min(part.begin + each, width);
  return part;
}

}  // namespace transept::kernels::cuda
