// How products of few rows are cut into thread blocks, and what a block computes.
#pragma once

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/product_parameters.cuh"

namespace transept::kernels::cuda {

struct Cut {
  int tiles;         // of 16 rows
  int strips;        // of 8 features, of a block
  int strip_groups;  // that the block's warps split its strips into
  int row_groups;    // and its tiles
  int depth_warps;   // of the same strips and tiles, which share the depth
  int chunks;        // that a warp loads at once
  int blocks = 1;    // of a cluster, which share the depth; each finishes some of the rows
};

// What follows from a cut.
template <Cut kCut>
struct CutShape {
  static constexpr int kStrips = kCut.strips;
  static constexpr int kDepthWarps = kCut.depth_warps;
  static constexpr int kChunks = kCut.chunks;
  static constexpr int kBlocks = kCut.blocks;
  static constexpr int kRowGroups = kCut.row_groups;
  static constexpr int kWarpStrips = kStrips / kCut.strip_groups;
  static constexpr int kWarpTiles = kCut.tiles / kRowGroups;
  static constexpr int kWarps = kCut.strip_groups * kRowGroups * kDepthWarps;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRows = 16 * kCut.tiles;
  static constexpr int kOwnRows = kRows / kBlocks;  // that a block finishes
  static constexpr int kFeatures = 8 * kStrips;
  // Floats from a row of sums in shared memory to the next: the banks of eight rows differ.
  static constexpr int kStride = 8 * (kStrips | 1);
  // Sums of each depth warp, then those that the cluster's blocks have for this one.
  static constexpr int kSumsOfWarp = kRows * kStride;
  static constexpr int kSums = (kDepthWarps + (kBlocks > 1 ? 1 : 0)) * kSumsOfWarp;
  static constexpr int kSharedBytes = kSums * sizeof(float);
  static_assert(kStrips % kCut.strip_groups == 0 && kCut.tiles % kRowGroups == 0 &&
                kRows % kBlocks == 0);
  static_assert(kWarps == 16);  // all that a block's registers are shared among
  // Whether the next chunks are loaded while these are multiplied.
  static constexpr bool kPrefetches = kChunks < 4 && kChunks * kWarpStrips < 6 && kRowGroups == 1;
};

// The first weight row of strip `strip` of this block.
template <typename C>
__device__ inline int64_t FirstFeature(int strip, int64_t up_offset) {
  const int64_t part = blockIdx.x / C::kBlocks;
  if (up_offset == 0) return (part * C::kStrips + strip) * 8;
  constexpr int kHalf = C::kStrips > 1 ? C::kStrips / 2 : 1;
  const int64_t gate = (part * kHalf + strip % kHalf) * 8;
  return strip < kHalf ? gate : gate + up_offset;
}

// The first row that this block finishes.
template <typename C>
__device__ inline int FirstOwnRow() {
  return ClusterRank<C::kBlocks>() * C::kOwnRows;
}

}  // namespace transept::kernels::cuda
