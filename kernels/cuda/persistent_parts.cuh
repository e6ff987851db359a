// How the warps' parts of an attention head become its result in the persistent kernel, where need
// be by way of other blocks.
#pragma once

#include "kernels/cuda/block_attention.cuh"
#include "kernels/cuda/persistent_block.cuh"

namespace transept::kernels::cuda {

// Column `threadIdx.x` of `count` parts.
__device__ inline Column MergeParts(const PersistentBlock& block, int count, int head_size) {
  const Parts parts{&Shared().parts[0][0], kMaxPartSize};
  return MergeColumn<BFloat16>(parts, count, head_size, min(int(threadIdx.x), head_size - 1),
                               [](const float* p) { return *p; });
}

// Publishes a head's result, of `count` parts.
__device__ inline void PublishHead(const Task& task, int head, int count, PersistentBlock& block) {
  const int size = task.attention.head_size;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread >= kMaxHeadSize) return;
  const Column merged = MergeParts(block, count, size);
  const float value = merged.total == 0.0f ? 0.0f : merged.sum / merged.total;
  const uint32_t pair = PackPair<BFloat16>(value, __shfl_down_sync(~0u, value, 1));
  const uint32_t next = __shfl_down_sync(~0u, pair, 2);
  if (thread % 4 == 0 && thread < size) {
    StoreWord(block.words + task.out + (head * size + thread) / 4, {pair, next, 0.0f, block.epoch});
  }
}

// The words through which splits 1, 2, ... of a head hand what they came to to split 0: two sums
// each, with the largest score and the total in turn.
__device__ inline Word* PartialOf(const AttentionTask& task, int head, int split,
                                  PersistentBlock& block) {
  return block.words + task.partials + (head * task.splits + split) * task.head_size / 2;
}
__device__ inline void PublishPartial(const Task& task, int head, int split, int count,
                                      PersistentBlock& block) {
  const int size = task.attention.head_size;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread >= kMaxHeadSize) return;
  const Column merged = MergeParts(block, count, size);
  const float next = __shfl_down_sync(~0u, merged.sum, 1);
  if (thread % 2 == 0 && thread < size) {
    StoreWord(PartialOf(task.attention, head, split, block) + thread / 2,
              {__float_as_uint(merged.sum), __float_as_uint(next),
               thread % 4 == 0 ? merged.largest : merged.total, block.epoch});
  }
}
// Reads the partial results of splits 1, 2, ... into parts from `first` on.
__device__ inline void AwaitPartials(const AttentionTask& task, int head, int first,
                                     PersistentBlock& block) {
  const int words = task.head_size / 2;
#pragma unroll 1
  for (int i = threadIdx.x; i < (task.splits - 1) * words; i += kPersistentThreads) {
    const int split = 1 + i / words;
    const int at = i % words;
    const Word word = Await(PartialOf(task, head, split, block) + at, block.epoch);
    float* const part = Shared().parts[first + split - 1];
    part[2 * at] = __uint_as_float(word.low);
    part[2 * at + 1] = __uint_as_float(word.high);
    if (at < 2) part[task.head_size + at] = word.extra;
  }
}

}  // namespace transept::kernels::cuda
