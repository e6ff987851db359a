// T5's relative position bias and the masks of a tile's scores, and what they take of shared
// memory.
#pragma once

#include <type_traits>

#include "kernels/cuda/bias.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/warp_tile.cuh"

namespace transept::kernels::cuda {

// The bias of one head, in units of log 2 like everything that goes into the softmax here. What
// lies beyond the reach has the outermost values, which a margin repeats: no tile that reaches it
// partly reads outside.
struct TileBias {
  static constexpr int kMargin = kTileRows + 16;

  const float* values;  // shared memory [Size(reach)], by distance + reach + kMargin
  int reach;            // -1 = no bias

  __host__ __device__ static int Size(int reach) { return 2 * (reach + kMargin) + 1; }

  // Fills `shared` by all threads of a block. `from` [2 * reach + 1]: by distance + reach.
  __device__ static void Load(const float* from, int reach, float* shared) {
    for (int i = threadIdx.x; i < Size(reach); i += kTileThreads) {
      shared[i] = from[min(max(i - kMargin, 0), 2 * reach)] * kLog2E;
    }
  }

  // Scores of a warp's queries from `query` on and a tile's keys from `key` on: score * scale +
  // bias.
  __device__ void Add(float (&scores)[kKeyTiles][4], float scale, int query, int key) const {
    const int nearest_left = key + kTileRows - 1 - query;  // largest distance
    const int nearest_right = key - (query + 15);          // smallest distance
    if (reach < 0 || nearest_left <= -reach || nearest_right >= reach) {
      const float all = reach < 0 ? 0.0f : values[nearest_left <= -reach ? 0 : Size(reach) - 1];
      ForEach(scores, [&](float score, int, int) { return score * scale + all; });
      return;
    }
    const float* const at = values + key - query + reach + kMargin;
    ForEach(scores,
            [&](float score, int row, int column) { return score * scale + at[column - row]; });
  }

  // Keys from `count` on become impossible.
  __device__ static void Mask(float (&scores)[kKeyTiles][4], int count) {
    ForEach(scores,
            [&](float score, int, int column) { return column < count ? score : -INFINITY; });
  }
  // So do keys behind `last` for the warp's first query, behind last + 1 for its second, and so on.
  __device__ static void MaskFuture(float (&scores)[kKeyTiles][4], int last) {
    ForEach(scores, [&](float score, int row, int column) {
      return column <= last + row ? score : -INFINITY;
    });
  }

 private:
  // score = fn(score, row, column) for this lane's scores.
  template <typename Fn>
  __device__ static void ForEach(float (&scores)[kKeyTiles][4], Fn fn) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[n][i] = fn(scores[n][i], lane / 4 + i / 2 * 8, 8 * n + 2 * (lane % 4) + i % 2);
      }
    }
  }
};

// Shared memory of a block: the tiles, and behind them the bias. float16 takes as much as bfloat16.
template <int kHead>
size_t TileBytes(const BiasByDistance& bias) {
  return sizeof(SharedTiles<BFloat16, kHead>) +
         (bias.values ? TileBias::Size(bias.reach) : 0) * sizeof(float);
}

// fn(width) with the width, as a std::integral_constant, of tiles that hold heads of this size.
template <typename Fn>
auto DispatchTileWidth(int head_size, Fn fn) {
  if (head_size <= 32) return fn(std::integral_constant<int, 32>{});
  if (head_size <= 64) return fn(std::integral_constant<int, 64>{});
  return fn(std::integral_constant<int, 128>{});
}

// Whether a block may have the shared memory.
inline bool TilesFit(int head_size, const BiasByDistance& bias, const Device& device) {
  const size_t bytes =
      DispatchTileWidth(head_size, [&](auto width) { return TileBytes<width()>(bias); });
  return bytes <= device.max_shared_bytes();
}

}  // namespace transept::kernels::cuda
