// Views of memory that operations read and write. Nothing here owns anything: the memory must
// outlive every operation that names it.
#pragma once

#include <cstdint>

#include "kernels/dtype.h"

namespace transept::kernels {

// To how many rows, or elements, weights are padded: libraries have fast kernels for multiples
// alone.
inline constexpr int64_t kPadding = 16;

// A weight matrix as checkpoints store it: row-major [rows, cols], one row an output feature, so
// that a linear layer computes y = x * Wᵀ. `data` may have any DataType.
struct Matrix {
  const void* data = nullptr;  // [rows, cols]
  DataType dtype = DataType::kFloat32;
  int64_t rows = 0;
  int64_t cols = 0;
  bool padded = false;  // rows of zeros follow up to the next multiple of kPadding
  // With kInt8: an element is its number, in [-127, 127], times its row's scale.
  const float* scales = nullptr;  // [rows]
  const int32_t* sums = nullptr;  // [rows] the sum of a row's numbers
};

// A weight vector (norm scale, bias), always float32. Null data means "absent".
struct Vector {
  const float* data = nullptr;  // [size]
  int64_t size = 0;
  bool padded = false;  // zeros follow up to the next multiple of kPadding
};

constexpr int64_t Padded(int64_t count) {
  return (count + kPadding - 1) / kPadding * kPadding;
}

// How many rows an activation buffer has in this step.
enum class Extent : uint8_t {
  kTokens,  // one row for each query token of the step
  kRows,    // one row for each decoder row (its last query token)
};

// An activation buffer [extent, width]; consecutive rows lie `stride` elements apart, so that a
// column slice of a wider buffer is an Activations value too. The CPU keeps them in float32.
struct Activations {
  void* data = nullptr;
  DataType dtype = DataType::kFloat32;
  int64_t width = 0;
  int64_t stride = 0;
  Extent extent = Extent::kTokens;
};

// The stride to give a buffer of rows of this width. Every row begins at a multiple of 32 elements:
// libraries have fast kernels for that alone, whatever the width. Rows of float32 that lie a
// multiple of 4 KiB apart compete for the same lines of a processor's first-level cache, and
// kernels read several at once.
constexpr int64_t StrideFor(int64_t width) {
  const int64_t whole = (width + 31) / 32 * 32;
  return whole % 1024 == 0 ? whole + 32 : whole;
}

// The paged K/V cache of one decoder layer. Keys and values are each
// [num_blocks, num_kv_heads, block_size, head_size]. A slot s addresses block s / block_size and
// offset s % block_size within it. Self- and cross-attention pages lie in the same cache.
struct PagedKv {
  void* keys = nullptr;
  void* values = nullptr;
  DataType dtype = DataType::kFloat32;
  int64_t num_blocks = 0;
  int32_t block_size = 0;
  int32_t num_kv_heads = 0;
  int32_t head_size = 0;
};

}  // namespace transept::kernels
