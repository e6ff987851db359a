// A row's mean and scale from the parts that a split norm left.
#pragma once

#include "kernels/cuda/split_norm.h"

namespace transept::kernels::cuda {

// A norm's result for an input x is (x - mean) * scale * weight + output_scale * bias.
struct RowScale {
  float mean;  // 0 of RMS norms
  float scale;
};

// Where there is no norm.
inline constexpr RowScale kNoScale = {0.0f, 1.0f};

__device__ inline RowScale ScaleOf(const SplitNorm& norm, const RowSums& total) {
  RowScale row = kNoScale;
  float variance = total.squares * norm.inverse_width;
  if (norm.centred) {
    row.mean = total.sum * norm.inverse_width;
    variance = fmaxf(variance - row.mean * row.mean, 0.0f);
  }
  row.scale = rsqrtf(variance + norm.eps) * norm.output_scale;
  return row;
}

// Of what each group of kLanes neighbouring lanes has, in each of them. All lanes of the warp call
// it.
template <int kLanes>
__device__ inline RowSums SumOverLanes(RowSums mine) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    mine.sum += __shfl_xor_sync(~0u, mine.sum, distance);
    mine.squares += __shfl_xor_sync(~0u, mine.squares, distance);
  }
  return mine;
}

}  // namespace transept::kernels::cuda
