// A row of scores as a choice sees it: its best tokens, found and gathered by one thread block.
// Every function is called like those of block_select.cuh.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/block_select.cuh"
#include "kernels/cuda/warp.cuh"

namespace transept::kernels::cuda {

// Ordered like the scores; 0 for impossible tokens: -infinity and NaN. Both zeros are equal.
__device__ inline uint32_t OrderOf(float score) {
  if (!(score > -INFINITY)) return 0;
  const uint32_t bits = __float_as_uint(score + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ inline float ScoreOf(uint32_t order) {
  return __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
}

// An order that at least `count` of the row's tokens reach, or the lowest possible one: the
// count-th largest among the threads' own largest.
__device__ inline uint32_t BoundOfLargest(const float* row, int vocab, int count,
                                          SelectScratch& scratch) {
  if (count > kSelectThreads) return 1;
  float largest = -INFINITY;
#pragma unroll 4
  for (int i = threadIdx.x; i < vocab; i += kSelectThreads) {
    const float score = __ldcg(row + i);
    if (score > largest) largest = score;
  }
  const uint32_t order = OrderOf(largest);
  const uint32_t bound = LargestKey(kSelectThreads, count, scratch, [&](int) {
    return Weighed{order, 1.0f};  // i is this thread
  });
  return max(bound, 1u);
}

// Tokens of a row by id: all of them, or those gathered in `scratch`.
struct Tokens {
  const float* row;
  const SelectScratch* scratch;
  int size;
  bool gathered;

  // A row was just written by other blocks, so it is read past the first-level cache.
  __device__ float score(int i) const { return gathered ? scratch->scores[i] : __ldcg(row + i); }
  __device__ int32_t id(int i) const { return gathered ? scratch->ids[i] : i; }
};

// The tokens that reach the order `bound` >= 1; if they are too many to gather, the whole row.
__device__ inline Tokens Gather(const float* row, int vocab, uint32_t bound,
                                SelectScratch& scratch) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int each = (vocab + kSelectWarps - 1) / kSelectWarps;
  const int begin = min(warp * each, vocab), end = min(begin + each, vocab);
  const auto reaches = [&](int i) { return i < end && OrderOf(__ldcg(row + i)) >= bound; };
  int count = 0;
#pragma unroll 4
  for (int i = begin; i < end; i += 32) count += __popc(__ballot_sync(~0u, reaches(i + lane)));
  __syncthreads();
  if (lane == 0) scratch.counts[warp] = count;
  __syncthreads();
  int at = 0, total = 0;
  for (int w = 0; w < kSelectWarps; ++w) {
    if (w < warp) at += scratch.counts[w];
    total += scratch.counts[w];
  }
  if (total > kMaxGathered) return {row, nullptr, vocab, false};
#pragma unroll 4
  for (int i = begin; i < end; i += 32) {
    const bool mine = reaches(i + lane);
    const unsigned votes = __ballot_sync(~0u, mine);
    if (mine) {
      const int place = at + __popc(votes & ((1u << lane) - 1));
      scratch.scores[place] = __ldcg(row + i + lane);
      scratch.ids[place] = i + lane;
    }
    at += __popc(votes);
  }
  __syncthreads();
  return {row, &scratch, total, true};
}

// The best possible token behind `previous` (~0: the best of all), the lower id first among equals,
// as its order in the upper half and its inverted id in the lower; 0 when there is none.
__device__ inline unsigned long long NextBest(const Tokens& tokens, unsigned long long previous,
                                              SelectScratch& scratch) {
  unsigned long long best = 0;
  for (int i = threadIdx.x; i < tokens.size; i += kSelectThreads) {
    const uint32_t order = OrderOf(tokens.score(i));
    const unsigned long long packed =
        static_cast<unsigned long long>(order) << 32 | ~static_cast<uint32_t>(tokens.id(i));
    if (order > 0 && packed < previous) best = max(best, packed);
  }
  best = MaxOverLanes(best);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch.best[threadIdx.x / 32] = best;
  __syncthreads();
  for (int warp = 0; warp < kSelectWarps; ++warp) best = max(best, scratch.best[warp]);
  return best;
}

}  // namespace transept::kernels::cuda
