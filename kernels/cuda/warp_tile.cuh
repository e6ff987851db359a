// A warp's share of attention in tiles.
#pragma once

#include "kernels/cuda/attention_tiles.cuh"
#include "kernels/cuda/exp2.cuh"
#include "kernels/cuda/tensor_core.cuh"

namespace transept::kernels::cuda {

// The results of one head.
template <typename T>
struct HeadResults {
  T* rows;  // of all heads
  int64_t stride;
  int head;
  int head_size;
};

// A warp's 16 queries: rows g and g + 8 of every fragment belong to this lane.
template <typename T, int kHead>
struct WarpTile {
  uint32_t query[kHead / 16][4];
  float out[kHead / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {};

  __device__ void LoadQuery(Tile<T, kHead>& tile) {
    const int lane = threadIdx.x % 32;
    const int row = threadIdx.x / 32 * 16 + lane % 16;
#pragma unroll
    for (int k = 0; k < kHead / 16; ++k)
      LoadMatrices(query[k], tile.At(row, 16 * k + lane / 16 * 8));
  }

  __device__ void Score(float (&scores)[kKeyTiles][4], Tile<T, kHead>& keys) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int pair = 0; pair < kKeyTiles / 2; ++pair) {
#pragma unroll
      for (int k = 0; k < kHead / 16; ++k) {
        uint32_t b[4];
        const int row = 16 * pair + lane / 16 * 8 + lane % 8;
        LoadMatrices(b, keys.At(row, 16 * k + lane / 8 % 2 * 8));
        Multiply<T>(scores[2 * pair], query[k], b[0], b[1]);
        Multiply<T>(scores[2 * pair + 1], query[k], b[2], b[3]);
      }
    }
  }

  // Turns scores into weights and makes the sums so far relative to the new largest score.
  __device__ void Normalize(float (&scores)[kKeyTiles][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float next = largest[half];
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
        next = fmaxf(next, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      }
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 1));
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 2));
      if (__any_sync(~0u, next > largest[half])) {  // seldom, after the first tiles
        const float correction = Exp2(largest[half] - next);
        largest[half] = next;
        total[half] *= correction;
#pragma unroll
        for (int n = 0; n < kHead / 8; ++n) {
          out[n][2 * half] *= correction;
          out[n][2 * half + 1] *= correction;
        }
      }
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = Exp2(scores[n][i] - next);
          sum += scores[n][i];
        }
      }
      total[half] += sum;
    }
  }

  __device__ void AddValues(const float (&weights)[kKeyTiles][4], Tile<T, kHead>& values) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < kTileRows / 16; ++k) {
      const float(&low)[4] = weights[2 * k];
      const float(&high)[4] = weights[2 * k + 1];
      const uint32_t a[4] = {PackPair<T>(low[0], low[1]), PackPair<T>(low[2], low[3]),
                             PackPair<T>(high[0], high[1]), PackPair<T>(high[2], high[3])};
#pragma unroll
      for (int pair = 0; pair < kHead / 16; ++pair) {
        uint32_t b[4];
        LoadMatricesTransposed(b, values.At(16 * k + lane % 16, 16 * pair + lane / 16 * 8));
        Multiply<T>(out[2 * pair], a, b[0], b[1]);
        Multiply<T>(out[2 * pair + 1], a, b[2], b[3]);
      }
    }
  }

  // Stores what the queries came to, each of which has met a key. The warp's are those from `query`
  // on of the sequence whose results are the rows from `begin` on, as far as they lie in front of
  // `end`.
  __device__ void Store(const HeadResults<T>& to, int begin, int query, int end) const {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float all = total[half];
      all += __shfl_xor_sync(~0u, all, 1);
      all += __shfl_xor_sync(~0u, all, 2);
      const int row = query + lane / 4 + 8 * half;
      if (row >= end) continue;
      T* const result =
          to.rows + (begin + row) * to.stride + static_cast<int64_t>(to.head) * to.head_size;
#pragma unroll
      for (int n = 0; n < kHead / 8; ++n) {
        if (8 * n >= to.head_size) continue;
        const uint32_t pair = PackPair<T>(out[n][2 * half] / all, out[n][2 * half + 1] / all);
        *reinterpret_cast<uint32_t*>(result + 8 * n + 2 * (lane % 4)) = pair;
      }
    }
  }
};

}  // namespace transept::kernels::cuda
