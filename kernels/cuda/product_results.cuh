// What a block of a product of few rows makes of the sums that its warps came to.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/product_prefetch.cuh"

namespace transept::kernels::cuda {

// A result of a block, of kRows times its features; a gated product has half as many.
template <typename C, bool kGated>
struct Place {
  static constexpr int kFeatures = kGated ? C::kFeatures / 2 : C::kFeatures;
  static constexpr int kCount = C::kRows * kFeatures;  // of a block
  static constexpr int kOfThread = (kCount + C::kThreads - 1) / C::kThreads;

  int own_row;  // counted from the block's first
  int own;      // the feature, counted within the block
  int row;
  int64_t feature;

  template <typename T>
  __device__ Place(const ProductParameters<T>& p, int of_thread) {
    const int index = threadIdx.x + of_thread * C::kThreads;
    own_row = index / kFeatures;
    own = index % kFeatures;
    row = FirstRow<C>() + own_row;
    feature = FirstFeature<C>(0, p.up_offset) + own;
  }
  template <typename T>
  __device__ bool Inside(const ProductParameters<T>& p) const {
    return own_row < C::kRows && row < p.rows && feature < p.features();
  }
};

// The residuals of a thread's results, loaded early. A gated product has none.
template <typename C>
struct Residuals {
  static constexpr int kCount = Place<C, false>::kOfThread;
  const float* from[kCount];  // null: none
  float value[kCount];

  template <typename T>
  __device__ explicit Residuals(const ProductParameters<T>& p) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const Place<C, false> at(p, i);
      from[i] = p.residual && at.Inside(p) ? p.residual + at.row * p.residual_stride + at.feature
                                           : nullptr;
      WorkOutHere(from[i]);
    }
  }
  __device__ void Load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      value[i] = 0.0f;
      if (from[i]) asm volatile("ld.global.f32 %0, [%1];" : "=f"(value[i]) : "l"(from[i]));
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

// What is added to a result, of the residual as it is or with its norm.
__device__ inline float ResidualOf(const SplitNorm& norm, float residual, const RowScale& scale,
                                   const FeatureConstants& constants) {
  if (norm.weight == nullptr) return residual;
  return (residual - scale.mean) * scale.scale * constants.residual_weight +
         constants.residual_bias * norm.output_scale;
}

// Adds up the warps' sums, [depth warp][row][kStride], and writes the block's results. Afterwards
// the first warp's sums are the results.
template <typename C, bool kGated, typename T>
__device__ void Finish(const ProductParameters<T>& p, float* sums, const RowScale* scales,
                       const FeatureConstants* constants, const Residuals<C>& residuals) {
  using At = Place<C, kGated>;
#pragma unroll
  for (int i = 0; i < At::kOfThread; ++i) {
    const At at(p, i);
    if (at.own_row >= C::kRows) break;
    float* const mine = sums + at.own_row * C::kStride + at.own;
    float value = 0.0f, up = 0.0f;
#pragma unroll
    for (int warp = 0; warp < C::kDepthWarps; ++warp) {
      value += mine[warp * C::kSumsOfWarp];
      if constexpr (kGated) up += mine[warp * C::kSumsOfWarp + At::kFeatures];
    }
    if (!at.Inside(p)) {
      *mine = 0.0f;
      continue;
    }
    const RowScale before = p.before.weight ? scales[at.own_row] : kNoScale;
    const FeatureConstants& constant = constants[at.own];
    value = Activate(p.activation, Normed(before, value, constant));
    if constexpr (kGated) {
      value *= Normed(before, up, constants[at.own + At::kFeatures]);
    } else {
      value += ResidualOf(p.of_residual, residuals.value[i], scales[at.own_row], constant);
    }
    Store(p, at.row, at.feature, value, constant.after);
    *mine = value;  // read by this thread alone until now
  }
}

// This block's part of the sums of each of its rows. Never of a gated product.
template <typename C, typename T>
__device__ void StoreSums(const ProductParameters<T>& p, const float* results) {
  const int first = FirstRow<C>();
  for (int own = threadIdx.x; own < min(p.rows - first, C::kRows); own += C::kThreads) {
    RowSums sums;
#pragma unroll
    for (int i = 0; i < C::kFeatures; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(results + own * C::kStride + i);
      sums.sum += four.x + four.y + four.z + four.w;
      sums.squares += four.x * four.x + four.y * four.y + four.z * four.z + four.w * four.w;
    }
    p.after.sums[(first + own) * PartStride(p.after.parts) + blockIdx.x] = sums;
  }
}

}  // namespace transept::kernels::cuda
