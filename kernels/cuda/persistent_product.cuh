// The inner part of the persistent kernel's products: the warps of a block split the depth, and
// each reads its columns of the input for itself.
#pragma once

#include "kernels/cuda/persistent_block.cuh"
#include "kernels/cuda/persistent_weights.cuh"
#include "kernels/cuda/tensor_core.cuh"

namespace transept::kernels::cuda {

// Waits for this warp's columns of the input, pieces of 64 in turn, and leaves them in shared
// memory. Returns the sum of the squares that came with them.
__device__ inline float AwaitInput(const Task& task, PersistentBlock& block) {
  constexpr int kBatch = 3;
  constexpr int kWords = kColumns / 4;  // of a piece
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  BFloat16* const input = Shared().input[warp];
  const int pieces = task.product.depth / kColumns;
  const Word* const from = block.words + task.in + lane % kWords;
  float squares = 0.0f;
  __syncwarp();  // the piece's last readers are done
#pragma unroll 1
  for (int first = lane / kWords; warp + first * kPersistentWarps < pieces; first += 2 * kBatch) {
    Word word[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int piece = warp + (first + 2 * i) * kPersistentWarps;
      if (piece < pieces) word[i] = LoadWord(from + piece * kWords);
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int piece = warp + (first + 2 * i) * kPersistentWarps;
      if (piece < pieces) {
        word[i] = Await(from + piece * kWords, block.epoch - 1, word[i]);
        squares += word[i].extra;
        *reinterpret_cast<uint2*>(input + (first + 2 * i) * kColumns + lane % kWords * 4) = {
            word[i].low, word[i].high};
      }
    }
  }
  __syncwarp();
  return squares;
}

// This warp's share of the next `strips` strips.
__device__ inline void MultiplyStrips(const Task& task, int strips, WeightReader& weights,
                                      PersistentBlock& block) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int pieces = task.product.depth / kColumns;
  const uint32_t row_bytes = task.product.depth * sizeof(BFloat16);
  const BFloat16* const input = Shared().input[warp] + lane % 4 * 8;
  // Even rows begin with the first half of a piece, odd ones with the second: rows lie a multiple
  // of 128 bytes apart, and so no two lanes of eight read the same bank.
  const bool odd = lane / 4 % 2 == 1;
  const uint32_t mine = lane / 4 * row_bytes + lane % 4 * 16;
  const uint32_t first_half = mine + (odd ? 64 : 0);
  const uint32_t second_half = mine + (odd ? 0 : 64);
#pragma unroll 1
  for (int strip = 0; strip < strips; ++strip) {
    float c[2][4] = {};
    if (warp < pieces) weights.Begin();
    int local = 0;
#pragma unroll 2
    for (int piece = warp; piece < pieces; piece += kPersistentWarps, ++local) {
      const uint4 one = weights.Read(first_half + piece * (kColumns * 2));
      const uint4 other = weights.Read(second_half + piece * (kColumns * 2));
      const uint4 low = odd ? other : one;
      const uint4 high = odd ? one : other;
      uint4 x = {}, y = {};
      if (lane < 4) {  // the one row of the batch
        x = *reinterpret_cast<const uint4*>(input + local * kColumns);
        y = *reinterpret_cast<const uint4*>(input + local * kColumns + 32);
      }
      Multiply<BFloat16>(c[0], {x.x, 0, x.y, 0}, low.x, low.y);
      Multiply<BFloat16>(c[1], {y.x, 0, y.y, 0}, high.x, high.y);
      Multiply<BFloat16>(c[0], {x.z, 0, x.w, 0}, low.z, low.w);
      Multiply<BFloat16>(c[1], {y.z, 0, y.w, 0}, high.z, high.w);
    }
    weights.End(kStrip * row_bytes);
    if (lane < 4 && warp < pieces) {
      Shared().sums[block.round][warp][4 * strip + lane] = {c[0][0] + c[1][0], c[0][1] + c[1][1]};
    }
  }
}

}  // namespace transept::kernels::cuda
