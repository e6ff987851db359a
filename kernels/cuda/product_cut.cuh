// How products of few rows are cut into thread blocks, and what a block computes.
#pragma once

#include "kernels/cuda/product_parameters.cuh"

namespace transept::kernels::cuda {

// How a kernel is cut: rows in tiles of 16, strips of a block, groups that its warps split them
// into, warps of a group, which share the depth, and chunks that a warp loads at once.
template <int kTileCount, int kStripCount, int kGroupCount, int kDepthWarpCount, int kDepthCount>
struct Cut {
  static constexpr int kTiles = kTileCount;
  static constexpr int kStrips = kStripCount;
  static constexpr int kWarpStrips = kStripCount / kGroupCount;
  static constexpr int kDepthWarps = kDepthWarpCount;
  static constexpr int kDepth = kDepthCount;
  static constexpr int kWarps = kGroupCount * kDepthWarps;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kPlaces = kStrips * kTiles * 128;  // results of a block
  static constexpr int kSharedBytes = kDepthWarps * kPlaces * sizeof(float);
  static_assert(kWarps == 16);  // all that a block's registers are shared among
  // Whether the next chunks are loaded while these are multiplied.
  static constexpr bool kPrefetches = kDepth < 4 && kDepth * kWarpStrips < 6;
};

// The first weight row of strip `strip` of this block.
template <int kStrips>
__device__ inline int64_t FirstFeature(int strip, int64_t up_offset) {
  if (up_offset == 0) return (static_cast<int64_t>(blockIdx.x) * kStrips + strip) * 8;
  constexpr int kHalf = kStrips > 1 ? kStrips / 2 : 1;
  const int64_t gate = (static_cast<int64_t>(blockIdx.x) * kHalf + strip % kHalf) * 8;
  return strip < kHalf ? gate : gate + up_offset;
}

}  // namespace transept::kernels::cuda
