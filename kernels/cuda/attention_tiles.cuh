// Attention in tiles that never leave the multiprocessor, after Dao, "FlashAttention-2" (2023): a
// block holds 64 queries of one head, streams the keys past them in tiles of 64, and rescales its
// running sums when a larger score turns up.
#pragma once

#include "kernels/cuda/async_copy.cuh"

namespace transept::kernels::cuda {

inline constexpr int kTileRows = 64;                      // queries of a block, keys of a step
inline constexpr int kTileThreads = kTileRows / 16 * 32;  // 16 queries a warp
inline constexpr int kKeyTiles = kTileRows / 8;           // of 8 keys, as tensor cores take them

// A tile of kTileRows rows in shared memory. The padding spreads a column over all banks.
template <typename T, int kHead>
struct Tile {
  static constexpr int kStride = kHead + 8;
  T element[kTileRows * kStride];

  __device__ T* At(int row, int column) { return element + row * kStride + column; }

  // Starts copying `rows` rows of head_size columns; the rest becomes zero.
  __device__ void Load(const T* from, int64_t stride, int rows, int head_size) {
    constexpr int kPacks = kHead / 8;
    for (int i = threadIdx.x; i < kTileRows * kPacks; i += kTileThreads) {
      const int row = i / kPacks;
      const int column = i % kPacks * 8;
      const bool valid = row < rows && column < head_size;
      CopyAsync(At(row, column), valid ? from + row * stride + column : from, valid);
    }
  }
};

template <typename T, int kHead>
struct SharedTiles {
  Tile<T, kHead> query;
  Tile<T, kHead> keys[2];
  Tile<T, kHead> values[2];
};

}  // namespace transept::kernels::cuda
