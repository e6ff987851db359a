// The logits of a tile of the vocabulary as the threads that multiply hold them, and what they are
// asked for. For sm_90a.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/group_product.cuh"
#include "kernels/cuda/row_summary.cuh"

namespace transept::kernels::cuda {

constexpr int kTileTokens = 256;
constexpr int kTileWords = kTileTokens / 32;
constexpr int kLogitGroups = 2;  // warpgroups that multiply
constexpr int kMultipliers = 128 * kLogitGroups;

// Waits for all who multiply, and returns whether any of them said so.
__device__ inline bool AnyMultiplier(bool mine) {
  int any;
  asm volatile(
      "{\n"
      ".reg .pred mine, any;\n"
      "setp.ne.s32 mine, %1, 0;\n"
      "barrier.cta.red.or.pred any, 1, %2, mine;\n"
      "selp.s32 %0, 1, 0, any;\n"
      "}"
      : "=r"(any)
      : "r"(static_cast<int>(mine)), "n"(kMultipliers)
      : "memory");
  return any != 0;
}

__device__ inline void SyncMultipliers() {
  AnyMultiplier(false);
}

// How warpgroups share a tile for up to kRows rows: each has kGroupRows of the rows, or all of them
// and a part of the tokens.
template <int kRows>
struct LogitShares {
  static constexpr int kRowGroups = kRows / kGroupRows;
  static constexpr int kTokenGroups = kLogitGroups / kRowGroups;
  static constexpr int kGroupTokens = kTileTokens / kTokenGroups;

  // Of this thread's warpgroup.
  __device__ static int FirstRow() {
    return static_cast<int>(threadIdx.x) / 128 % kRowGroups * kGroupRows;
  }
  __device__ static int TokenGroup() { return static_cast<int>(threadIdx.x) / 128 / kRowGroups; }
  __device__ static int FirstToken() { return TokenGroup() * kGroupTokens; }
};

// A thread's: two rows of kGroupTokens / 4 tokens each.
template <int kRows>
class LogitTile {
 public:
  using Shares = LogitShares<kRows>;
  static constexpr int kTokens = Shares::kGroupTokens / 4;
  static constexpr int kBlocks = Shares::kGroupTokens / kGroupFeatures;

  // To be multiplied into.
  __device__ GroupSums& block(int i) { return blocks_[i]; }

  __device__ static int Row(int half) {
    const int thread = static_cast<int>(threadIdx.x);
    return Shares::FirstRow() + thread % 128 / 32 * 16 + thread % 32 / 4 + half * 8;
  }
  // Within the tile: in ascending order, pairs next to each other.
  __device__ static int Token(int i) {
    return Shares::FirstToken() + i / 2 * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + i % 2;
  }
  __device__ void AddBias(const float (&bias)[kTileTokens]) {
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      At(0, i) += bias[Token(i)];
      At(1, i) += bias[Token(i)];
    }
  }
  // Writes a row's logits of the first `inside` tokens to `out`.
  __device__ void Write(int half, float* out, int inside) {
#pragma unroll
    for (int i = 0; i < kTokens; i += 2) {
      if (Token(i + 1) < inside) {
        *reinterpret_cast<float2*>(out + Token(i)) = {At(half, i), At(half, i + 1)};
      } else if (Token(i) < inside) {
        out[Token(i)] = At(half, i);
      }
    }
  }
  // Makes a row's logits of banned tokens, and of those behind `inside`, -infinity.
  __device__ void Ban(int half, const uint32_t (&banned)[kTileWords], int inside) {
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      const bool out = banned[Token(i) / 32] >> Token(i) % 32 & 1;
      if (out || Token(i) >= inside) At(half, i) = -INFINITY;
    }
  }

  // Adds a row's logits to its summary of tiles in front. NaN counts as -infinity.
  __device__ void AddTo(Summary* total, int half, int tile_begin) {
    float max = total->max;
#pragma unroll
    for (int i = 0; i < kTokens; ++i) max = fmaxf(max, At(half, i));
    if (max > total->max) {
      total->sum *= WeightOf(total->max, max);
      total->max = max;
#pragma unroll
      for (int i = kTokens - 1; i >= 0; --i) {
        if (At(half, i) == max) total->argmax = tile_begin + Token(i);
      }
    }
    // Without WeightOf's guard, which is needed where there is NaN or nothing but -infinity.
    float sum = SumOf(half, [&](float logit) { return Exp2((logit - max) * kLog2E); });
    if (isnan(sum)) sum = SumOf(half, [&](float logit) { return WeightOf(logit, max); });
    total->sum += sum;
  }

 private:
  __device__ float& At(int half, int i) {
    constexpr int kBlockTokens = kGroupFeatures / 4;
    return blocks_[i / kBlockTokens].c[i % kBlockTokens / 2 * 4 + half * 2 + i % 2];
  }
  template <typename Weight>
  __device__ float SumOf(int half, const Weight& weight) {
    float sums[4] = {};
#pragma unroll
    for (int i = 0; i < kTokens; ++i) sums[i % 4] += weight(At(half, i));
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  GroupSums blocks_[kBlocks];
};

// Merges what the four lanes of a row have found.
__device__ inline Summary MergeLanes(Summary mine) {
#pragma unroll
  for (int distance = 1; distance <= 2; distance *= 2) {
    mine = Merge(mine, {__shfl_xor_sync(~0u, mine.max, distance),
                        __shfl_xor_sync(~0u, mine.argmax, distance),
                        __shfl_xor_sync(~0u, mine.sum, distance)});
  }
  return mine;
}

}  // namespace transept::kernels::cuda
