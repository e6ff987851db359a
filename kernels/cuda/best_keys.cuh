// The largest of many keys by one thread block of kSelectThreads threads, without sorting them.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/row_tokens.cuh"

namespace transept::kernels::cuda {

// A score and an index as one number that is ordered like the scores, the lower index first among
// equals. Never 0, which stands for none. NaN counts as -infinity.
using ScoredKey = unsigned long long;

__device__ inline ScoredKey KeyOf(float score, uint32_t index) {
  return static_cast<ScoredKey>(OrderOf(score)) << 32 | ~index;
}
__device__ inline uint32_t IndexOf(ScoredKey key) {
  return ~static_cast<uint32_t>(key);
}
__device__ inline float ScoreOfKey(ScoredKey key) {
  const auto order = static_cast<uint32_t>(key >> 32);
  return order == 0 ? -INFINITY : ScoreOf(order);
}

// Groups of threads whose best keys bound the best of all: more than keys are ever asked for.
constexpr int kKeyGroups = 128;
constexpr int kMaxBestKeys = 64;
constexpr int kMaxKeysGathered = 1024;

struct BestKeysScratch {
  ScoredKey groups[kKeyGroups];
  ScoredKey bound;
  int gathered;
  ScoredKey keys[kMaxKeysGathered];
};

// The number of `keys` [size] in front of `mine`, the `own`-th of them.
__device__ inline int RankOf(const ScoredKey* keys, int size, ScoredKey mine, int own) {
  int rank = 0;
  for (int i = 0; i < size; ++i) rank += keys[i] > mine || (keys[i] == mine && i < own);
  return rank;
}

// A key that at least `count` of all reach, and seldom many more; 0 if there may be fewer.
template <typename Key>
__device__ ScoredKey BoundOfBest(int size, int count, BestKeysScratch& scratch, const Key& key) {
  ScoredKey best = 0;
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kSelectThreads) best = max(best, key(i));
  constexpr int kThreadsEach = kSelectThreads / kKeyGroups;
#pragma unroll
  for (int distance = kThreadsEach / 2; distance > 0; distance /= 2) {
    best = max(best, __shfl_xor_sync(~0u, best, distance));
  }
  __syncthreads();
  if (threadIdx.x % kThreadsEach == 0) scratch.groups[threadIdx.x / kThreadsEach] = best;
  __syncthreads();
  if (threadIdx.x < kKeyGroups) {
    const ScoredKey mine = scratch.groups[threadIdx.x];
    if (RankOf(scratch.groups, kKeyGroups, mine, threadIdx.x) == count - 1) scratch.bound = mine;
  }
  __syncthreads();
  return scratch.bound;
}

// One by one, for when those that reach a bound are too many to gather.
template <typename Key, typename Emit>
__device__ void EmitInTurn(int size, int count, BestKeysScratch& scratch, const Key& key,
                           const Emit& emit) {
  ScoredKey previous = ~0ull;
  for (int rank = 0; rank < count; ++rank) {
    ScoredKey best = 0;
    for (int i = threadIdx.x; i < size; i += kSelectThreads) {
      const ScoredKey candidate = key(i);
      if (candidate < previous) best = max(best, candidate);
    }
    for (int distance = 16; distance > 0; distance /= 2) {
      best = max(best, __shfl_xor_sync(~0u, best, distance));
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch.groups[threadIdx.x / 32] = best;
    __syncthreads();
    for (int warp = 0; warp < kSelectWarps; ++warp) best = max(best, scratch.groups[warp]);
    if (threadIdx.x == 0) emit(rank, best);
    previous = best;
  }
}

// Calls emit(rank, key) by some thread for each of the `count` <= kMaxBestKeys largest of key(i),
// i < size; with key 0 for ranks that there is none for. The keys differ from each other, zeros
// apart. Called by all threads with equal arguments; ends in step.
template <typename Key, typename Emit>
__device__ void EmitBest(int size, int count, BestKeysScratch& scratch, const Key& key,
                         const Emit& emit) {
  const ScoredKey bound = max(BoundOfBest(size, count, scratch, key), ScoredKey{1});
  if (threadIdx.x == 0) scratch.gathered = 0;
  __syncthreads();
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kSelectThreads) {
    const ScoredKey candidate = key(i);
    if (candidate < bound) continue;
    const int place = atomicAdd(&scratch.gathered, 1);
    if (place < kMaxKeysGathered) scratch.keys[place] = candidate;
  }
  __syncthreads();
  const int gathered = scratch.gathered;
  if (gathered > kMaxKeysGathered) {
    EmitInTurn(size, count, scratch, key, emit);
  } else {
    for (int i = threadIdx.x; i < gathered; i += kSelectThreads) {
      const int rank = RankOf(scratch.keys, gathered, scratch.keys[i], i);
      if (rank < count) emit(rank, scratch.keys[i]);
    }
    for (int rank = gathered + threadIdx.x; rank < count; rank += kSelectThreads) emit(rank, 0);
  }
  __syncthreads();
}

}  // namespace transept::kernels::cuda
