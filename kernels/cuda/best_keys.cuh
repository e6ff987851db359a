// The largest of many keys by one thread block of kSelectThreads threads, without sorting them.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/row_tokens.cuh"
#include "kernels/cuda/warp.cuh"

namespace transept::kernels::cuda {

// A score and an index as one number that is ordered like the scores, the lower index first among
// equals. NaN counts as -infinity: below kLeastKey, like 0, which stands for none.
using ScoredKey = unsigned long long;
constexpr ScoredKey kLeastKey = ScoredKey{1} << 32;

__device__ inline ScoredKey KeyOf(float score, uint32_t index) {
  return static_cast<ScoredKey>(OrderOf(score)) << 32 | ~index;
}
__device__ inline uint32_t IndexOf(ScoredKey key) {
  return ~static_cast<uint32_t>(key);
}
__device__ inline uint32_t OrderOfKey(ScoredKey key) {
  return static_cast<uint32_t>(key >> 32);
}

// Groups of threads whose best scores bound the best of all: more than keys are ever asked for.
constexpr int kKeyGroups = 128;
constexpr int kThreadsOfGroup = kSelectThreads / kKeyGroups;
constexpr int kMaxBestKeys = 64;
constexpr int kMaxKeysGathered = 1024;

struct GroupScratch {
  alignas(16) uint32_t groups[kKeyGroups];
  uint32_t bound;
};

// An order (OrderOf) that at least `count` <= kKeyGroups of the threads' `largest` reach, and
// seldom many more; 0 if there may be fewer that are possible at all. Called by all threads; what
// they wrote before is then seen by all.
__device__ inline uint32_t BoundOfBest(uint32_t largest, int count, GroupScratch& scratch) {
  static_assert(kThreadsOfGroup == 4 && kKeyGroups % 16 == 0);
  largest = MaxOverLanes<kThreadsOfGroup>(largest);
  // All groups differ, by bits that hardly tell scores apart: each order has a rank of its own.
  constexpr uint32_t kNumber = kKeyGroups - 1;
  const uint32_t group = threadIdx.x / kThreadsOfGroup;
  const uint32_t mine = (largest & ~kNumber) | group;
  const uint32_t lane = threadIdx.x % kThreadsOfGroup;
  __syncthreads();
  if (lane == 0) scratch.groups[group] = mine;
  __syncthreads();
  int rank = 0;
#pragma unroll
  for (int i = 0; i < kKeyGroups; i += 16) {
    const uint4 four = *reinterpret_cast<const uint4*>(scratch.groups + i + 4 * lane);
    rank += (four.x > mine) + (four.y > mine) + (four.z > mine) + (four.w > mine);
  }
  rank = SumOverLanes<kThreadsOfGroup>(rank);
  if (lane == 0 && rank == count - 1) scratch.bound = mine & ~kNumber;
  __syncthreads();
  return scratch.bound;
}

struct BestKeysScratch {
  GroupScratch groups;
  int gathered;
  ScoredKey best[kMaxBestKeys];
  ScoredKey of_warps[kSelectWarps];
  ScoredKey keys[kMaxKeysGathered];
};

// FindBest one by one, for when those that reach a bound are too many to gather.
template <typename Key>
__device__ int FindInTurn(int size, int count, BestKeysScratch& scratch, const Key& key) {
  ScoredKey previous = ~0ull;
  for (int rank = 0; rank < count; ++rank) {
    ScoredKey best = 0;
#pragma unroll 4
    for (int i = threadIdx.x; i < size; i += kSelectThreads) {
      const ScoredKey candidate = key(i);
      if (candidate < previous) best = max(best, candidate);
    }
    best = MaxOverLanes(best);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch.of_warps[threadIdx.x / 32] = best;
    __syncthreads();
    for (int warp = 0; warp < kSelectWarps; ++warp) best = max(best, scratch.of_warps[warp]);
    if (best < kLeastKey) return rank;
    if (threadIdx.x == 0) scratch.best[rank] = best;
    previous = best;
  }
  return count;
}

// Leaves the `count` <= kMaxBestKeys largest of key(i), i < size, in `scratch.best`, in order, and
// returns how many they are: fewer if so many are not possible at all. Possible keys differ from
// each other. Called by all threads with equal arguments; ends in step.
template <typename Key>
__device__ int FindBest(int size, int count, BestKeysScratch& scratch, const Key& key) {
  uint32_t largest = 0;
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kSelectThreads) {
    largest = max(largest, OrderOfKey(key(i)));
  }
  if (threadIdx.x == 0) scratch.gathered = 0;
  const ScoredKey order = BoundOfBest(largest, count, scratch.groups);
  const ScoredKey bound = max(order << 32, kLeastKey);
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kSelectThreads) {
    const ScoredKey candidate = key(i);
    if (candidate < bound) continue;
    const int place = atomicAdd(&scratch.gathered, 1);
    if (place < kMaxKeysGathered) scratch.keys[place] = candidate;
  }
  __syncthreads();
  const int gathered = scratch.gathered;
  int found = min(gathered, count);
  if (gathered > kMaxKeysGathered) {
    found = FindInTurn(size, count, scratch, key);
  } else {
    for (int i = threadIdx.x; i < gathered; i += kSelectThreads) {
      const ScoredKey mine = scratch.keys[i];
      int rank = 0;
#pragma unroll 4
      for (int j = 0; j < gathered; ++j) rank += scratch.keys[j] > mine;
      if (rank < count) scratch.best[rank] = mine;
    }
  }
  __syncthreads();
  return found;
}

}  // namespace transept::kernels::cuda
