// What a block of the persistent kernel works with.
#pragma once

#include "kernels/cuda/copy_barrier.cuh"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/persistent_exchange.cuh"
#include "kernels/cuda/persistent_plan.h"
#include "kernels/cuda/tensor_core.cuh"

namespace transept::kernels::cuda {

inline constexpr int kPersistentWarps = 8;
inline constexpr int kPersistentThreads = 32 * kPersistentWarps;  // that compute
inline constexpr int kStrip = 8;         // features that a warp computes at once
inline constexpr int kColumns = 64;      // of a warp's piece of a strip
inline constexpr int kRoundStrips = 10;  // of a block, between two barriers
inline constexpr int kMaxPages = 1024;   // of a row, and of its source
inline constexpr uint32_t kRingBytes = 176 << 10;
inline constexpr uint32_t kRingStrips = 16;  // at once in the ring, at most
inline constexpr int kWarpDepth = kMaxDepth / kPersistentWarps;
static_assert(kWarpDepth % kColumns == 0);
inline constexpr int kMaxPartSize = kMaxHeadSize + 2;

struct PersistentShared {
  char ring[kRingBytes];
  CopyBarrier full[kRingStrips];
  CopyBarrier empty[kRingStrips];
  uint32_t strip_bytes[kRingStrips];
  BFloat16 input[kPersistentWarps][kWarpDepth];        // each warp's columns
  float2 sums[2][kPersistentWarps][4 * kRoundStrips];  // each warp's share of the results
  float squares[2][kPersistentWarps];
  float2 hidden[4 * kOwnStrips];
  BFloat16 qkv[3][kMaxHeadSize];                             // of one head
  float parts[kPersistentWarps + kMaxSplits][kMaxPartSize];  // of its attention
  float bias[kPersistentThreads];
  // Of the step.
  int64_t slot;
  int token;
  int position;
  int cross_length;
  int pages[kMaxPages];
  int cross_pages[kMaxPages];

  int16_t strips[kMaxTasks];  // of the tasks, that are this block's
  Task tasks[kMaxTasks];
};

__device__ inline PersistentShared& Shared() {
  extern __shared__ __align__(128) char persistent_memory[];
  return *reinterpret_cast<PersistentShared*>(persistent_memory);
}

// A barrier of the threads that compute.
__device__ inline void SyncThreads() {
  asm volatile("bar.sync 1, %0;" ::"n"(kPersistentThreads) : "memory");
}

// How many strips of a task are this block's: every gridDim.x-th, and where gates stand in front of
// up projections a strip of each in turn.
__device__ inline int StripsOf(const Task& task) {
  if (task.kind == TaskKind::kSelfAttention || task.kind == TaskKind::kCrossAttention) return 0;
  const int all = (task.features + kStrip - 1) / kStrip;
  const int grid = static_cast<int>(gridDim.x);
  const int mine = (all - static_cast<int>(blockIdx.x) + grid - 1) / grid;
  return task.kind == TaskKind::kProduct && task.product.gated ? 2 * mine : mine;
}
// The first of the results that strip `i` of this block is for.
__device__ inline int FeatureOf(int i, bool gated) {
  return kStrip * static_cast<int>(blockIdx.x + (gated ? i / 2 : i) * gridDim.x);
}

// The state of a block, and of a thread in it, from task to task.
struct PersistentBlock {
  Word* words;
  uint32_t epoch = 0;  // of the task that runs
  int strips = 0;      // of the task, that are this block's
  int round = 0;       // of `sums`
  int product = 0;     // of `squares`

  // Publishes two results from `feature` on, together with the next thread's two; times those of
  // the norm behind, if there is one. All threads of a warp call it, in order of their features.
  __device__ void Publish(const Task& task, int feature, float2 value, float2 norm, bool valid) {
    float squares = 0.0f;
    if (task.norm_weight) {
      squares = value.x * value.x + value.y * value.y;
      value = {value.x * norm.x, value.y * norm.y};
    }
    const uint32_t pair = PackPair<BFloat16>(value.x, value.y);
    const uint32_t next = __shfl_down_sync(~0u, pair, 1);
    squares += __shfl_down_sync(~0u, squares, 1);
    if (valid && feature % 4 == 0) {
      StoreWord(words + task.out + feature / 4, {pair, next, squares, epoch});
    }
  }
};

}  // namespace transept::kernels::cuda
