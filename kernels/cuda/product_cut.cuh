// How products of few rows are cut into thread blocks, and what a block computes.
#pragma once

#include "kernels/cuda/product_parameters.cuh"

namespace transept::kernels::cuda {

struct Cut {
  int tiles;         // of 16 rows, of a block
  int strips;        // of 8 features
  int strip_groups;  // that the block's warps split its strips into
  int depth_warps;   // of the same strips, which share the depth
  int chunks;        // that a warp loads at once
};

// What follows from a cut.
template <Cut kCut>
struct CutShape {
  static constexpr int kTiles = kCut.tiles;
  static constexpr int kStrips = kCut.strips;
  static constexpr int kDepthWarps = kCut.depth_warps;
  static constexpr int kChunks = kCut.chunks;
  static constexpr int kWarpStrips = kStrips / kCut.strip_groups;
  static constexpr int kWarps = kCut.strip_groups * kDepthWarps;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRows = 16 * kCut.tiles;
  static constexpr int kFeatures = 8 * kStrips;
  // Floats from a row of sums in shared memory to the next: the banks of eight rows differ.
  static constexpr int kStride = 8 * (kStrips | 1);
  static constexpr int kSumsOfWarp = kRows * kStride;
  static constexpr int kSharedBytes = kDepthWarps * kSumsOfWarp * sizeof(float);
  static_assert(kStrips % kCut.strip_groups == 0);
  static_assert(kWarps == 16);  // all that a block's registers are shared among
  // Whether the next chunks are loaded while these are multiplied.
  static constexpr bool kPrefetches = kChunks < 4 && kChunks * kWarpStrips < 6;
};

// The first weight row of strip `strip` of this block.
template <typename C>
__device__ inline int64_t FirstFeature(int strip, int64_t up_offset) {
  const int64_t part = blockIdx.x;
  if (up_offset == 0) return (part * C::kStrips + strip) * 8;
  constexpr int kHalf = C::kStrips > 1 ? C::kStrips / 2 : 1;
  const int64_t gate = (part * kHalf + strip % kHalf) * 8;
  return strip < kHalf ? gate : gate + up_offset;
}

// The first row of this block.
template <typename C>
__device__ inline int FirstRow() {
  return static_cast<int>(blockIdx.y) * C::kRows;
}

}  // namespace transept::kernels::cuda
