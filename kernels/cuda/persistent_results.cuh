// The tasks of the persistent kernel that compute hidden states and logits: after one barrier some
// threads of a block add up what its warps came to, and publish.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/persistent_product.cuh"
#include "kernels/cuda/warp.cuh"

namespace transept::kernels::cuda {

__device__ inline float2 NormWeight(const Task& task, int feature) {
  if (task.norm_weight == nullptr) return {};
  return __ldg(reinterpret_cast<const float2*>(task.norm_weight + feature));
}

__device__ inline void RunEmbed(const Task& task, int token, PersistentBlock& block) {
  const int places = 4 * block.strips;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread / 32 * 32 >= places) return;
  const int place = min(thread, places - 1);
  const int feature = FeatureOf(place / 4, false) + place % 4 * 2;
  const BFloat16* row =
      static_cast<const BFloat16*>(task.embed.table) + static_cast<int64_t>(token) * task.features;
  const float2 value = {ToFloat(row[feature]) * task.embed.scale,
                        ToFloat(row[feature + 1]) * task.embed.scale};
  if (thread < places) Shared().hidden[thread] = value;
  block.Publish(task, feature, value, NormWeight(task, feature), thread < places);
}

// The factor that the norm in front still owes.
__device__ inline float OwedFactor(const OwedNorm& owed, const float (&squares)[kPersistentWarps],
                                   int warps) {
  if (owed.width == 0) return 1.0f;
  float sum = 0.0f;
  for (int warp = 0; warp < warps; ++warp) sum += squares[warp];
  return rsqrtf(sum / owed.width + owed.eps) * owed.output_scale;
}

// Adds the warps' sums of a round up; `place` counts pairs of features, strip by strip.
__device__ inline float2 SumOf(const PersistentBlock& block, int warps, int place) {
  float2 sum = {};
#pragma unroll
  for (int warp = 0; warp < kPersistentWarps; ++warp) {
    if (warp >= warps) break;
    const float2 part = Shared().sums[block.round][warp][place];
    sum = {sum.x + part.x, sum.y + part.y};
  }
  return sum;
}

// Turns the sums of the strips from `first` on into results, two a thread.
__device__ inline void FinishStrips(const Task& task, int first, int strips, float2 norm,
                                    PersistentBlock& block) {
  const ProductTask& product = task.product;
  const int places = product.gated ? 2 * strips : 4 * strips;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread / 32 * 32 >= places) return;
  const bool valid = thread < places;
  const int place = min(thread, places - 1);
  const int strip = product.gated ? place / 4 * 2 : place / 4;
  const int warps = min(kPersistentWarps, product.depth / kColumns);
  const float factor = OwedFactor(product.owed, Shared().squares[block.product], warps);
  float2 value = SumOf(block, warps, strip * 4 + place % 4);
  value = {Activate(product.activation, value.x * factor),
           Activate(product.activation, value.y * factor)};
  if (product.gated) {
    const float2 up = SumOf(block, warps, strip * 4 + 4 + place % 4);
    value = {value.x * (up.x * factor), value.y * (up.y * factor)};
  }
  const int feature = FeatureOf(first + strip, product.gated) + place % 4 * 2;
  if (product.residual) {
    float2& hidden = Shared().hidden[4 * first + place];
    value = {value.x + hidden.x, value.y + hidden.y};
    __syncwarp();
    if (valid) hidden = value;
  }
  if (product.logits == nullptr) return block.Publish(task, feature, value, norm, valid);
  if (valid && feature < task.features) product.logits[feature] = value.x;
  if (valid && feature + 1 < task.features) product.logits[feature + 1] = value.y;
}

__device__ inline void RunProduct(const Task& task, WeightReader& weights, PersistentBlock& block) {
  if (block.strips == 0) return;
  const int thread = static_cast<int>(threadIdx.x);
  block.product ^= 1;
#pragma unroll 1
  for (int first = 0; first < block.strips; first += kRoundStrips) {
    const int strips = min(kRoundStrips, block.strips - first);
    float2 norm = {};
    if (thread < 4 * strips) {
      norm = NormWeight(task, FeatureOf(first + thread / 4, task.product.gated) + thread % 4 * 2);
    }
    if (first == 0) {
      float squares = AwaitInput(task, block);
      if (task.product.owed.width != 0) {
        squares = SumOverLanes(squares);
        if (thread % 32 == 0) Shared().squares[block.product][thread / 32] = squares;
      }
    }
    MultiplyStrips(task, strips, weights, block);
    SyncThreads();
    FinishStrips(task, first, strips, norm, block);
    block.round ^= 1;
  }
}

}  // namespace transept::kernels::cuda
