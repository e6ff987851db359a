// The vectorised matrix product that linear layers are made of.
#pragma once

#include <cstdint>

#include "kernels/dtype.h"

namespace transept::kernels::cpu {

// Columns of products are computed in groups of this many; buffers for them are padded to it.
inline constexpr int64_t kProductColumns = 4;

// out[m][n] = Σ_i x[m][i] w[n][i] for m < rows, n < columns.
struct Products {
  const float* x = nullptr;  // [rows, k]
  int64_t x_stride = 0;
  int64_t rows = 0;         // >= 1
  const void* w = nullptr;  // [columns, k], rows without a gap between them
  DataType w_dtype = DataType::kFloat32;
  int64_t columns = 0;
  int64_t k = 0;
  // What the caller multiplies next, to be fetched from memory meanwhile: rows of the same k and
  // dtype. May be null.
  const void* next_w = nullptr;
  // [rows, columns rounded up to kProductColumns]; the padding is overwritten.
  float* out = nullptr;
  int64_t out_stride = 0;
};

// Every output is summed in an order that depends on k alone, so equal inputs give equal bits
// whatever else is computed with them.
void Multiply(const Products& products);

}  // namespace transept::kernels::cpu
