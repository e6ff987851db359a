// What a block of a product of few rows (skinny.cu) computes, and what it loads before it needs it.
#pragma once

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {

inline constexpr int kChunk = 32;  // columns of two products

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
  // Blocks that must fit on a multiprocessor: registers are spared for it.
  static constexpr int kBlocks = kWarps == 16 ? 1 : kStrips == 4 ? 2 : 3;
  // Whether the next chunks are loaded while these are multiplied.
  static constexpr bool kPrefetches = kDepth < 4 && kDepth * kWarpStrips < 6;
};

template <typename T>
struct SkinnyParameters {
  const T* weight;
  int64_t out_features;  // rows of the weight
  int64_t depth;
  const float* bias;
  ActivationFunction activation;
  int64_t up_offset;  // gated: rows from a gate's to its up projection's; 0 = not gated
  const T* in;
  int64_t in_stride;
  const float* residual;
  int64_t residual_stride;
  void* out;
  int64_t out_stride;
  bool out_float32;
  int rows;
  SplitNorm before;
  SplitNorm after;
};

// The first weight row of strip `strip` of this block.
template <int kStrips>
__device__ inline int64_t FirstFeature(int strip, int64_t up_offset) {
  if (up_offset == 0) return (static_cast<int64_t>(blockIdx.x) * kStrips + strip) * 8;
  constexpr int kHalf = kStrips > 1 ? kStrips / 2 : 1;
  const int64_t gate = (static_cast<int64_t>(blockIdx.x) * kHalf + strip % kHalf) * 8;
  return strip < kHalf ? gate : gate + up_offset;
}

// What the norm in front still owes every row: loaded early, summed up late.
template <typename C>
class NormScales {
 public:
  template <typename T>
  __device__ void Load(const SkinnyParameters<T>& p) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int i = 0; i < kEach; ++i) squares_[r][i] = Part(p, r, i);
    }
  }

  // Leaves the scale of every row in `scales`.
  template <typename T>
  __device__ void Finish(const SkinnyParameters<T>& p, float (&scales)[16 * C::kTiles]) const {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      float sum = 0.0f;
#pragma unroll
      for (int i = 0; i < kEach; ++i) sum += squares_[r][i];
      for (int i = kEach; 32 * i < p.before.parts; ++i) sum += Part(p, r, i);
#pragma unroll
      for (int distance = 16; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(~0u, sum, distance);
      }
      if (threadIdx.x % 32 == 0 && Row(r) < p.rows) {
        scales[Row(r)] = rsqrtf(sum / p.before.width + p.before.eps) * p.before.output_scale;
      }
    }
  }

 private:
  static constexpr int kRows = 16 * C::kTiles / C::kWarps;  // of a warp
  static constexpr int kEach = C::kTiles > 1 ? 2 : 4;  // parts of a row that a lane loads early

  __device__ static int Row(int r) {
    return threadIdx.x / 32 + r * C::kWarps;
  }
  template <typename T>
  __device__ static float Part(const SkinnyParameters<T>& p, int r, int i) {
    const int part = threadIdx.x % 32 + 32 * i;
    const bool inside = Row(r) < p.rows && part < p.before.parts;
    return inside ? __ldcg(p.before.squares + Row(r) * p.before.parts + part) : 0.0f;
  }

  float squares_[kRows][kEach];
};

// Where a thread's results go: result `place` is [strip][tile][4 * lane + index within the lane's
// fragment].
template <typename C>
struct Place {
  int row;
  int64_t feature;

  __device__ Place(int place, int64_t up_offset) {
    const int lane = place % 128 / 4;
    row = 16 * (place / 128 % C::kTiles) + lane / 4 + place % 4 / 2 * 8;
    feature =
        FirstFeature<C::kStrips>(place / (C::kTiles * 128), up_offset) + lane % 4 * 2 + place % 2;
  }
  template <typename T>
  __device__ bool Inside(const SkinnyParameters<T>& p) const {
    return row < p.rows && feature < (p.up_offset ? p.up_offset : p.out_features);
  }
};

// The residuals of a thread's results, loaded early.
template <typename C>
struct Residuals {
  static constexpr int kCount = (C::kPlaces + C::kThreads - 1) / C::kThreads;
  float value[kCount];

  template <typename T>
  __device__ void Load(const SkinnyParameters<T>& p) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int place = threadIdx.x + i * C::kThreads;
      const Place<C> at(place, p.up_offset);
      const bool some = p.residual && place < C::kPlaces && at.Inside(p);
      value[i] = some ? p.residual[at.row * p.residual_stride + at.feature] : 0.0f;
    }
  }
};

}  // namespace transept::kernels::cuda
