// Sums, order statistics and draws over numbers by one thread block, without sorting. Every
// function is called by all of the block's kSelectThreads threads with equal arguments, and gives
// all of them the same result, which depends on those alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/warp.cuh"

namespace transept::kernels::cuda {

constexpr int kSelectThreads = 512;
constexpr int kSelectWarps = kSelectThreads / 32;
constexpr int kMaxGathered = 2048;

struct SelectScratch {
  double sums[kSelectWarps][3];
  unsigned long long best[kSelectWarps];
  int counts[kSelectWarps];
  float scores[kMaxGathered];  // of gathered tokens
  int32_t ids[kMaxGathered];
};

// Sums over all threads. Rounding aside these are as large for more, or larger, values.
template <int kCount>
__device__ void BlockSums(const float (&values)[kCount], double (&sums)[kCount],
                          SelectScratch& scratch) {
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    const double sum = SumOverLanes<32, double>(values[j]);
    if (threadIdx.x % 32 == 0) scratch.sums[threadIdx.x / 32][j] = sum;
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    sums[j] = 0.0;
    for (int warp = 0; warp < kSelectWarps; ++warp) sums[j] += scratch.sums[warp][j];
  }
}

// The sum of value(i) over i < size.
template <typename Value>
__device__ double Sum(int size, SelectScratch& scratch, const Value& value) {
  float mine[1] = {};
#pragma unroll 4
  for (int i = threadIdx.x; i < size; i += kSelectThreads) mine[0] += value(i);
  double sum[1];
  BlockSums(mine, sum, scratch);
  return sum[0];
}

struct Weighed {
  uint32_t key;
  float weight;  // >= 0
};

// The largest key that elements of at least `target` > 0 total weight reach, or 0 if no other key
// has that. Finds two bits of it in a pass.
template <typename Element>
__device__ uint32_t LargestKey(int size, double target, SelectScratch& scratch,
                               const Element& element) {
  uint32_t key = 0;
  for (int bit = 30; bit >= 0; bit -= 2) {
    float mine[3] = {};
#pragma unroll 4
    for (int i = threadIdx.x; i < size; i += kSelectThreads) {
      const Weighed e = element(i);
#pragma unroll
      for (uint32_t digit = 1; digit <= 3; ++digit) {
        if (e.key >= (key | digit << bit)) mine[digit - 1] += e.weight;
      }
    }
    double sums[3];
    BlockSums(mine, sums, scratch);
    const uint32_t digit = sums[2] >= target ? 3 : sums[1] >= target ? 2 : sums[0] >= target;
    key |= digit << bit;
  }
  return key;
}

// The first i < size at which the running sum of weight(i) exceeds `uniform` times the sum of all:
// finds the warp whose share holds it, then shares out that part among all warps again. Zero
// weights are never hit; if rounding leaves a part's sum short, its last positive weight is.
template <typename Weight>
__device__ int Draw(int size, double uniform, SelectScratch& scratch, const Weight& weight) {
  int begin = 0, end = size;
  double target = 0.0;
  while (end - begin > 1) {
    const int each = (end - begin + kSelectWarps - 1) / kSelectWarps;
    const int from = min(begin + static_cast<int>(threadIdx.x / 32) * each, end);
    float mine = 0.0f;
#pragma unroll 4
    for (int i = from + threadIdx.x % 32; i < min(from + each, end); i += 32) mine += weight(i);
    const double sum = SumOverLanes<32, double>(mine);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch.sums[threadIdx.x / 32][0] = sum;
    __syncthreads();
    if (end - begin == size) {
      double total = 0.0;
      for (int warp = 0; warp < kSelectWarps; ++warp) total += scratch.sums[warp][0];
      target = uniform * total;
    }
    int hit = 0;
    double before = 0.0, running = 0.0;
    for (int warp = 0; warp < kSelectWarps && running <= target; ++warp) {
      if (scratch.sums[warp][0] <= 0.0) continue;
      hit = warp;
      before = running;
      running += scratch.sums[warp][0];
    }
    target -= before;
    begin += hit * each;
    end = min(begin + each, end);
  }
  return begin;
}

}  // namespace transept::kernels::cuda
