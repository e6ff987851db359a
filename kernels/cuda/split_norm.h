// Norms that have no kernel of their own, because the products next to them do a half each.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/operation.h"

namespace transept::kernels::cuda {

// What a part of a row adds up to.
struct alignas(8) RowSums {
  float sum = 0.0f;
  float squares = 0.0f;
};

// Whoever writes a row x of the norm's input also writes `scaled` = x times the norm's weight w,
// and the sums of x and of its squares, a part of the row each. With these as mean μ and scale r =
// output_scale / √(variance + eps), the norm is r (x - μ) w + output_scale b, so whoever multiplies
// it by a weight matrix W multiplies `scaled` and makes of the result
//   r (W scaled) - r μ columns + offsets,   columns = W w,   offsets = output_scale W b + bias.
// Of RMS norms μ, b and `columns` are zero, and 1 / r the root of the mean square.
struct SplitNorm {
  const float* weight = nullptr;  // [width]; null = no norm
  const float* bias = nullptr;    // [width]; kLayer only
  bool centred = false;           // kLayer
  float eps = 0.0f;
  float output_scale = 1.0f;
  float inverse_width = 0.0f;  // 1 / width
  void* scaled = nullptr;      // [rows, width] in 16 bits
  int64_t scaled_stride = 0;
  RowSums* sums = nullptr;  // [rows, PartStride(parts)]
  int32_t parts = 0;
};

// Every row begins at a multiple of 16 bytes.
__host__ __device__ constexpr int32_t PartStride(int32_t parts) {
  return (parts + 1) / 2 * 2;
}

inline SplitNorm SplitOf(const NormOp& norm, RowSums* sums, int32_t parts) {
  return {.weight = norm.weight.data,
          .bias = norm.bias.data,
          .centred = norm.kind == NormKind::kLayer,
          .eps = norm.eps,
          .output_scale = norm.output_scale,
          .inverse_width = 1.0f / static_cast<float>(norm.in.width),
          .scaled = norm.out.data,
          .scaled_stride = norm.out.stride,
          .sums = sums,
          .parts = parts};
}

// The widest norm that is split, and the most parts that its rows are left in.
inline constexpr int64_t kMaxSplitWidth = 8192;
inline constexpr int64_t kMaxParts = 1024;

// What of a product behind a split norm is the same for all rows. Null where nothing differs from
// the product itself.
struct FoldedNorm {
  const float* columns = nullptr;  // [out features]
  const float* offsets = nullptr;  // [out features]
};

// A norm next to an operation, which takes over its half of it in steps of few rows.
struct NeighbourNorm {
  const NormOp* norm = nullptr;
  int64_t few_rows = 0;  // up to so many; with more the norm runs by itself
  int8_t slot = 0;       // which of two buffers holds its sums

  bool Splits(int64_t rows) const { return norm && rows <= few_rows; }
};

// The norms around a product, or what else writes the residual stream.
struct NormNeighbours {
  NeighbourNorm before;    // of its input
  NeighbourNorm after;     // of its output
  NeighbourNorm residual;  // of its residual, which lies there as it was in front of the norm
  FoldedNorm folded;       // with `before`
};

}  // namespace transept::kernels::cuda
