// A product of few rows as its kernels see it.
#pragma once

#include "kernels/cuda/fused_product.h"

namespace transept::kernels::cuda {

// FusedProduct with typed elements.
template <typename T>
struct ProductParameters {
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
  SplitNorm of_residual;
  const float* columns;  // FoldedNorm; its offsets stand in for the bias

  // Results of a row.
  __device__ int64_t features() const { return up_offset ? up_offset : out_features; }
};

template <typename T>
ProductParameters<T> ParametersOf(const FusedProduct& product) {
  const float* const offsets = product.folded.offsets;
  return {.weight = static_cast<const T*>(product.weight.data),
          .out_features = product.weight.rows,
          .depth = product.weight.cols,
          .bias = offsets ? offsets : product.bias.data,
          .activation = product.activation,
          .up_offset = product.gated ? product.weight.rows / 2 : 0,
          .in = static_cast<const T*>(product.in.data),
          .in_stride = product.in.stride,
          .residual = static_cast<const float*>(product.residual.data),
          .residual_stride = product.residual.stride,
          .out = product.out.data,
          .out_stride = product.out.stride,
          .out_float32 = product.out.dtype == DataType::kFloat32,
          .rows = static_cast<int>(product.rows),
          .before = product.norm_before,
          .after = product.norm_after,
          .of_residual = product.norm_residual,
          .columns = product.folded.columns};
}

}  // namespace transept::kernels::cuda
