// What a block of a product of few rows loads long before it needs it, besides weight and input.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/product_cut.cuh"
#include "kernels/cuda/split_norm.cuh"

namespace transept::kernels::cuda {

// What a norm still owes every row: on its way to shared memory early, summed up late. A warp has
// rows of its own, so that no block barrier stands between the two.
template <typename C>
class NormScales {
 public:
  // `shared`: of the block, Bytes(norm.parts), aligned to 16.
  __device__ NormScales(const SplitNorm& norm, int rows, RowSums* shared)
      : norm_(norm),
        rows_(rows),
        stride_(PartStride(norm.parts)),
        mine_(shared + threadIdx.x / 32 * kRows * stride_) {}

  __device__ void Load() {
    for (int r = 0; r < kRows; ++r) {
      const bool exists = Row(r) < rows_;
      const RowSums* const from = norm_.sums + (exists ? Row(r) * stride_ : 0);
      for (int i = threadIdx.x % 32 * 2; i < stride_; i += 64) {
        CopyAsync(mine_ + r * stride_ + i, from + i, exists);
      }
    }
    CommitCopies();
  }

  // Leaves the scale of every row in `scales`.
  __device__ void Finish(RowScale (&scales)[16 * C::kTiles]) const {
    WaitForCopies<0>();
    __syncwarp();
    for (int r = 0; r < kRows; ++r) {
      RowSums sums;
      for (int part = threadIdx.x % 32; part < norm_.parts; part += 32) {
        sums.sum += mine_[r * stride_ + part].sum;
        sums.squares += mine_[r * stride_ + part].squares;
      }
      const RowSums total = SumOverWarp(sums);
      if (threadIdx.x % 32 == 0 && Row(r) < rows_) scales[Row(r)] = ScaleOf(norm_, total);
    }
  }

  static constexpr size_t Bytes(int32_t parts) {
    return 16 * C::kTiles * PartStride(parts) * sizeof(RowSums);
  }

 private:
  static constexpr int kRows = 16 * C::kTiles / C::kWarps;  // of a warp

  __device__ static int Row(int r) { return threadIdx.x / 32 + r * C::kWarps; }

  const SplitNorm& norm_;
  int rows_;
  int stride_;
  RowSums* mine_;
};

// What a feature of the block is scaled by and added to. These are weights, and come from memory:
// they are loaded before the kernel in front has ended, and kept in shared memory for when they are
// needed.
struct FeatureConstants {
  float bias;
  float column;           // of FoldedNorm
  float after;            // the weight of the norm behind
  float residual_weight;  // of the norm of the residual
  float residual_bias;

  template <typename T>
  __device__ static FeatureConstants Load(const ProductParameters<T>& p, int64_t feature) {
    const auto value = [feature](const float* vector) { return vector ? vector[feature] : 0.0f; };
    FeatureConstants constants = {};
    if (feature >= p.out_features) return constants;
    constants.bias = value(p.bias);
    constants.column = value(p.columns);
    if (feature >= p.features()) return constants;
    constants.after = value(p.after.weight);
    constants.residual_weight = value(p.of_residual.weight);
    constants.residual_bias = value(p.of_residual.bias) * p.of_residual.output_scale;
    return constants;
  }
};

// Those of all features of a block, by one thread each.
template <typename C>
class BlockConstants {
 public:
  template <typename T>
  __device__ void Load(const ProductParameters<T>& p) {
    if (threadIdx.x >= kCount) return;
    const int strip = static_cast<int>(threadIdx.x) / 8;
    mine_ =
        FeatureConstants::Load(p, FirstFeature<C::kStrips>(strip, p.up_offset) + threadIdx.x % 8);
  }
  // Shows them to the block, once it has met.
  __device__ void Share(FeatureConstants* shared) const {
    if (threadIdx.x < kCount) shared[threadIdx.x] = mine_;
  }

  static constexpr int kCount = 8 * C::kStrips;

 private:
  FeatureConstants mine_;
};

}  // namespace transept::kernels::cuda
