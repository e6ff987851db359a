// What a block of a product of few rows makes of the sums that its warps came to.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/product_prefetch.cuh"

namespace transept::kernels::cuda {

// Where a thread's results go: result `place` is [strip][tile][4 * lane + index within the lane's
// fragment].
template <typename C>
struct Place {
  int row;
  int own;  // the feature, counted within the block
  int64_t feature;

  __device__ Place(int place, int64_t up_offset) {
    const int lane = place % 128 / 4;
    row = 16 * (place / 128 % C::kTiles) + lane / 4 + place % 4 / 2 * 8;
    const int strip = place / (C::kTiles * 128);
    const int column = lane % 4 * 2 + place % 2;
    own = 8 * strip + column;
    feature = FirstFeature<C::kStrips>(strip, up_offset) + column;
  }
  template <typename T>
  __device__ bool Inside(const ProductParameters<T>& p) const {
    return row < p.rows && feature < p.features();
  }
};

// The residuals of a thread's results, loaded early.
template <typename C>
struct Residuals {
  static constexpr int kCount = (C::kPlaces + C::kThreads - 1) / C::kThreads;
  float value[kCount];

  template <typename T>
  __device__ void Load(const ProductParameters<T>& p) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int place = threadIdx.x + i * C::kThreads;
      const Place<C> at(place, p.up_offset);
      const bool some = p.residual && place < C::kPlaces && at.Inside(p);
      value[i] = some ? p.residual[at.row * p.residual_stride + at.feature] : 0.0f;
    }
  }
};

// Writes a result, and its share of the norm behind.
template <typename T>
__device__ void Store(const ProductParameters<T>& p, int row, int64_t feature, float value,
                      float after) {
  const int64_t at = row * p.out_stride + feature;
  if (p.out_float32) {
    static_cast<float*>(p.out)[at] = value;
  } else {
    static_cast<T*>(p.out)[at] = FromFloat<T>(value);
  }
  if (p.after.weight) {
    static_cast<T*>(p.after.scaled)[row * p.after.scaled_stride + feature] =
        FromFloat<T>(value * after);
  }
}

// What the sum of a product is with the norm in front of it and the bias.
__device__ inline float Normed(const RowScale& before, float sum,
                               const FeatureConstants& constants) {
  return (sum - before.mean * constants.column) * before.scale + constants.bias;
}

// Adds the warps' sums up and writes the block's results. Afterwards the first warp's places hold
// the results.
template <typename C, typename T>
__device__ void Finish(const ProductParameters<T>& p, float (*sums)[C::kPlaces],
                       const RowScale* scales, const FeatureConstants* constants,
                       const Residuals<C>& residuals) {
  const auto sum_at = [&](int place) {
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < C::kDepthWarps; ++warp) sum += sums[warp][place];
    return sum;
  };
  const int places = p.up_offset ? C::kPlaces / 2 : C::kPlaces;
#pragma unroll
  for (int i = 0; i < Residuals<C>::kCount; ++i) {
    const int place = threadIdx.x + i * C::kThreads;
    if (place >= places) break;
    const Place<C> at(place, p.up_offset);
    float value = 0.0f;
    if (at.Inside(p)) {
      const RowScale before = p.before.weight ? scales[at.row] : kNoScale;
      const FeatureConstants& mine = constants[at.own];
      value = Normed(before, sum_at(place), mine);
      value = Activate(p.activation, value);
      if (p.up_offset) {
        value *= Normed(before, sum_at(place + places), constants[at.own + 4 * C::kStrips]);
      }
      float residual = residuals.value[i];
      if (p.of_residual.weight) {
        const RowScale& scale = scales[at.row];
        residual =
            (residual - scale.mean) * scale.scale * mine.residual_weight + mine.residual_bias;
      }
      value += residual;
      Store(p, at.row, at.feature, value, mine.after);
    }
    sums[0][place] = value;  // read by this thread alone until now
  }
}

// This block's part of each row's sums.
template <typename C, typename T>
__device__ void StoreSums(const ProductParameters<T>& p, const float* results) {
  for (int row = threadIdx.x; row < p.rows; row += C::kThreads) {
    RowSums sums;
    for (int strip = 0; strip < C::kStrips; ++strip) {
      for (int column = 0; column < 8; ++column) {
        const int lane = row % 8 * 4 + column / 2;
        const float value = results[(strip * C::kTiles + row / 16) * 128 + lane * 4 +
                                    row % 16 / 8 * 2 + column % 2];
        sums.sum += value;
        sums.squares += value * value;
      }
    }
    p.after.sums[row * PartStride(p.after.parts) + blockIdx.x] = sums;
  }
}

}  // namespace transept::kernels::cuda
