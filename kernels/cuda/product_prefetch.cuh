// What a block of a product of few rows loads long before it needs it, besides weight and input.
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/product_cut.cuh"
#include "kernels/cuda/split_norm.cuh"

namespace transept::kernels::cuda {

// What a norm still owes every row of the block: on its way to shared memory early, summed up late.
// A warp has rows of its own, so that no block barrier stands between the two.
template <typename C>
class NormScales {
 public:
  // `shared`: of the block, Bytes(parts), aligned to 16.
  template <typename T>
  __device__ NormScales(const ProductParameters<T>& p, RowSums* shared)
      : norm_(p.before.weight ? p.before : p.of_residual), stride_(PartStride(norm_.parts)) {
    const int first = static_cast<int>(threadIdx.x) / 32 * kRows;
    const int rows = min(p.rows - FirstRow<C>() - first, kRows);
    mine_ = shared + first * stride_;
    from_ = norm_.sums + (FirstRow<C>() + first) * stride_;
    size_ = norm_.weight ? max(rows, 0) * stride_ : 0;
    WorkOutHere(from_);
    WorkOutHere(size_);
  }

  __device__ void Load() const {
#pragma unroll 1
    for (int i = threadIdx.x % 32 * 2; i < size_; i += 64) CopyAsync(mine_ + i, from_ + i, true);
    CommitCopies();
  }

  // Leaves the scale of every such row in `scales`. A warp's rows are summed up side by side.
  __device__ void Finish(RowScale (&scales)[C::kRows]) const {
    if (size_ == 0) return;
    WaitForCopies<0>();
    __syncwarp();
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    const int row = static_cast<int>(threadIdx.x) % 32 / kLanes;
    const RowSums* const parts = mine_ + row * stride_;
    RowSums sums;
#pragma unroll 2
    for (int part = lane; part < norm_.parts; part += kLanes) {
      sums.sum += parts[part].sum;
      sums.squares += parts[part].squares;
    }
    const RowSums total = SumOverLanes<kLanes>(sums);
    const int of_block = static_cast<int>(threadIdx.x) / 32 * kRows + row;
    if (lane == 0 && row * stride_ < size_) scales[of_block] = ScaleOf(norm_, total);
  }

  static constexpr size_t Bytes(int32_t parts) {
    return C::kWarps * kRows * PartStride(parts) * sizeof(RowSums);
  }

 private:
  static constexpr int kRows = (C::kRows + C::kWarps - 1) / C::kWarps;  // of a warp, at most
  static constexpr int kLanes = 32 / kRows;                             // of a row
  static_assert(32 % kRows == 0);

  const SplitNorm& norm_;
  int stride_;
  RowSums* mine_;
  const RowSums* from_;
  int size_;  // of the warp's parts
};

// What a feature of the block is scaled by and added to. These are weights, and come from memory:
// they are on their way to shared memory before the kernel in front has ended.
struct FeatureConstants {
  float bias;
  float column;           // of FoldedNorm
  float after;            // the weight of the norm behind
  float residual_weight;  // of the norm of the residual
  float residual_bias;
};

// Starts copying those of all features of a block, by one thread each. Zeros stand in for what
// there is not.
template <typename C, typename T>
__device__ void LoadConstants(const ProductParameters<T>& p, FeatureConstants* shared) {
  if (threadIdx.x >= C::kFeatures) return;
  const int64_t feature =
      FirstFeature<C>(static_cast<int>(threadIdx.x) / 8, p.up_offset) + threadIdx.x % 8;
  FeatureConstants& to = shared[threadIdx.x];
  const auto copy = [&](float* place, const float* vector, int64_t size) {
    const bool some = vector && feature < size;
    const void* const from = some ? static_cast<const void*>(vector + feature) : p.weight;
    CopyFloatAsync(place, from, some);
  };
  copy(&to.bias, p.bias, p.out_features);
  copy(&to.column, p.columns, p.out_features);
  copy(&to.after, p.after.weight, p.features());
  copy(&to.residual_weight, p.of_residual.weight, p.features());
  copy(&to.residual_bias, p.of_residual.bias, p.features());
}

}  // namespace transept::kernels::cuda
