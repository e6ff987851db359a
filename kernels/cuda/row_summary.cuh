// A row of scores in brief, summed up in parts by thread blocks of kSelectThreads threads. Grids:
// (splits, ...), rows by y.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/row_batch.cuh"
#include "kernels/cuda/row_part.cuh"
#include "kernels/cuda/warp.cuh"
#include "kernels/tensor.h"

namespace transept::kernels::cuda {

// Lane-wise, for reductions. Empty parts have max -infinity and sum 0.
__device__ inline Summary Merge(const Summary& a, const Summary& b) {
  // Member by member: a reference to one of them would have both in memory.
  const bool second = b.max > a.max || (b.max == a.max && b.argmax < a.argmax);
  const float max = second ? b.max : a.max, less = second ? a.max : b.max;
  const float sum = second ? b.sum : a.sum, other = second ? a.sum : b.sum;
  return {max, second ? b.argmax : a.argmax, sum + other * WeightOf(less, max)};
}

// Over all lanes at once: a sum is rescaled but once.
__device__ inline Summary MergeWarp(const Summary& mine) {
  const float max = MaxOverLanes(mine.max);
  const bool has_max = mine.max == max;
  const int32_t argmax = __reduce_min_sync(~0u, has_max ? mine.argmax : INT32_MAX);
  const float sum = has_max ? mine.sum : mine.sum * expf(mine.max - max);
  return {max, argmax, SumOverLanes(sum)};
}

// In every thread of warp 0 the result of the block, whose threads get in step between two calls.
__device__ inline Summary MergeBlock(const Summary& mine) {
  __shared__ Summary warps[kSelectWarps];
  const Summary of_warp = MergeWarp(mine);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = of_warp;
  __syncthreads();
  return MergeWarp(threadIdx.x < kSelectWarps ? warps[threadIdx.x] : Summary{});
}

// MergeBlock of a part, whose first batch is left in `batch`. From behind: what was written last is
// still in the second-level cache, and would be driven out by what comes first.
__device__ inline Summary Summarize(const RowPart& part, RowBatch& batch) {
  Summary mine;
  int begin = part.begin + max(part.end - part.begin - 1, 0) / kBatch * kBatch;
  do {
    batch.Read(part, begin);
    batch.AddTo(&mine);
    begin -= kBatch;
  } while (begin >= part.begin);
  return MergeBlock(mine);
}

// In every thread of a warp the summary of all of a row, of which other blocks have left `count`
// parts.
__device__ inline Summary TotalOf(const Summary* parts, int count) {
  Summary total;
#pragma unroll 4
  for (int i = threadIdx.x % 32; i < count; i += 32) {
    total = Merge(total, {__ldcg(&parts[i].max), __ldcg(&parts[i].argmax), __ldcg(&parts[i].sum)});
  }
  return MergeWarp(total);
}

// What the blocks of a row know of each other.
struct RowParts {
  Summary* parts;     // [rows, splits]
  uint32_t* arrived;  // [rows], zero between launches

  // By one thread: the summary of the block's part of a row.
  __device__ void Leave(int64_t row, const Summary& mine) const {
    Summary* const part = parts + row * gridDim.x + blockIdx.x;
    __stcg(&part->max, mine.max);
    __stcg(&part->argmax, mine.argmax);
    __stcg(&part->sum, mine.sum);
  }

  // Leaves a part's summary to the block that is the last of its row to do so, and returns whether
  // that is this one. Between two calls the block's threads get in step.
  __device__ bool ArrivesLast(int64_t row, const Summary& mine) const {
    __shared__ bool last;
    if (threadIdx.x == 0) {
      Leave(row, mine);
      __threadfence();
      last = atomicAdd(arrived + row, 1) == gridDim.x - 1;
      if (last) arrived[row] = 0;
      __threadfence();
    }
    __syncthreads();
    return last;
  }

  // In every thread of a warp, once all of the row's parts are left: by the block that was last, or
  // in a later kernel.
  __device__ Summary Total(int64_t row, int splits) const {
    return TotalOf(parts + row * splits, splits);
  }
};

// The part of a row that a block works on. Parts begin at multiples of 32; the last may be empty.
__device__ inline RowPart PartOf(const Activations& scores, int64_t row) {
  const int width = static_cast<int>(scores.width);
  const int splits = static_cast<int>(gridDim.x);
  const int each = ((width + splits - 1) / splits + 31) / 32 * 32;
  RowPart part;
  part.scores = static_cast<float*>(scores.data) + row * scores.stride;
  part.begin = min(static_cast<int>(blockIdx.x) * each, width);
  part.end = min(part.begin + each, width);
  return part;
}

}  // namespace transept::kernels::cuda
